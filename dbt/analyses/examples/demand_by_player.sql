{#- Product: the players most asked for, with their share of all units sold in a currency, in nine exact places. -#}
with totals as (
    select currency_code, sum(units_sold) as units_sold from {{ ref('agg_demand_by_player') }} group by currency_code
)

select
    players.player,
    players.currency_code,
    players.orders,
    players.units_sold,
    players.revenue,
    {{ exact_ratio('players.units_sold', 'totals.units_sold') }} as share_of_units
from {{ ref('agg_demand_by_player') }} as players
inner join totals on players.currency_code = totals.currency_code
order by players.units_sold desc, players.player, players.currency_code
limit 20
