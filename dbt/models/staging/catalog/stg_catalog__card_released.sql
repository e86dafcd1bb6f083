{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = card_fields() + [
    ('released_at', 'released_at', 'timestamp'),
] %}

{{ typed_events('sportscards.catalog.v1.CardReleased', fields) }}
