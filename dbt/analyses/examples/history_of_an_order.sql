{#- Everything ever said about one order, in log order, with what was not counted and why.
    dbt compile --select history_of_an_order --vars '{order_id: O-1}' -#}
select
    deliveries.log_partition,
    deliveries.log_offset,
    deliveries.disposition,
    raw_events.payload_type,
    raw_events.occurred_at,
    raw_events.payload
from {{ source('raw', 'events') }} as raw_events
inner join {{ ref('stg_events__deliveries') }} as deliveries
    on raw_events.log_partition = deliveries.log_partition
    and raw_events.log_offset = deliveries.log_offset
where {{ payload_text('raw_events.payload', 'order_id') }} = '{{ var("order_id", "") | replace("'", "''") }}'
order by deliveries.log_partition, deliveries.log_offset
