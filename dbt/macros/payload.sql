{#- Access to RAW.EVENTS.payload: the only macros that know how a warehouse holds JSON.

    A field is (column, path, type). Paths are dotted names of the canonical payload. Types are
    'text', 'bigint', 'timestamp', 'decimal(p,s)', 'text[]', or a list of fields for an array of objects;
    the last stays an array, to be opened by `exploded` and `item`. Amounts and 64-bit integers are text in the
    payload, so no number passes through a float on its way. -#}

{#- Name of the parsed payload: a typed struct on DuckDB (one parse for all fields), the VARIANT on Snowflake. -#}
{% macro parsed_payload(payload, fields) -%}
    {{ return(adapter.dispatch('parsed_payload')(payload, fields)) }}
{%- endmacro %}

{% macro default__parsed_payload(payload, fields) -%}{{ payload }}{%- endmacro %}

{% macro duckdb__parsed_payload(payload, fields) -%}
    json_transform({{ payload }}, '{{ tojson(payload_structure(fields)) }}')
{%- endmacro %}

{% macro payload_structure(fields) -%}
    {%- set root = {} -%}
    {%- for column, path, type in fields -%}
        {%- set at = namespace(node=root) -%}
        {%- set parts = path.split('.') -%}
        {%- for part in parts[:-1] -%}
            {%- if part not in at.node -%}{%- do at.node.update({part: {}}) -%}{%- endif -%}
            {%- set at.node = at.node[part] -%}
        {%- endfor -%}
        {%- if type is not string -%}
            {%- do at.node.update({parts[-1]: [payload_structure(type)]}) -%}
        {%- elif type == 'text[]' -%}
            {%- do at.node.update({parts[-1]: ['VARCHAR']}) -%}
        {%- else -%}
            {%- do at.node.update({parts[-1]: payload_type_name(type)}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(root) }}
{%- endmacro %}

{% macro payload_type_name(type) -%}
    {{ return(adapter.dispatch('payload_type_name')(type)) }}
{%- endmacro %}

{% macro default__payload_type_name(type) -%}
    {{ return({'text': 'VARCHAR', 'bigint': 'BIGINT', 'timestamp': 'TIMESTAMP'}.get(type, type | upper)) }}
{%- endmacro %}

{% macro snowflake__payload_type_name(type) -%}
    {{ return({'text': 'VARCHAR', 'bigint': 'NUMBER(19,0)', 'timestamp': 'TIMESTAMP_NTZ'}.get(type, type | upper)) }}
{%- endmacro %}

{#- One field of a parsed payload (or of an array's item) as an expression of its type. -#}
{% macro payload_field(parsed, path, type) -%}
    {{ return(adapter.dispatch('payload_field')(parsed, path, type)) }}
{%- endmacro %}

{% macro duckdb__payload_field(parsed, path, type) -%}{{ parsed }}.{{ path }}{%- endmacro %}

{% macro default__payload_field(parsed, path, type) -%}
    {%- if type is not string or type == 'text[]' -%}
        {{ parsed }}:{{ path }}::array
    {%- elif type == 'text' -%}
        {{ parsed }}:{{ path }}::varchar
    {%- elif type == 'timestamp' -%}
        to_timestamp_ntz({{ parsed }}:{{ path }}::varchar)
    {%- else -%}
        {#- Through text: a VARIANT number would be read as a float first. -#}
        cast({{ parsed }}:{{ path }}::varchar as {{ payload_type_name(type) }})
    {%- endif -%}
{%- endmacro %}

{#- A relation with one row per item of an array column: all its columns, `item` and `item_position` from 1.
    Rows whose array is empty or null give none. -#}
{% macro exploded(relation, array_column) -%}
    {{ return(adapter.dispatch('exploded')(relation, array_column)) }}
{%- endmacro %}

{% macro duckdb__exploded(relation, array_column) -%}
    (
        select *, unnest({{ array_column }}) as item, generate_subscripts({{ array_column }}, 1) as item_position
        from {{ relation }}
    )
{%- endmacro %}

{% macro default__exploded(relation, array_column) -%}
    (
        select holder.*, element.value as item, element.index + 1 as item_position
        from {{ relation }} as holder, lateral flatten(input => holder.{{ array_column }}) as element
    )
{%- endmacro %}

{#- An item of a 'text[]' array as text. -#}
{% macro item_text(item) -%}{{ return(adapter.dispatch('item_text')(item)) }}{%- endmacro %}
{% macro duckdb__item_text(item) -%}{{ item }}{%- endmacro %}
{% macro default__item_text(item) -%}{{ item }}::varchar{%- endmacro %}

{#- One top-level text field straight from a payload, for the few rows that are not parsed into a typed model. -#}
{% macro payload_text(payload, name) -%}{{ return(adapter.dispatch('payload_text')(payload, name)) }}{%- endmacro %}
{% macro duckdb__payload_text(payload, name) -%}json_extract_string({{ payload }}, '$.{{ name }}'){%- endmacro %}
{% macro default__payload_text(payload, name) -%}{{ payload }}:{{ name }}::varchar{%- endmacro %}

{#- Bytes as lower-case hexadecimal text. -#}
{% macro hex_text(bytes) -%}{{ return(adapter.dispatch('hex_text')(bytes)) }}{%- endmacro %}
{% macro duckdb__hex_text(bytes) -%}lower(hex({{ bytes }})){%- endmacro %}
{% macro default__hex_text(bytes) -%}hex_encode({{ bytes }}, 0){%- endmacro %}

{#- How many items an array has. -#}
{% macro array_length(array_column) -%}{{ return(adapter.dispatch('array_length')(array_column)) }}{%- endmacro %}
{% macro duckdb__array_length(array_column) -%}len({{ array_column }}){%- endmacro %}
{% macro default__array_length(array_column) -%}array_size({{ array_column }}){%- endmacro %}
