{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('order_id', 'order_id', 'text'),
    ('reason', 'reason', 'text'),
    ('cancelled_at', 'cancelled_at', 'timestamp'),
] %}

{{ typed_events('sportscards.orders.v1.OrderCancelled', fields) }}
