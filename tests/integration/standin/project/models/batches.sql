{{ config(materialized="incremental", incremental_strategy="microbatch", event_time="changed_at", batch_size="day", begin="2026-01-01", lookback=0) }}
select sku, price, changed_at from {{ ref("views") }}
