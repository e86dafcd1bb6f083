{#- What keeps the cost of a load from growing with RAW. RAW and STAGING lie in the order in which they were loaded, so
    a predicate on `inserted_at` with a literal leaves out all but the last micro-partitions (on DuckDB: row groups).
    Rows may come in below it: a long transaction commits late, a clock steps back. So it is never a high-water mark:
    the totals, which a warehouse knows without reading, must prove that nothing came in below. -#}

{#- A moment before which RAW.EVENTS and this model hold equally many rows, as text; none if that cannot be shown, and
    then everything is compared. Asked only in an incremental run of the model that numbers the loads. -#}
{% macro settled_before() -%}
    {%- if not execute -%}{{ return(none) }}{%- endif -%}
    {%- set raw = source('raw', 'events') -%}
    {%- set known, latest = run_query('select count(*), max(inserted_at) from ' ~ this).rows[0].values() -%}
    {%- if latest is none -%}{{ return(none) }}{%- endif -%}
    {%- set since = (latest - modules.datetime.timedelta(hours=var('raw_overlap_hours') | int)).isoformat(' ') -%}
    {%- set recently = " where inserted_at >= cast('" ~ since ~ "' as timestamp)" -%}
    {%- set known_before = known - one_value('select count(*) from ' ~ this ~ recently) -%}
    {#- A commit between the two counts would look like a row below: count until there was none. -#}
    {%- for attempt in range(5) -%}
        {%- set total = one_value('select count(*) from ' ~ raw) -%}
        {%- set recent = one_value('select count(*) from ' ~ raw ~ recently) -%}
        {%- if total == one_value('select count(*) from ' ~ raw) -%}
            {%- if total - recent == known_before -%}{{ return(since) }}{%- endif -%}
            {%- do log('Rows came in below ' ~ since ~ ': the whole of ' ~ raw ~ ' is compared.', info=true) -%}
            {{ return(none) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(none) }}
{%- endmacro %}

{#- The same for a model over the events of one type: the oldest load that has something new for it. -#}
{% macro and_recent_enough(payload_type) -%}
    {%- if execute -%}
        {%- set oldest = one_value(
            'select min(inserted_at) from ' ~ ref('stg_events__deliveries') ~ " where payload_type = '" ~ payload_type
            ~ "' and load_id > " ~ load_watermark(this.identifier)
        ) -%}
        {{ 'and 1 = 0' if oldest is none else "and inserted_at >= cast('" ~ oldest.isoformat(' ') ~ "' as timestamp)" }}
    {%- endif -%}
{%- endmacro %}

{% macro one_value(query) -%}{{ return(run_query(query).rows[0][0]) }}{%- endmacro %}

{#- Cluster keys of a large table: on Snowflake only. -#}
{% macro clustered(keys) -%}{{ return(keys if target.type == 'snowflake' else none) }}{%- endmacro %}
