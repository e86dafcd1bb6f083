with inspected as (
    select
        event_id, batch_id,
        row_number() over (partition by batch_id order by {{ latest_first() }}) as rank_from_last
    from {{ ref('stg_manufacturing__batch_inspected') }}
)

select
    batches.production_date,
    batches.line,
    found.kind,
    cast(sum(found.defect_count) as bigint) as defects
from inspected
inner join {{ ref('stg_manufacturing__batch_defects') }} as found on inspected.event_id = found.event_id
inner join {{ ref('fct_batch_performance') }} as batches on inspected.batch_id = batches.batch_id
where inspected.rank_from_last = 1
group by batches.production_date, batches.line, found.kind
