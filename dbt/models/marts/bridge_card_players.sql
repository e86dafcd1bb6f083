with versions as (
    select sku, players, occurred_at, log_partition, log_offset from {{ ref('stg_catalog__card_released') }}
    union all
    select sku, players, occurred_at, log_partition, log_offset from {{ ref('stg_catalog__card_corrected') }}
),

ranked as (
    select versions.*, row_number() over (partition by sku order by {{ latest_first() }}) as rank_from_last
    from versions
),

cards as (
    select sku, players from ranked where rank_from_last = 1
)

select
    sku,
    cast(min(item_position) as bigint) as player_position,
    {{ item_text('item') }} as player
from {{ exploded('cards', 'players') }} as listed
{#- A player listed twice on one card is credited once. #}
group by sku, {{ item_text('item') }}
