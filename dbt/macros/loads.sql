{#- What a run has to recompute.

    A load is what one run finds new in RAW.EVENTS. Its number, `load_id`, is how many rows RAW held then: it
    grows with every load, needs no clock, and a full refresh over the same RAW gives the same last number. Rows that
    a repair has replaced are new as well; from then on the number is so much greater, and still grows.
    STAGING rows carry the load that last changed them. A model notes in STAGING.LOAD_WATERMARKS up to which
    load it is complete; the next run takes what came later, however old the events in it are. The note is made
    before the data is looked at and takes effect after the data is written. So if a run dies between the two, or
    another run has overtaken it meanwhile, the next one does some work again; no change is passed over.
    MART tables carry no load numbers, so they are equal however the loads were cut. -#}

{% macro load_watermarks() -%}
    {{ generate_schema_name('STAGING', none) }}.LOAD_WATERMARKS
{%- endmacro %}

{% macro create_load_watermarks() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {#- Asked first: on Snowflake, CREATE SCHEMA IF NOT EXISTS needs the right to create, whatever there is. #}
        {%- if not adapter.check_schema_exists(target.database, generate_schema_name('STAGING', none)) %}
        create schema {{ generate_schema_name('STAGING', none) }};
        {%- endif %}
        create table if not exists {{ load_watermarks() }} (model_name varchar not null, load_id bigint not null);
    {%- endif -%}
{%- endmacro %}

{#- The load up to which a model is complete, as a scalar expression; 0 if it never was. -#}
{% macro load_watermark(model_name) -%}
    (select coalesce(max(load_id), 0) from {{ load_watermarks() }} where model_name = '{{ model_name }}')
{%- endmacro %}

{#- Pre-hook: this run will make the model as complete as the least complete of what it reads is now. Two runs may
    overlap (a task that was taken for dead, and its second try): each has a note of its own. -#}
{% macro begin_load(upstream) -%}
    delete from {{ load_watermarks() }}
    where model_name like '{{ this.identifier }} by %' and model_name <> '{{ load_note() }}';
    insert into {{ load_watermarks() }} (model_name, load_id)
    select '{{ this.identifier }}', 0
    where not exists (select 1 from {{ load_watermarks() }} where model_name = '{{ this.identifier }}');
    insert into {{ load_watermarks() }} (model_name, load_id)
    select '{{ load_note() }}', case when count(*) = {{ upstream | length }} then min(load_id) else 0 end
    from {{ load_watermarks() }}
    where model_name in ('{{ upstream | join("', '") }}');
{%- endmacro %}

{#- Post-hook: it has. If a later run has removed the note, that one says how far the model is. -#}
{% macro note_load() -%}
    update {{ load_watermarks() }}
    set load_id = (select max(load_id) from {{ load_watermarks() }} where model_name = '{{ load_note() }}')
    where
        model_name = '{{ this.identifier }}'
        and 0 < (select count(*) from {{ load_watermarks() }} where model_name = '{{ load_note() }}');
    delete from {{ load_watermarks() }} where model_name = '{{ load_note() }}';
{%- endmacro %}

{% macro load_note() -%}{{ this.identifier }} by {{ invocation_id }}{%- endmacro %}

{#- Post-hook of the model that numbers the loads. -#}
{% macro note_own_load() -%}
    delete from {{ load_watermarks() }} where model_name = '{{ this.identifier }}';
    insert into {{ load_watermarks() }} (model_name, load_id)
    select '{{ this.identifier }}', coalesce(max(load_id), 0) from {{ this }};
{%- endmacro %}

{#- Incremental strategy `touched`: delete every row whose key was touched since this model's watermark, then
    insert what the model selected for these keys. Unlike delete+insert it also removes what is no more: a key
    whose last event turned out to be a repeat of an earlier one. Keys that were selected are deleted in any case:
    an overlapping run may have written them and moved the watermark since. Config:
    meta.touched_key (one column) and meta.touched, the kind of keys, see `touched_keys`. -#}
{% macro get_incremental_touched_sql(arg_dict) -%}
    {{ return(adapter.dispatch('get_incremental_touched_sql')(arg_dict)) }}
{%- endmacro %}

{% macro default__get_incremental_touched_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set key = config.get('meta')['touched_key'] -%}
    delete from {{ arg_dict['target_relation'] }}
    where
        {{ key }} in ({{ touched_keys(config.get('meta')['touched']) }})
        or {{ key }} in (select {{ key }} from {{ arg_dict['temp_relation'] }});
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}

{#- Snowflake commits each statement by itself unless told otherwise. -#}
{% macro snowflake__get_incremental_touched_sql(arg_dict) -%}
    {{ return(snowflake_dml_explicit_transaction(default__get_incremental_touched_sql(arg_dict))) }}
{%- endmacro %}

{% macro touched_keys(kind) -%}
    {%- set lists = {
        'events': touched_events, 'orders': touched_orders, 'order_days': touched_order_days,
        'customers': touched_customers, 'batches': touched_batches,
    } -%}
    {{ return(lists[kind](this.identifier)) }}
{%- endmacro %}

{#- Events whose counted delivery is new or another than before. -#}
{% macro touched_events(model_name) -%}
    select event_id from {{ ref('stg_events__deliveries') }}
    where disposition = 'distinct' and load_id > {{ load_watermark(model_name) }}
{%- endmacro %}

{#- Keys of things that an event of one of `models` is about, and those that a delivery which is a repeat now may
    have been counted for before (it was the first until an earlier one was loaded). -#}
{% macro touched_things(model_name, key, models, type_prefix) -%}
    {%- for model in models %}
    select {{ key }} from {{ ref(model) }} where load_id > {{ load_watermark(model_name) }}
    union
    {%- endfor %}
    select {{ payload_text('payload', key) }} from {{ ref('stg_events__repeats') }}
    where load_id > {{ load_watermark(model_name) }} and payload_type like '{{ type_prefix }}%'
{%- endmacro %}

{#- Says at parsing what `touched_...` reads, which stands in branches that parsing does not enter. -#}
{% macro reads(models) -%}
    {%- for model in models %}
-- depends_on: {{ ref(model) }}
    {%- endfor %}
{%- endmacro %}

{% macro order_models() -%}
    {{ return([
        'stg_orders__order_placed', 'stg_orders__order_item_changed', 'stg_orders__order_paid',
        'stg_orders__order_shipped', 'stg_orders__order_cancelled', 'stg_orders__order_refunded',
    ]) }}
{%- endmacro %}

{% macro batch_models() -%}
    {{ return([
        'stg_manufacturing__batch_started', 'stg_manufacturing__batch_finished',
        'stg_manufacturing__batch_inspected',
    ]) }}
{%- endmacro %}

{% macro touched_orders(model_name) -%}
    {{ touched_things(model_name, 'order_id', order_models(), 'sportscards.orders.') }}
{%- endmacro %}

{% macro touched_batches(model_name) -%}
    {{ touched_things(model_name, 'batch_id', batch_models(), 'sportscards.manufacturing.') }}
{%- endmacro %}

{% macro touched_customers(model_name) -%}
    {{ touched_things(model_name, 'customer_id', ['stg_orders__order_placed'], 'sportscards.orders.v2.OrderPlaced') }}
{%- endmacro %}

{#- Days on which a touched order stands, or may have stood before. -#}
{% macro touched_order_days(model_name) -%}
    select cast(occurred_at as date) as order_date from {{ ref('stg_orders__order_placed') }}
    where order_id in ({{ touched_orders(model_name) }})
    union
    select cast(occurred_at as date) from {{ ref('stg_events__repeats') }}
    where load_id > {{ load_watermark(model_name) }} and payload_type = 'sportscards.orders.v2.OrderPlaced'
{%- endmacro %}
