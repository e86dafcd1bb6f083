{#- Snowflake: each model's statements carry what they were for, so that QUERY_HISTORY adds up cost by model and run. -#}
{% macro snowflake__set_query_tag() -%}
    {%- set before = get_current_query_tag() -%}
    {%- set tag = {
        'app': 'eventreplay', 'dbt_model': model.name, 'target': target.name, 'invocation_id': invocation_id,
    } -%}
    {%- do run_query("alter session set query_tag = '" ~ tojson(tag) | replace("'", "''") ~ "'") -%}
    {{ return(before) }}
{%- endmacro %}

{% macro snowflake__unset_query_tag(original_query_tag) -%}
    {%- do run_query("alter session set query_tag = '" ~ (original_query_tag or '') | replace("'", "''") ~ "'") -%}
{%- endmacro %}
