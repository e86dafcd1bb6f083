{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('order_id', 'order_id', 'text'),
    ('currency_code', 'amount.currency_code', 'text'),
    ('amount', 'amount.amount', 'decimal(28,9)'),
    ('method', 'method', 'text'),
    ('paid_at', 'paid_at', 'timestamp'),
] %}

{{ typed_events('sportscards.orders.v1.OrderPaid', fields) }}
