{{ config(materialized="view") }}
select sku, price, changed_at from {{ ref("prices") }}
