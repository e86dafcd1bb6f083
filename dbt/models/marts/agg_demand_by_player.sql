{#- An order with several cards of one player counts once; its units and revenue count for every card. -#}
with credited as (
    select
        cards.player,
        lines.currency_code,
        lines.order_id,
        sum(lines.units_sold) as units_sold,
        sum(lines.revenue) as revenue
    from {{ ref('fct_order_lines') }} as lines
    inner join {{ ref('bridge_card_players') }} as cards on lines.sku = cards.sku
    group by cards.player, lines.currency_code, lines.order_id
)

select
    player,
    currency_code,
    cast(sum(case when units_sold > 0 then 1 else 0 end) as bigint) as orders,
    cast(sum(units_sold) as bigint) as units_sold,
    cast(sum(revenue) as decimal(38, 4)) as revenue
from credited
group by player, currency_code
