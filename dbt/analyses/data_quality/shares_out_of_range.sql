{#- Batches whose defect rate is no share. -#}
select batch_id, line, production_date, produced, defects, defect_rate
from {{ ref('fct_batch_performance') }}
where defect_rate < 0 or defect_rate > 1
order by batch_id
