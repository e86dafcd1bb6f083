{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('batch_id', 'batch_id', 'text'),
    ('sku', 'sku', 'text'),
    ('line', 'line', 'text'),
    ('machine', 'machine', 'text'),
    ('shift', 'shift', 'text'),
    ('planned', 'planned', 'bigint'),
    ('started_at', 'started_at', 'timestamp'),
] %}

{{ typed_events('sportscards.manufacturing.v1.BatchStarted', fields) }}
