{#- Product: demand by team and month. -#}
select
    cards.team,
    cast(date_trunc('month', demand.order_date) as date) as month,
    demand.currency_code,
    sum(demand.units_sold) as units_sold,
    sum(demand.revenue) as revenue
from {{ ref('agg_demand_sku_daily') }} as demand
inner join {{ ref('dim_card') }} as cards on demand.sku = cards.sku
group by cards.team, cast(date_trunc('month', demand.order_date) as date), demand.currency_code
order by month, revenue desc, cards.team, demand.currency_code
