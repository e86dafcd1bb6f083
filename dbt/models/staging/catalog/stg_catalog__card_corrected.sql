{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          post_hook="{{ note_load(['stg_events__deliveries']) }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('sku', 'card.sku', 'text'),
    ('base_sku', 'card.base_sku', 'text'),
    ('players', 'card.players', 'text[]'),
    ('team', 'card.team', 'text'),
    ('sport', 'card.sport', 'text'),
    ('release', 'card.release', 'text'),
    ('set_name', 'card.set_name', 'text'),
    ('card_number', 'card.card_number', 'text'),
    ('release_year', 'card.release_year', 'bigint'),
    ('parallel', 'card.parallel', 'text'),
    ('print_run', 'card.print_run', 'bigint'),
    ('attributes', 'card.attributes', 'text[]'),
    ('list_price_currency_code', 'card.list_price.currency_code', 'text'),
    ('list_price', 'card.list_price.amount', 'decimal(19,4)'),
    ('reason', 'reason', 'text'),
    ('corrected_at', 'corrected_at', 'timestamp'),
] %}

{{ typed_events('sportscards.catalog.v1.CardCorrected', fields) }}
