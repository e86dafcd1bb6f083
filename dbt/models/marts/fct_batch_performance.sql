{{ config(materialized='incremental', unique_key='batch_id', incremental_strategy='touched',
          meta={'touched': 'batches', 'touched_key': 'batch_id'},
          cluster_by=clustered(['production_date']),
          pre_hook="{{ begin_load(batch_models()) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(batch_models() + ['stg_events__repeats']) }}

with started as (
    select *, row_number() over (partition by batch_id order by {{ latest_first() }}) as rank_from_last
    from {{ ref('stg_manufacturing__batch_started') }}
    {% if is_incremental() -%}
    where batch_id in ({{ touched_batches(this.identifier) }})
    {%- endif %}
),

finished as (
    select *, row_number() over (partition by batch_id order by {{ latest_first() }}) as rank_from_last
    from {{ ref('stg_manufacturing__batch_finished') }}
    where batch_id in (select batch_id from started)
),

inspected as (
    select
        event_id, batch_id, occurred_at,
        row_number() over (partition by batch_id order by {{ latest_first() }}) as rank_from_last
    from {{ ref('stg_manufacturing__batch_inspected') }}
    where batch_id in (select batch_id from started)
),

found as (
    select inspected.batch_id, sum(defects.defect_count) as defects
    from inspected
    inner join {{ ref('stg_manufacturing__batch_defects') }} as defects on inspected.event_id = defects.event_id
    where inspected.rank_from_last = 1
    group by inspected.batch_id
),

batches as (
    select
        started.batch_id, started.sku, started.line, started.machine, started.shift, started.planned,
        started.occurred_at as started_at,
        finished.occurred_at as finished_at,
        inspected.occurred_at as inspected_at,
        finished.produced,
        finished.cost,
        finished.currency_code,
        cast(coalesce(found.defects, 0) as bigint) as defects,
        {{ microseconds_between('started.occurred_at', 'finished.occurred_at') }} as production_us
    from started
    left join finished on started.batch_id = finished.batch_id and finished.rank_from_last = 1
    left join inspected on started.batch_id = inspected.batch_id and inspected.rank_from_last = 1
    left join found on started.batch_id = found.batch_id
    where started.rank_from_last = 1
)

select
    batch_id,
    sku,
    line,
    machine,
    shift,
    case
        when inspected_at is not null then 'inspected'
        when finished_at is not null then 'finished'
        else 'running'
    end as status,
    cast(started_at as date) as production_date,
    started_at,
    finished_at,
    inspected_at,
    planned,
    produced,
    defects,
    produced - defects as good,
    {{ exact_ratio('defects', 'produced') }} as defect_rate,
    {{ exact_ratio('(produced - defects)', 'planned') }} as efficiency,
    {{ exact_ratio('produced', '(case when production_us > 0 then production_us end)', 3600000000) }} as throughput_per_hour,
    cast(cast(production_us as decimal(38, 0)) * cast(0.000001 as decimal(7, 6)) as decimal(38, 6)) as production_seconds,
    cast(cost as decimal(38, 9)) as cost,
    coalesce(currency_code, '') as currency_code
from batches
