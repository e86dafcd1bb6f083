select event_id, now() as seen_at from {{ ref('events') }}
