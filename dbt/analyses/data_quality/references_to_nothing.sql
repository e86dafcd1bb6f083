{#- What facts refer to and no dimension has. -#}
select 'fct_order_lines' as model, lines.sku as missing, count(*) as row_count
from {{ ref('fct_order_lines') }} as lines
left join {{ ref('dim_card') }} as cards on lines.sku = cards.sku
where cards.sku is null
group by lines.sku
union all
select 'fct_batch_performance', batches.sku, count(*)
from {{ ref('fct_batch_performance') }} as batches
left join {{ ref('dim_card') }} as cards on batches.sku = cards.sku
where cards.sku is null
group by batches.sku
order by model, missing
