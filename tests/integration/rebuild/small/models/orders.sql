{{ config(schema='STAGING', unique_key='event_id') }}
select event_id, event_type, occurred_at, payload
from {{ source('raw', 'EVENTS') }}
where event_type like '%.OrderPlaced'
