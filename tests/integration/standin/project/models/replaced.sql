{{ config(materialized="incremental", unique_key="sku", incremental_strategy="delete+insert") }}
select sku, price, {{ var("round", 1) }} as round from {{ ref("views") }}
