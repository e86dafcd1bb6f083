{{ config(materialized='view') }}

select
    repeats.log_partition,
    repeats.log_offset,
    repeats.event_id,
    'conflicting_payload' as reason,
    repeats.event_type,
    repeats.payload_type,
    repeats.stream_id,
    repeats.source,
    repeats.source_position,
    repeats.occurred_at,
    repeats.recorded_at,
    repeats.payload,
    {{ hex_text('repeats.payload_sha256') }} as payload_sha256,
    counted.log_partition as counted_log_partition,
    counted.log_offset as counted_log_offset,
    {{ hex_text('counted.payload_sha256') }} as counted_payload_sha256,
    repeats.inserted_at
from {{ ref('stg_events__repeats') }} as repeats
inner join {{ ref('stg_events__deliveries') }} as counted
    on repeats.event_id = counted.event_id
    and counted.disposition = 'distinct'
where repeats.disposition = 'conflicting'
