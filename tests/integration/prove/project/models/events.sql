select event_id, event_type, log_offset, inserted_at from {{ source('raw', 'EVENTS') }}
