{#- When was what loaded last, partition by partition. `dbt source freshness` judges the last line of all. -#}
select log_partition, count(*) as deliveries, max(occurred_at) as last_occurred_at, max(inserted_at) as last_inserted_at
from {{ source('raw', 'events') }}
group by log_partition
order by last_inserted_at, log_partition
