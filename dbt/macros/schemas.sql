{#- Schemas are named as in the models' configuration, not prefixed by the profile's. A rebuild beside the
    live tables gives a suffix: STAGING_G2, MART_G2. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set base = custom_schema_name if custom_schema_name is not none else target.schema -%}
    {{ base ~ env_var('EVENTREPLAY_SCHEMA_SUFFIX', '') }}
{%- endmacro %}
