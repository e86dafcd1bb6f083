{#- Marketing: how many of a day's customers had bought before. -#}
select
    order_date,
    customers,
    new_customers,
    returning_customers,
    {{ exact_ratio('returning_customers', 'customers') }} as returning_share
from {{ ref('agg_customer_daily') }}
order by order_date
