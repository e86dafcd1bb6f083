{{ config(materialized='view') }}

select
    event_id,
    item_position,
    order_id,
    {%- for column, path, type in order_line_fields() %}
    {{ payload_field('item', path, type) }} as {{ column }},
    {%- endfor %}
    occurred_at,
    log_partition,
    log_offset,
    load_id
from {{ exploded(ref('stg_orders__order_placed'), 'lines') }} as placed
