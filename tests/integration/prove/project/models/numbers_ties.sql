{{ config(materialized='view') }}
select event_id, row_number() over (order by event_type) as place from {{ ref('events') }}
