{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('order_id', 'order_id', 'text'),
    ('refund_id', 'refund_id', 'text'),
    ('currency_code', 'amount.currency_code', 'text'),
    ('amount', 'amount.amount', 'decimal(19,4)'),
    ('reason', 'reason', 'text'),
    ('refunded_at', 'refunded_at', 'timestamp'),
] %}

{{ typed_events('sportscards.orders.v1.OrderRefunded', fields) }}
