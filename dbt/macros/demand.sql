{#- Demand credited to what several cards share: `column` of `credits`, a relation of (sku, column). An order with several
    cards of one player (team) counts once; its units and revenue count for every card. -#}
{% macro demand_by(column, credits) -%}
with credited as (
    select
        credits.{{ column }},
        lines.currency_code,
        lines.order_id,
        sum(lines.units_sold) as units_sold,
        sum(lines.revenue) as revenue
    from {{ ref('fct_order_lines') }} as lines
    inner join {{ credits }} as credits on lines.sku = credits.sku
    group by credits.{{ column }}, lines.currency_code, lines.order_id
)

select
    {{ column }},
    currency_code,
    cast(sum(case when units_sold > 0 then 1 else 0 end) as bigint) as orders,
    cast(sum(units_sold) as bigint) as units_sold,
    cast(sum(revenue) as decimal(38, 4)) as revenue
from credited
group by {{ column }}, currency_code
{%- endmacro %}
