{{ config(unique_key='day') }}
select cast(occurred_at as date) as day, count(*) as orders, sum(length(cast(payload as varchar))) as characters
from {{ ref('orders') }}
group by 1
