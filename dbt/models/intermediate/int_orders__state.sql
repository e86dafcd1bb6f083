{{ config(unique_key='order_id', incremental_strategy='touched', meta={'touched': 'orders', 'touched_key': 'order_id'},
          cluster_by=clustered(['order_date']),
          pre_hook="{{ begin_load(order_models()) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(order_models() + ['stg_events__repeats']) }}

with placed as (
    select *, row_number() over (partition by order_id order by {{ latest_first() }}) as rank_from_last
    from {{ ref('stg_orders__order_placed') }}
    {% if is_incremental() -%}
    where order_id in ({{ touched_orders(this.identifier) }})
    {%- endif %}
),

orders as (
    select * from placed where rank_from_last = 1
),

payments as (
    select paid.order_id, sum(paid.amount) as paid_amount, max(paid.occurred_at) as paid_at
    from {{ ref('stg_orders__order_paid') }} as paid
    inner join orders on paid.order_id = orders.order_id and paid.currency_code = orders.currency_code
    group by paid.order_id
),

shipments as (
    select order_id, max(occurred_at) as shipped_at
    from {{ ref('stg_orders__order_shipped') }}
    where order_id in (select order_id from orders)
    group by order_id
),

cancellations as (
    select order_id, max(occurred_at) as cancelled_at
    from {{ ref('stg_orders__order_cancelled') }}
    where order_id in (select order_id from orders)
    group by order_id
),

refunds as (
    select refunded.order_id, sum(refunded.amount) as refunded_amount
    from {{ ref('stg_orders__order_refunded') }} as refunded
    inner join orders on refunded.order_id = orders.order_id and refunded.currency_code = orders.currency_code
    group by refunded.order_id
)

select
    orders.order_id,
    orders.event_id as placed_event_id,
    orders.customer_id,
    cast(orders.occurred_at as date) as order_date,
    orders.occurred_at as placed_at,
    orders.currency_code,
    orders.channel,
    case
        when cancellations.order_id is not null then 'cancelled'
        when refunds.refunded_amount > 0 then 'refunded'
        when shipments.order_id is not null then 'shipped'
        when payments.order_id is not null then 'paid'
        else 'placed'
    end as status,
    orders.shipping_fee,
    orders.insured_value,
    cast(coalesce(payments.paid_amount, 0) as decimal(38, 9)) as paid_amount,
    cast(coalesce(refunds.refunded_amount, 0) as decimal(38, 4)) as refunded_amount,
    payments.paid_at,
    shipments.shipped_at,
    cancellations.cancelled_at
from orders
left join payments on orders.order_id = payments.order_id
left join shipments on orders.order_id = shipments.order_id
left join cancellations on orders.order_id = cancellations.order_id
left join refunds on orders.order_id = refunds.order_id
