with buyers as (
    select
        orders.order_date,
        orders.customer_id,
        count(*) as orders,
        max(case when cast(customers.first_order_at as date) = orders.order_date then 1 else 0 end) as is_new
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('dim_customer') }} as customers on orders.customer_id = customers.customer_id
    group by orders.order_date, orders.customer_id
)

select
    order_date,
    cast(count(*) as bigint) as customers,
    cast(sum(is_new) as bigint) as new_customers,
    cast(count(*) - sum(is_new) as bigint) as returning_customers,
    cast(sum(orders) as bigint) as orders
from buyers
group by order_date
