with daily as (
    select
        production_date,
        line,
        currency_code,
        count(*) as batches,
        sum(case when finished_at is not null then 1 else 0 end) as finished_batches,
        sum(planned) as planned,
        sum(coalesce(produced, 0)) as produced,
        sum(case when finished_at is not null then defects else 0 end) as defects,
        sum(coalesce(good, 0)) as good,
        sum(coalesce(production_seconds, 0)) as production_seconds,
        sum(coalesce(cost, 0)) as cost
    from {{ ref('fct_batch_performance') }}
    group by production_date, line, currency_code
),

counted as (
    select
        production_date,
        line,
        currency_code,
        cast(batches as bigint) as batches,
        cast(finished_batches as bigint) as finished_batches,
        cast(planned as bigint) as planned,
        cast(produced as bigint) as produced,
        cast(defects as bigint) as defects,
        cast(good as bigint) as good,
        cast(production_seconds as decimal(38, 6)) as production_seconds,
        cast(production_seconds * 1000000 as {{ wide_integer() }}) as production_us,
        cast(cost as decimal(38, 9)) as cost
    from daily
)

select
    production_date,
    line,
    currency_code,
    batches,
    finished_batches,
    planned,
    produced,
    defects,
    good,
    {{ exact_ratio('defects', 'produced') }} as defect_rate,
    {{ exact_ratio('good', 'planned') }} as efficiency,
    production_seconds,
    {{ exact_ratio('produced', '(case when production_us > 0 then production_us end)', 3600000000) }} as throughput_per_hour,
    cost
from counted
