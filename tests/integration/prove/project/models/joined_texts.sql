select event_type, string_agg(event_id, ' ') as ids from {{ ref('events') }} group by event_type
