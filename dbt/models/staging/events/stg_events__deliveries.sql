{{ config(unique_key=['log_partition', 'log_offset'], incremental_strategy='delete+insert',
          cluster_by=clustered(['cast(inserted_at as date)']), post_hook="{{ note_own_load() }}") }}

{#- Which rows are new is found by counting, not by a high-water mark: rows of a commit share partition and
    `inserted_at`, and a group that RAW counts otherwise than this table is looked into row by row. So a
    partition loaded late, a row redriven at its old offset and a clock that stepped back are all seen. So is a row
    that was repaired: it has another `inserted_at` than the one that is known at its offset, and takes its place.
    Only groups from `since` on are counted, where the totals say that nothing has changed before it. -#}
{% set since = settled_before() if is_incremental() else none %}
with raw_events as (
    select log_partition, log_offset, event_id, payload_type, payload_sha256, inserted_at
    from {{ source('raw', 'events') }}
    {%- if since %}
    where inserted_at >= cast('{{ since }}' as timestamp)
    {%- endif %}
),

{% if is_incremental() %}
recent as (
    select log_partition, log_offset, inserted_at, event_id
    from {{ this }}
    {%- if since %}
    where inserted_at >= cast('{{ since }}' as timestamp)
    {%- endif %}
),

raw_groups as (
    select log_partition, inserted_at, count(*) as row_count
    from raw_events
    group by log_partition, inserted_at
),

known_groups as (
    select log_partition, inserted_at, count(*) as row_count
    from recent
    group by log_partition, inserted_at
),

changed_groups as (
    select raw_groups.log_partition, raw_groups.inserted_at
    from raw_groups
    left join known_groups
        on raw_groups.log_partition = known_groups.log_partition
        and raw_groups.inserted_at = known_groups.inserted_at
    where known_groups.row_count is null or known_groups.row_count <> raw_groups.row_count
),

candidates as (
    select raw_events.*
    from raw_events
    inner join changed_groups
        on raw_events.log_partition = changed_groups.log_partition
        and raw_events.inserted_at = changed_groups.inserted_at
),

known_candidates as (
    select known.log_partition, known.log_offset, known.inserted_at
    from recent as known
    inner join changed_groups
        on known.log_partition = changed_groups.log_partition
        and known.inserted_at = changed_groups.inserted_at
),

fresh as (
    select candidates.*
    from candidates
    left join known_candidates
        on candidates.log_partition = known_candidates.log_partition
        and candidates.log_offset = known_candidates.log_offset
        and candidates.inserted_at = known_candidates.inserted_at
    where known_candidates.log_offset is null
),

{#- What is known at the places of fresh rows: a repair has replaced it. Its events are judged anew, too. #}
replaced as (
    select distinct known.log_partition, known.log_offset, known.event_id
    from recent as known
    inner join fresh on known.log_partition = fresh.log_partition and known.log_offset = fresh.log_offset
),

affected as (
    select
        log_partition, log_offset, event_id, payload_type, payload_sha256, inserted_at,
        cast(null as varchar) as known_disposition
    from fresh
    union all
    select
        known.log_partition, known.log_offset, known.event_id, known.payload_type, known.payload_sha256,
        known.inserted_at, known.disposition as known_disposition
    from {{ this }} as known
    left join replaced on known.log_partition = replaced.log_partition and known.log_offset = replaced.log_offset
    where
        replaced.log_offset is null
        and known.event_id in (select event_id from fresh union select event_id from replaced)
),

this_load as (
    select greatest(
        (select count(*) from {{ this }}), (select coalesce(max(load_id), 0) from {{ this }})
    ) + (select count(*) from fresh) as load_id
),
{% else %}
affected as (
    select raw_events.*, cast(null as varchar) as known_disposition from raw_events
),

this_load as (
    select count(*) as load_id from raw_events
),
{% endif %}

ranked as (
    select
        affected.*,
        row_number() over (partition by event_id order by log_partition, log_offset) as delivery_number,
        first_value(payload_sha256) over (
            partition by event_id order by log_partition, log_offset
            rows between unbounded preceding and unbounded following
        ) as first_payload_sha256
    from affected
),

judged as (
    select
        ranked.*,
        case
            when delivery_number = 1 then 'distinct'
            when payload_sha256 = first_payload_sha256 then 'duplicate'
            else 'conflicting'
        end as disposition
    from ranked
)

select
    log_partition,
    log_offset,
    event_id,
    payload_type,
    payload_sha256,
    disposition,
    inserted_at,
    cast(this_load.load_id as bigint) as load_id
from judged
cross join this_load
{#- An event's counted delivery keeps its load when only repeats of it arrived: nothing downstream changes. #}
where known_disposition is null or known_disposition <> disposition
