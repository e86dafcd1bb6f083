{{ config(materialized="incremental", unique_key="sku", incremental_strategy="merge", on_schema_change="append_new_columns") }}
select sku, price, changed_at, {{ var("round", 1) }} as round from {{ ref("views") }}
{% if is_incremental() %} where changed_at >= (select max(changed_at) from {{ this }}) {% endif %}
