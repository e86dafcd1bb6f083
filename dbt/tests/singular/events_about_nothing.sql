{{ config(severity='warn') }}
{#- Events about an order that was never placed, a batch that was never started, a card that was never released.
    They stay in staging and count nowhere until what they are about arrives. -#}
{% for model in order_models() if model != 'stg_orders__order_placed' -%}
select event_id, '{{ model }}' as model, order_id as missing
from {{ ref(model) }} where order_id not in (select order_id from {{ ref('fct_orders') }})
union all
{% endfor -%}
{% for model in batch_models() if model != 'stg_manufacturing__batch_started' -%}
select event_id, '{{ model }}' as model, batch_id as missing
from {{ ref(model) }} where batch_id not in (select batch_id from {{ ref('fct_batch_performance') }})
union all
{% endfor -%}
select event_id, 'stg_catalog__card_retired' as model, sku as missing
from {{ ref('stg_catalog__card_retired') }} where sku not in (select sku from {{ ref('dim_card') }})
