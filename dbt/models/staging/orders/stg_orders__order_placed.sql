{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('order_id', 'order_id', 'text'),
    ('customer_id', 'customer_id', 'text'),
    ('customer_name', 'customer_name', 'text'),
    ('customer_email', 'customer_email', 'text'),
    ('currency_code', 'currency_code', 'text'),
    ('channel', 'channel', 'text'),
    ('lines', 'lines', order_line_fields()),
    ('shipping_fee', 'shipping_fee.amount', 'decimal(19,4)'),
    ('insured_value', 'insured_value', 'decimal(38,18)'),
    ('placed_at', 'placed_at', 'timestamp'),
] %}

{{ typed_events('sportscards.orders.v2.OrderPlaced', fields) }}
