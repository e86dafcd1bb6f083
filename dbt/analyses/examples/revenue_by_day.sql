{#- Marketing: revenue day by day, with the mean of the last seven days on which anything was ordered. -#}
select
    order_date,
    currency_code,
    orders,
    customers,
    revenue,
    net_revenue,
    cast(
        sum(revenue) over (partition by currency_code order by order_date rows between 6 preceding and current row)
        as decimal(38, 4)
    ) as revenue_seven_days
from {{ ref('agg_revenue_daily') }}
order by order_date, currency_code
