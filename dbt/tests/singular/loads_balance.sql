{#- Promise: loaded = distinct + duplicates + conflicting, and every row of RAW.EVENTS has been judged.
    Fails, too, if RAW was replaced under the models: then build with full-refresh. -#}
with raw_side as (
    select count(*) as loaded, count(distinct event_id) as events, coalesce(sum(event_hash), 0) as hashes
    from {{ source('raw', 'events') }}
),

staging_side as (
    select
        count(*) as judged,
        coalesce(sum(case when disposition = 'distinct' then 1 else 0 end), 0) as distinct_events,
        coalesce(sum(case when disposition = 'duplicate' then 1 else 0 end), 0) as duplicates,
        coalesce(sum(case when disposition = 'conflicting' then 1 else 0 end), 0) as conflicting
    from {{ ref('stg_events__deliveries') }}
),

joined_side as (
    select coalesce(sum(hashes), 0) as hashes
    from (
        select raw_events.event_hash as hashes
        from {{ source('raw', 'events') }} as raw_events
        inner join {{ ref('stg_events__deliveries') }} as deliveries
            on raw_events.log_partition = deliveries.log_partition
            and raw_events.log_offset = deliveries.log_offset
            and raw_events.event_id = deliveries.event_id
            and raw_events.payload_sha256 = deliveries.payload_sha256
    ) as matched
)

select *
from raw_side
cross join staging_side
cross join joined_side
where
    loaded <> judged
    or events <> distinct_events
    or loaded <> distinct_events + duplicates + conflicting
    or raw_side.hashes <> joined_side.hashes
