{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('order_id', 'order_id', 'text'),
    ('line_number', 'line.line_number', 'bigint'),
    ('sku', 'line.sku', 'text'),
    ('quantity', 'line.quantity', 'bigint'),
    ('unit_price_currency_code', 'line.unit_price.currency_code', 'text'),
    ('unit_price', 'line.unit_price.amount', 'decimal(19,4)'),
    ('discount', 'line.discount', 'decimal(19,4)'),
    ('tax', 'line.tax', 'decimal(28,9)'),
    ('changed_at', 'changed_at', 'timestamp'),
] %}

{{ typed_events('sportscards.orders.v1.OrderItemChanged', fields) }}
