{#- Decimals are exact or quarantined: no table of ours has a floating-point column, nested ones included.
    depends_on: every mart, so that it runs when they are built. -#}
{% for mart in [
    'agg_customer_daily', 'agg_customer_purchases', 'agg_defects_by_kind', 'agg_demand_by_player', 'agg_demand_by_sku',
    'agg_demand_by_team', 'agg_manufacturing_daily', 'agg_revenue_daily', 'bridge_card_players',
] -%}
-- depends_on: {{ ref(mart) }}
{% endfor %}
select table_schema, table_name, column_name, data_type
from information_schema.columns
where
    upper(table_schema) in (
        '{{ generate_schema_name("STAGING", none) | upper }}', '{{ generate_schema_name("MART", none) | upper }}'
    )
    and (upper(data_type) like '%DOUBLE%' or upper(data_type) like '%FLOAT%' or upper(data_type) like '%REAL%')
