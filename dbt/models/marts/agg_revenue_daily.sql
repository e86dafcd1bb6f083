{{ config(materialized='incremental', unique_key='order_date', incremental_strategy='touched',
          meta={'touched': 'order_days', 'touched_key': 'order_date'},
          pre_hook="{{ begin_load(order_models() + ['fct_orders']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(order_models() + ['stg_events__repeats']) }}

select
    order_date,
    currency_code,
    cast(count(*) as bigint) as orders,
    cast(sum(case when status = 'cancelled' then 1 else 0 end) as bigint) as cancelled_orders,
    cast(count(distinct customer_id) as bigint) as customers,
    cast(sum(units_sold) as bigint) as units_sold,
    cast(sum(gross_amount) as decimal(38, 4)) as gross_amount,
    cast(sum(discount_amount) as decimal(38, 4)) as discount_amount,
    cast(sum(revenue) as decimal(38, 4)) as revenue,
    cast(sum(tax_amount) as decimal(38, 9)) as tax_amount,
    cast(sum(refunded_amount) as decimal(38, 4)) as refunded_amount,
    cast(sum(net_revenue) as decimal(38, 4)) as net_revenue
from {{ ref('fct_orders') }}
{% if is_incremental() -%}
where order_date in ({{ touched_order_days(this.identifier) }})
{%- endif %}
group by order_date, currency_code
