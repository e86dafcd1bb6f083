{#- Operations: throughput, defect rate and efficiency by line and day. -#}
select
    production_date, line, batches, finished_batches, planned, produced, defects, defect_rate, efficiency,
    throughput_per_hour
from {{ ref('agg_manufacturing_daily') }}
where finished_batches > 0
order by production_date, line, currency_code
