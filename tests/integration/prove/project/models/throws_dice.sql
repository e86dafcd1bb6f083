select event_id, random() as dice from {{ ref('events') }}
