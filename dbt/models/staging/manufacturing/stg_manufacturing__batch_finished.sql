{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('batch_id', 'batch_id', 'text'),
    ('produced', 'produced', 'bigint'),
    ('cost', 'cost', 'decimal(28,9)'),
    ('currency_code', 'currency_code', 'text'),
    ('finished_at', 'finished_at', 'timestamp'),
] %}

{{ typed_events('sportscards.manufacturing.v1.BatchFinished', fields) }}
