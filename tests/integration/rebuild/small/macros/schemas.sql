{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) ~ env_var('EVENTREPLAY_SCHEMA_SUFFIX', '') }}
{%- endmacro %}
