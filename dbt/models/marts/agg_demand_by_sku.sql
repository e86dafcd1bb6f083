{#- An order stands on one day, so the days' distinct orders add up to the SKU's. -#}
with demand as (
    select
        sku,
        currency_code,
        sum(orders) as orders,
        sum(units_sold) as units_sold,
        sum(revenue) as revenue,
        min(case when units_sold > 0 then order_date end) as first_sold_on,
        max(case when units_sold > 0 then order_date end) as last_sold_on
    from {{ ref('agg_demand_sku_daily') }}
    group by sku, currency_code
)

select
    demand.sku,
    demand.currency_code,
    cards.players,
    cards.team,
    cards.sport,
    cards.release,
    cards.set_name,
    cards.card_number,
    cards.parallel,
    cast(demand.orders as bigint) as orders,
    cast(demand.units_sold as bigint) as units_sold,
    cast(demand.revenue as decimal(38, 4)) as revenue,
    demand.first_sold_on,
    demand.last_sold_on
from demand
left join {{ ref('dim_card') }} as cards on demand.sku = cards.sku
