{#- Operations: the batches with the highest defect rate, and what card they made. -#}
select
    batches.batch_id, batches.line, batches.machine, batches.shift, batches.production_date, batches.produced,
    batches.defects, batches.defect_rate, cards.players, cards.release
from {{ ref('fct_batch_performance') }} as batches
left join {{ ref('dim_card') }} as cards on batches.sku = cards.sku
where batches.defect_rate is not null
order by batches.defect_rate desc, batches.batch_id
limit 20
