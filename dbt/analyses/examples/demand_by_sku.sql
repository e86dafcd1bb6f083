{#- Product: the cards most asked for, by units sold, in each currency. -#}
select sku, players, team, release, parallel, currency_code, orders, units_sold, revenue, last_sold_on
from {{ ref('agg_demand_by_sku') }}
order by units_sold desc, revenue desc, sku, currency_code
limit 20
