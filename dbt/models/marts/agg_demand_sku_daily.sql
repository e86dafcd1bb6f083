{{ config(materialized='incremental', unique_key='order_date', incremental_strategy='touched',
          meta={'touched': 'order_days', 'touched_key': 'order_date'},
          cluster_by=clustered(['order_date']),
          pre_hook="{{ begin_load(order_models() + ['fct_order_lines']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(order_models() + ['stg_events__repeats']) }}

select
    order_date,
    sku,
    currency_code,
    cast(count(distinct case when units_sold > 0 then order_id end) as bigint) as orders,
    cast(sum(units_sold) as bigint) as units_sold,
    cast(sum(revenue) as decimal(38, 4)) as revenue
from {{ ref('fct_order_lines') }}
{% if is_incremental() -%}
where order_date in ({{ touched_order_days(this.identifier) }})
{%- endif %}
group by order_date, sku, currency_code
