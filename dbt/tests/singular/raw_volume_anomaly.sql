{{ config(severity=env_var('VOLUME_ANOMALY_SEVERITY', 'warn')) }}
{#- Days of RAW.EVENTS (by business time, UTC) whose count is too far from the mean of the days before. Judged are the
    last complete days, as many as the mean looks back over: older ones were judged in their time. A day
    needs that many days of history, and the last day is still coming in; neither edge is ever reported.
    Integers only: |count x days - sum| x 100 > percent x sum. -#}
{% set days = var('volume_anomaly_lookback_days') | int %}
{% set percent = var('volume_anomaly_pct') | int %}
-- depends_on: {{ ref('stg_events__deliveries') }}
with daily as (
    select cast(occurred_at as date) as event_date, count(*) as event_count
    from {{ source('raw', 'events') }}
    group by cast(occurred_at as date)
),

rolling as (
    select
        event_date,
        event_count,
        sum(event_count) over (order by event_date rows between {{ days }} preceding and 1 preceding) as earlier_sum,
        count(*) over (order by event_date rows between {{ days }} preceding and 1 preceding) as earlier_days,
        row_number() over (order by event_date desc) as days_from_last
    from daily
)

select event_date, event_count, earlier_sum, earlier_days
from rolling
where
    earlier_days = {{ days }}
    and days_from_last between 2 and {{ days }} + 1
    and abs(event_count * {{ days }} - earlier_sum) * 100 > {{ percent }} * earlier_sum
