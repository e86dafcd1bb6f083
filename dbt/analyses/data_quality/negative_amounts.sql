{#- Lines with a quantity or a price below zero, with the order they stand in. -#}
select lines.order_id, lines.line_number, lines.sku, lines.quantity, lines.unit_price, orders.channel, orders.placed_at
from {{ ref('fct_order_lines') }} as lines
inner join {{ ref('fct_orders') }} as orders on lines.order_id = orders.order_id
where lines.quantity < 0 or lines.unit_price < 0
order by lines.order_id, lines.line_number
