{#- What was put aside, and why; contested ids beside what capture and decode refused. -#}
select stage, reason, event_type, count(*) as records, max(quarantined_at) as last_quarantined_at
from {{ ref('stg_events__quarantined') }}
group by stage, reason, event_type
union all
select 'staging', reason, event_type, count(*), max(inserted_at)
from {{ ref('stg_events__conflicts') }}
group by reason, event_type
order by stage, reason, event_type
