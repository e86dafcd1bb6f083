{#- How many deliveries counted, were duplicates or conflict, by partition. -#}
select log_partition, disposition, count(*) as deliveries
from {{ ref('stg_events__deliveries') }}
group by log_partition, disposition
order by log_partition, disposition
