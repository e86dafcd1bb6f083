select event_type, left(ids, 9) as first_id from {{ ref('joined_texts') }}
