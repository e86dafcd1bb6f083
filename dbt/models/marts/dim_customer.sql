{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='touched',
          meta={'touched': 'customers', 'touched_key': 'customer_id'},
          pre_hook="{{ begin_load(['stg_orders__order_placed']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__repeats']) }}

with placed as (
    select customer_id, order_id, customer_name, customer_email, occurred_at, log_partition, log_offset
    from {{ ref('stg_orders__order_placed') }}
    {% if is_incremental() -%}
    where customer_id in ({{ touched_customers(this.identifier) }})
    {%- endif %}
),

ranked as (
    select
        placed.*,
        {#- Orders that do not say a name (or an address) never replace one that does. #}
        row_number() over (
            partition by customer_id
            order by case when coalesce(customer_name, '') = '' then 1 else 0 end, {{ latest_first() }}
        ) as name_rank,
        row_number() over (
            partition by customer_id
            order by case when coalesce(customer_email, '') = '' then 1 else 0 end, {{ latest_first() }}
        ) as email_rank
    from placed
)

select
    customer_id,
    nullif(max(case when name_rank = 1 then customer_name end), '') as customer_name,
    nullif(max(case when email_rank = 1 then customer_email end), '') as customer_email,
    min(occurred_at) as first_order_at,
    max(occurred_at) as last_order_at,
    cast(count(distinct order_id) as bigint) as orders
from ranked
group by customer_id
