{{ config(unique_key='event_id', incremental_strategy='touched', meta={'touched': 'events', 'touched_key': 'event_id'},
          cluster_by=clustered(['cast(occurred_at as date)']),
          pre_hook="{{ begin_load(['stg_events__deliveries']) }}",
          post_hook="{{ note_load() }}") }}
{{ reads(['stg_events__deliveries']) }}

{% set fields = [
    ('page_id', 'page_id', 'text'),
    ('sku', 'sku', 'text'),
    ('seconds_wide', 'seconds_on_page', 'decimal(38,18)'),
    ('viewed_at', 'viewed_at', 'timestamp'),
] %}

select
    event_id,
    event_type,
    page_id,
    sku,
    {#- Free JSON declares no scale: a value that six places cannot hold is left out, never rounded. #}
    case when seconds_wide = cast(seconds_wide as decimal(18, 6)) then cast(seconds_wide as decimal(18, 6)) end
        as seconds_on_page,
    viewed_at,
    occurred_at,
    log_partition,
    log_offset,
    load_id
from (
    {{ typed_events('sportscards.web.v1.PageViewed', fields) | indent(4) }}
) as typed
