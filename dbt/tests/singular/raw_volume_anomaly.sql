{{ config(severity=env_var('VOLUME_ANOMALY_SEVERITY', 'warn'), tags=['volume']) }}
{#- Days of RAW.EVENTS (by business time, UTC) whose count is too far from the mean of the days before. Judged are the
    last complete days, as many as the mean looks back over: older ones were judged in their time. A day without
    events counts 0, so an outage shows. A day needs that many days of history before it, and the last day is
    still coming in: neither edge is ever reported. Integers only: |count x days - sum| x 100 > percent x sum. -#}
{% set days = var('volume_anomaly_lookback_days') | int %}
{% set percent = var('volume_anomaly_pct') | int %}
with edges as (
    select cast(min(occurred_at) as date) as first_date, cast(max(occurred_at) as date) as last_date
    from {{ source('raw', 'events') }}
),

daily as (
    select cast(occurred_at as date) as event_date, count(*) as event_count
    from {{ source('raw', 'events') }}
    {#- Nothing older has a part in the answer. #}
    where occurred_at >= (select {{ dbt.dateadd('day', -(2 * days), 'last_date') }} from edges)
    group by cast(occurred_at as date)
),

judged as (
    {% for back in range(1, days + 1) -%}
    select cast({{ dbt.dateadd('day', -back, 'last_date') }} as date) as event_date, first_date from edges
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

rolling as (
    select
        judged.event_date,
        coalesce(sum(case when daily.event_date = judged.event_date then daily.event_count end), 0) as event_count,
        coalesce(sum(case when daily.event_date < judged.event_date then daily.event_count end), 0) as earlier_sum
    from judged
    left join daily
        on daily.event_date <= judged.event_date
        and daily.event_date >= cast({{ dbt.dateadd('day', -days, 'judged.event_date') }} as date)
    where judged.first_date <= cast({{ dbt.dateadd('day', -days, 'judged.event_date') }} as date)
    group by judged.event_date
)

select event_date, event_count, earlier_sum, {{ days }} as earlier_days, {{ percent }} as percent_allowed
from rolling
where abs(event_count * {{ days }} - earlier_sum) * 100 > {{ percent }} * earlier_sum
