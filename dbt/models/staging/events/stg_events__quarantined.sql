{{ config(materialized='view') }}

select
    stage,
    log_partition,
    log_offset,
    event_id,
    event_type,
    stream_id,
    source,
    source_position,
    occurred_at,
    recorded_at,
    error_code as reason,
    error_message as message,
    {{ hex_text('payload_sha256') }} as payload_sha256,
    decoder_fingerprint,
    quarantined_at
from {{ source('raw', 'quarantine') }}
