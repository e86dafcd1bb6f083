{#- A staging model over the distinct events of one payload type: one row per event, its fields typed. -#}
{% macro typed_events(payload_type, fields) -%}
with events as (
    select event_id, event_type, occurred_at, log_partition, log_offset, load_id, payload
    from {{ ref('stg_events__distinct') }}
    where payload_type = '{{ payload_type }}'
    {%- if is_incremental() %}
        and load_id > {{ load_watermark(this.identifier) }}
        {{ and_recent_enough(payload_type) }}
    {%- endif %}
),

parsed as (
    select
        event_id, event_type, occurred_at, log_partition, log_offset, load_id,
        {{ parsed_payload('payload', fields) }} as body
    from events
)

select
    event_id,
    event_type,
    {%- for column, path, type in fields %}
    {{ payload_field('body', path, type) }} as {{ column }},
    {%- endfor %}
    occurred_at,
    log_partition,
    log_offset,
    load_id
from parsed
{%- endmacro %}

{#- The last of several events of one thing: an ORDER BY, descending, for row_number() = 1. -#}
{% macro latest_first(alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    {{ prefix }}occurred_at desc, {{ prefix }}log_partition desc, {{ prefix }}log_offset desc
{%- endmacro %}

{#- An order line as it stands in an OrderPlaced. -#}
{% macro order_line_fields() -%}
    {{ return([
        ('line_number', 'line_number', 'bigint'),
        ('sku', 'sku', 'text'),
        ('quantity', 'quantity', 'bigint'),
        ('unit_price_currency_code', 'unit_price.currency_code', 'text'),
        ('unit_price', 'unit_price.amount', 'decimal(19,4)'),
        ('discount', 'discount', 'decimal(19,4)'),
        ('tax', 'tax', 'decimal(28,9)'),
    ]) }}
{%- endmacro %}

{#- A card as it stands in a CardReleased and a CardCorrected. -#}
{% macro card_fields() -%}
    {{ return([
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
    ]) }}
{%- endmacro %}
