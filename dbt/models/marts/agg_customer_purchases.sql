with purchases as (
    select
        customer_id,
        currency_code,
        cast(sum(case when status <> 'cancelled' then 1 else 0 end) as bigint) as orders,
        cast(sum(case when status = 'cancelled' then 1 else 0 end) as bigint) as cancelled_orders,
        cast(sum(units_sold) as bigint) as units_sold,
        cast(sum(revenue) as decimal(38, 4)) as revenue,
        cast(sum(refunded_amount) as decimal(38, 4)) as refunded_amount,
        cast(sum(net_revenue) as decimal(38, 4)) as net_revenue,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from {{ ref('fct_orders') }}
    group by customer_id, currency_code
)

select
    customer_id,
    currency_code,
    orders,
    cancelled_orders,
    units_sold,
    revenue,
    refunded_amount,
    net_revenue,
    first_order_date,
    last_order_date,
    {{ exact_average('revenue', 'orders') }} as average_order_value
from purchases
