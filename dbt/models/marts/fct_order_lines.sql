{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='touched',
          meta={'touched': 'orders', 'touched_key': 'order_id'},
          cluster_by=clustered(['order_date']),
          pre_hook="{{ begin_load(order_models() + ['int_orders__state']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(order_models() + ['stg_events__repeats']) }}

with orders as (
    select order_id, placed_event_id, customer_id, order_date, currency_code, status
    from {{ ref('int_orders__state') }}
    {% if is_incremental() -%}
    where order_id in ({{ touched_orders(this.identifier) }})
    {%- endif %}
),

versions as (
    select
        lines.order_id, lines.line_number, lines.sku, lines.quantity, lines.unit_price, lines.discount, lines.tax,
        lines.occurred_at, lines.log_partition, lines.log_offset, lines.item_position, 0 as is_change
    from {{ ref('stg_orders__order_lines') }} as lines
    inner join orders on lines.event_id = orders.placed_event_id
    union all
    select
        changed.order_id, changed.line_number, changed.sku, changed.quantity, changed.unit_price, changed.discount,
        changed.tax, changed.occurred_at, changed.log_partition, changed.log_offset, 1 as item_position, 1 as is_change
    from {{ ref('stg_orders__order_item_changed') }} as changed
    inner join orders on changed.order_id = orders.order_id
),

ranked as (
    select
        versions.*,
        row_number() over (
            partition by order_id, line_number
            order by is_change desc, {{ latest_first() }}, item_position desc
        ) as rank_from_last
    from versions
),

priced as (
    select
        ranked.order_id,
        ranked.line_number,
        ranked.sku,
        orders.customer_id,
        orders.order_date,
        orders.currency_code,
        orders.status,
        ranked.quantity,
        case when orders.status = 'cancelled' then 0 else ranked.quantity end as units_sold,
        coalesce(ranked.unit_price, 0) as unit_price,
        cast(ranked.quantity * coalesce(ranked.unit_price, 0) as decimal(38, 4)) as gross_amount,
        cast(case when orders.status = 'cancelled' then 0 else coalesce(ranked.discount, 0) end as decimal(38, 4))
            as discount_amount,
        cast(case when orders.status = 'cancelled' then 0 else coalesce(ranked.tax, 0) end as decimal(38, 9))
            as tax_amount
    from ranked
    inner join orders on ranked.order_id = orders.order_id
    where ranked.rank_from_last = 1
)

select
    order_id,
    line_number,
    sku,
    customer_id,
    order_date,
    currency_code,
    status,
    quantity,
    cast(units_sold as bigint) as units_sold,
    cast(unit_price as decimal(19, 4)) as unit_price,
    gross_amount,
    discount_amount,
    cast(case when status = 'cancelled' then 0 else gross_amount - discount_amount end as decimal(38, 4)) as revenue,
    tax_amount
from priced
