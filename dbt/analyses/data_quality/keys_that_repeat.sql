{#- An id delivered more than once, how often, and whether all deliveries say the same. -#}
select
    event_id,
    count(*) as deliveries,
    count(distinct payload_sha256) as payloads,
    min(inserted_at) as first_inserted_at,
    max(inserted_at) as last_inserted_at
from {{ source('raw', 'events') }}
group by event_id
having count(*) > 1
order by deliveries desc, event_id
limit 100
