{{ config(materialized='view') }}

select
    raw_events.event_id,
    raw_events.event_type,
    raw_events.payload_type,
    raw_events.stream_id,
    raw_events.source,
    raw_events.source_position,
    raw_events.occurred_at,
    raw_events.recorded_at,
    raw_events.payload,
    raw_events.payload_sha256,
    raw_events.log_partition,
    raw_events.log_offset,
    raw_events.inserted_at,
    deliveries.disposition,
    deliveries.load_id
from {{ source('raw', 'events') }} as raw_events
inner join {{ ref('stg_events__deliveries') }} as deliveries
    on raw_events.log_partition = deliveries.log_partition
    and raw_events.log_offset = deliveries.log_offset
    {#- Implied by the two above; RAW lies in the order of inserted_at, so a filter on it leaves most of RAW unread. #}
    and raw_events.inserted_at = deliveries.inserted_at
where deliveries.disposition <> 'distinct'
