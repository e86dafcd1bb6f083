with versions as (
    select
        sku, base_sku, players, team, sport, release, set_name, card_number, release_year, parallel, print_run,
        attributes, list_price_currency_code, list_price, occurred_at, log_partition, log_offset
    from {{ ref('stg_catalog__card_released') }}
    union all
    select
        sku, base_sku, players, team, sport, release, set_name, card_number, release_year, parallel, print_run,
        attributes, list_price_currency_code, list_price, occurred_at, log_partition, log_offset
    from {{ ref('stg_catalog__card_corrected') }}
),

ranked_versions as (
    select
        versions.*,
        row_number() over (partition by sku order by {{ latest_first() }}) as rank_from_last,
        min(occurred_at) over (partition by sku) as first_occurred_at
    from versions
),

retirements as (
    select sku, occurred_at, log_partition, log_offset,
        row_number() over (partition by sku order by {{ latest_first() }}) as rank_from_last
    from {{ ref('stg_catalog__card_retired') }}
),

cards as (
    select
        card.*,
        coalesce(nullif(card.base_sku, ''), card.sku) as known_base_sku,
        case
            when retirement.sku is null then false
            when retirement.occurred_at <> card.occurred_at then retirement.occurred_at > card.occurred_at
            when retirement.log_partition <> card.log_partition then retirement.log_partition > card.log_partition
            else retirement.log_offset > card.log_offset
        end as is_retired,
        retirement.occurred_at as retired_at
    from ranked_versions as card
    left join retirements as retirement on card.sku = retirement.sku and retirement.rank_from_last = 1
    where card.rank_from_last = 1
),

parallels as (
    select known_base_sku, count(*) as parallel_count
    from cards
    where sku <> known_base_sku
    group by known_base_sku
)

select
    cards.sku,
    cards.known_base_sku as base_sku,
    cards.sku = cards.known_base_sku as is_base,
    cast(coalesce(parallels.parallel_count, 0) as bigint) as parallel_count,
    coalesce(array_to_string(cards.players, ' / '), '') as players,
    cast(coalesce({{ array_length('cards.players') }}, 0) as bigint) as player_count,
    cards.team,
    cards.sport,
    cards.release,
    cards.set_name,
    cards.card_number,
    cards.release_year,
    cards.parallel,
    cards.print_run,
    coalesce(array_to_string(cards.attributes, ', '), '') as attributes,
    cards.list_price,
    cards.list_price_currency_code,
    case when cards.is_retired then 'retired' else 'released' end as status,
    cards.is_retired,
    cards.first_occurred_at as released_at,
    cards.occurred_at as updated_at,
    case when cards.is_retired then cards.retired_at end as retired_at
from cards
left join parallels on cards.known_base_sku = parallels.known_base_sku
