{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='touched',
          meta={'touched': 'orders', 'touched_key': 'order_id'},
          cluster_by=clustered(['order_date']),
          pre_hook="{{ begin_load(order_models() + ['int_orders__state', 'fct_order_lines']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(order_models() + ['stg_events__repeats']) }}

with orders as (
    select * from {{ ref('int_orders__state') }}
    {% if is_incremental() -%}
    where order_id in ({{ touched_orders(this.identifier) }})
    {%- endif %}
),

lines as (
    select
        order_id,
        sum(case when quantity > 0 then 1 else 0 end) as line_count,
        sum(quantity) as quantity,
        sum(units_sold) as units_sold,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(revenue) as revenue,
        sum(tax_amount) as tax_amount
    from {{ ref('fct_order_lines') }}
    where order_id in (select order_id from orders)
    group by order_id
)

select
    orders.order_id,
    orders.customer_id,
    orders.order_date,
    orders.placed_at,
    orders.currency_code,
    orders.channel,
    orders.status,
    cast(coalesce(lines.line_count, 0) as bigint) as line_count,
    cast(coalesce(lines.quantity, 0) as bigint) as quantity,
    cast(coalesce(lines.units_sold, 0) as bigint) as units_sold,
    cast(coalesce(lines.gross_amount, 0) as decimal(38, 4)) as gross_amount,
    cast(coalesce(lines.discount_amount, 0) as decimal(38, 4)) as discount_amount,
    cast(coalesce(lines.revenue, 0) as decimal(38, 4)) as revenue,
    cast(coalesce(lines.tax_amount, 0) as decimal(38, 9)) as tax_amount,
    orders.refunded_amount,
    cast(coalesce(lines.revenue, 0) - orders.refunded_amount as decimal(38, 4)) as net_revenue,
    orders.shipping_fee,
    orders.insured_value,
    orders.paid_amount,
    orders.paid_at,
    orders.shipped_at,
    orders.cancelled_at
from orders
left join lines on orders.order_id = lines.order_id
