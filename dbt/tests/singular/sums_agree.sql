{#- The same money counted on every way down: lines, orders, days. Catches an incremental model that missed a key. -#}
with sums as (
    select 'fct_order_lines' as model, currency_code, sum(units_sold) as units_sold, sum(gross_amount) as gross_amount,
        sum(revenue) as revenue, sum(tax_amount) as tax_amount
    from {{ ref('fct_order_lines') }} group by currency_code
    union all
    select 'fct_orders', currency_code, sum(units_sold), sum(gross_amount), sum(revenue), sum(tax_amount)
    from {{ ref('fct_orders') }} group by currency_code
    union all
    select 'agg_revenue_daily', currency_code, sum(units_sold), sum(gross_amount), sum(revenue), sum(tax_amount)
    from {{ ref('agg_revenue_daily') }} group by currency_code
    union all
    select 'agg_demand_sku_daily', currency_code, sum(units_sold), null, sum(revenue), null
    from {{ ref('agg_demand_sku_daily') }} group by currency_code
),

compared as (
    select
        currency_code,
        sum(case when model in ('fct_orders', 'agg_revenue_daily') then 1 else 0 end) as order_sides,
        sum(case when model in ('fct_order_lines', 'agg_demand_sku_daily') then 1 else 0 end) as line_sides,
        max(units_sold) as units_sold_max, min(units_sold) as units_sold_min,
        max(gross_amount) as gross_amount_max, min(gross_amount) as gross_amount_min,
        max(revenue) as revenue_max, min(revenue) as revenue_min,
        max(tax_amount) as tax_amount_max, min(tax_amount) as tax_amount_min
    from sums
    group by currency_code
)

select *
from compared
where
    units_sold_max <> units_sold_min or gross_amount_max <> gross_amount_min or revenue_max <> revenue_min
    or tax_amount_max <> tax_amount_min
    {#- A currency that one side lacks; orders without lines have no line side. #}
    or order_sides <> 2 or line_sides = 1
