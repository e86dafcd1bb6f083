{{ config(severity=env_var('RECONCILIATION_SEVERITY', env_var('VOLUME_ANOMALY_SEVERITY', 'warn')), tags=['reconciliation']) }}
{#- The journal's partitions and the live ones carry the same events, day by day (business time, UTC): one row for each
    day on which an event came by one way only. Partitions are told by how their names begin. Judged are the days
    that both ways cover in full, the last `reconciliation_days` of them: the first and the last day of either may be
    there in part. Events are compared, not counts: one lost and another doubled do not make up for each other. -#}
{% set ways = [('live', var('live_partitions')), ('journal', var('journal_partitions'))] %}
{% set days = var('reconciliation_days') | int %}
with deliveries as (
    select
        event_id,
        cast(occurred_at as date) as event_date,
        case
            {%- for way, prefix in ways %}
            when left(log_partition, {{ prefix | length }}) = '{{ prefix }}' then '{{ way }}'
            {%- endfor %}
        end as way
    from {{ source('raw', 'events') }}
),

edges as (
    select way, min(event_date) as first_date, max(event_date) as last_date
    from deliveries
    where way is not null
    group by way
),

covered as (
    select max(first_date) as after_date, min(last_date) as before_date
    from edges
    having count(*) = {{ ways | length }}
),

events as (
    select
        deliveries.event_id,
        deliveries.event_date,
        max(case when deliveries.way = 'live' then 1 else 0 end) as live,
        max(case when deliveries.way = 'journal' then 1 else 0 end) as journal
    from deliveries
    inner join covered
        on deliveries.event_date > covered.after_date
        and deliveries.event_date < covered.before_date
        and deliveries.event_date >= cast({{ dbt.dateadd('day', -days, 'covered.before_date') }} as date)
    where deliveries.way is not null
    group by deliveries.event_id, deliveries.event_date
)

select
    event_date,
    sum(live) as live_events,
    sum(journal) as journal_events,
    sum(1 - journal) as only_live,
    sum(1 - live) as only_journal,
    min(case when live + journal = 1 then event_id end) as for_instance
from events
group by event_date
having sum(1 - live) + sum(1 - journal) > 0
