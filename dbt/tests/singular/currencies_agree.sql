{{ config(severity='warn') }}
{#- Money about an order in another currency than the order's. Payments and refunds of that kind are left out of the
    order's sums; a line has no other currency to be in, so its price is taken as it is. -#}
with said as (
    select event_id, order_id, unit_price_currency_code as currency_code from {{ ref('stg_orders__order_lines') }}
    union all
    select event_id, order_id, unit_price_currency_code from {{ ref('stg_orders__order_item_changed') }}
    union all
    select event_id, order_id, currency_code from {{ ref('stg_orders__order_paid') }}
    union all
    select event_id, order_id, currency_code from {{ ref('stg_orders__order_refunded') }}
)

select said.event_id, said.order_id, said.currency_code, orders.currency_code as order_currency_code
from said
inner join {{ ref('fct_orders') }} as orders on said.order_id = orders.order_id
where said.currency_code <> orders.currency_code
