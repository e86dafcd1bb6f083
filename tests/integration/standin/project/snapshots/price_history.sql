{% snapshot price_history %}
{{ config(unique_key="sku", strategy="check", check_cols=["price"], target_schema="TRIAL") }}
select sku, price from {{ ref("prices") }}
{% endsnapshot %}
