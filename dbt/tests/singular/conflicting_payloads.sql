{{ config(severity='warn') }}
{#- Loud on purpose: each row is an event_id that was delivered with two payloads. The first counts. -#}
select event_id, log_partition, log_offset, counted_log_partition, counted_log_offset, reason
from {{ ref('stg_events__conflicts') }}
