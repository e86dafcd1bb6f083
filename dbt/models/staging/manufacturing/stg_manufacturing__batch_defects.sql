{{ config(materialized='view') }}

select
    event_id,
    item_position,
    batch_id,
    {{ payload_field('item', 'kind', 'text') }} as kind,
    {{ payload_field('item', 'count', 'bigint') }} as defect_count,
    occurred_at,
    log_partition,
    log_offset,
    load_id
from {{ exploded(ref('stg_manufacturing__batch_inspected'), 'defects') }} as inspected
