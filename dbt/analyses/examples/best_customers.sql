{#- Marketing: who bought most, how often, and for how much on average. -#}
select
    purchases.customer_id,
    purchases.currency_code,
    purchases.orders,
    purchases.units_sold,
    purchases.net_revenue,
    purchases.average_order_value,
    purchases.first_order_date,
    purchases.last_order_date
from {{ ref('agg_customer_purchases') }} as purchases
where purchases.orders > 0
order by purchases.net_revenue desc, purchases.customer_id, purchases.currency_code
limit 20
