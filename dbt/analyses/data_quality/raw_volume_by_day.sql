{#- Events by day and way in. What the test raw_volume_anomaly judges, to be looked at. -#}
select
    cast(occurred_at as date) as event_date,
    count(*) as deliveries,
    count(distinct event_id) as events,
    sum(case when left(log_partition, {{ var('live_partitions') | length }}) = '{{ var("live_partitions") }}' then 1 else 0 end)
        as live_deliveries,
    sum(case when left(log_partition, {{ var('journal_partitions') | length }}) = '{{ var("journal_partitions") }}' then 1 else 0 end)
        as journal_deliveries
from {{ source('raw', 'events') }}
group by cast(occurred_at as date)
order by event_date
