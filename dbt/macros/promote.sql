{#- A second generation beside the live one, and the change of places; called by `dbt run-operation`.

    RAW<suffix>, STAGING<suffix> and MART<suffix> hold the other generation. GENERATION, a table of one row in each RAW,
    says what stands there and in which state: `building`, `kept`, `promoting`, `live`. Views stay where they
    are: they name the tables they read, so they are made again after the tables have changed places.
    Both operations may be run again, whatever ended them. -#}

{% macro begin_generation(suffix, generation) -%}
    {%- set pairs = generation_pairs(suffix) -%}
    {%- set found = generation_in(pairs[0][1]) -%}
    {%- if found['generation'] == generation -%}
        {{ return(log('Generation ' ~ generation ~ ' goes on.', info=true)) }}
    {%- elif found['state'] == 'promoting' -%}
        {%- do exceptions.raise_compiler_error('Generation ' ~ found['generation'] ~ ' is being promoted: finish that first.') -%}
    {%- endif -%}
    {%- do adapter.dispatch('empty_generation')(pairs) -%}
    {%- do run_query('create table ' ~ pairs[0][1] ~ '.GENERATION (generation varchar not null, state varchar not null)') -%}
    {%- do run_query("insert into " ~ pairs[0][1] ~ ".GENERATION values ('" ~ generation | replace("'", "''") ~ "', 'building')") -%}
    {%- do log('Generation ' ~ generation ~ ' begins in ' ~ pairs[0][1] ~ '.', info=true) -%}
{%- endmacro %}

{% macro promote(suffix, generation) -%}
    {%- set pairs = generation_pairs(suffix) -%}
    {%- if generation_in(pairs[0][0])['generation'] == none -%}
        {%- do run_query('create table if not exists ' ~ pairs[0][0] ~ '.GENERATION (generation varchar not null, state varchar not null)') -%}
        {%- do run_query("insert into " ~ pairs[0][0] ~ ".GENERATION values ('first', 'live')") -%}
    {%- endif -%}
    {%- if generation_in(pairs[0][0])['generation'] != generation -%}
        {%- set found = generation_in(pairs[0][1]) -%}
        {%- if found['generation'] != generation -%}
            {%- do exceptions.raise_compiler_error('There is no generation ' ~ generation ~ ' in ' ~ pairs[0][1] ~ ': found ' ~ found['generation'] ~ '.') -%}
        {%- endif -%}
        {%- do adapter.dispatch('change_places')(pairs, generation, found['state']) -%}
    {%- endif -%}
    {%- do run_query("update " ~ pairs[0][1] ~ ".GENERATION set state = 'kept'") -%}
    {%- do run_query("update " ~ pairs[0][0] ~ ".GENERATION set state = 'live'") -%}
    {%- do log('Generation ' ~ generation ~ ' is live.', info=true) -%}
{%- endmacro %}

{#- (live, other) schema by schema, RAW first. -#}
{% macro generation_pairs(suffix) -%}
    {%- if not modules.re.fullmatch('_[A-Z0-9]{1,16}', suffix) -%}
        {%- do exceptions.raise_compiler_error('The suffix is _ and up to 16 capital letters and digits, e.g. _NEXT.') -%}
    {%- endif -%}
    {%- set live = [env_var('EVENTREPLAY_RAW_SCHEMA', 'RAW'), 'STAGING', 'MART'] -%}
    {%- set pairs = [] -%}
    {%- for schema in live -%}{%- do pairs.append((schema, schema ~ suffix)) -%}{%- endfor -%}
    {{ return(pairs) }}
{%- endmacro %}

{#- What GENERATION says in a schema; none and none if it is not there. -#}
{% macro generation_in(schema) -%}
    {%- if 'GENERATION' in generation_tables(schema) -%}
        {%- set rows = run_query('select generation, state from ' ~ schema ~ '.GENERATION').rows -%}
        {%- if rows | length == 1 -%}{{ return({'generation': rows[0][0], 'state': rows[0][1]}) }}{%- endif -%}
    {%- endif -%}
    {{ return({'generation': none, 'state': none}) }}
{%- endmacro %}

{#- Comment by name of a schema's tables, views left out. -#}
{% macro generation_tables(schema) -%}
    {%- set found = {} -%}
    {%- for row in adapter.dispatch('tables_and_comments')(schema) -%}
        {%- do found.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro duckdb__tables_and_comments(schema) -%}
    {{ return(run_query("select table_name, coalesce(comment, '') from duckdb_tables() where upper(schema_name) = upper('"
        ~ schema ~ "') and database_name = current_database() order by table_name").rows) }}
{%- endmacro %}

{% macro snowflake__tables_and_comments(schema) -%}
    {{ return(run_query("select table_name, coalesce(comment, '') from information_schema.tables where table_schema = '"
        ~ schema ~ "' and table_type = 'BASE TABLE' order by table_name").rows) }}
{%- endmacro %}

{% macro duckdb__empty_generation(pairs) -%}
    {%- set statements = [] -%}
    {%- for _, other in pairs -%}{%- do statements.append('drop schema if exists ' ~ other ~ ' cascade') -%}{%- endfor -%}
    {%- do statements.append('create schema ' ~ pairs[0][1]) -%}
    {%- do run_query('begin; ' ~ statements | join('; ') ~ '; commit') -%}
{%- endmacro %}

{#- The schema of RAW stays, with its stage; the tables of the sink are made like the live ones, and empty. -#}
{% macro snowflake__empty_generation(pairs) -%}
    {%- set live, other = pairs[0] -%}
    {%- for _, schema in pairs[1:] -%}{%- do run_query('drop schema if exists ' ~ schema ~ ' cascade') -%}{%- endfor -%}
    {%- do run_query('create schema if not exists ' ~ other) -%}
    {%- for name in generation_tables(other) -%}{%- do run_query('drop table if exists ' ~ other ~ '."' ~ name ~ '"') -%}{%- endfor -%}
    {%- for name in ['EVENTS', 'QUARANTINE', 'CHECKPOINTS', 'CHECKPOINT_LOCK'] -%}
        {%- do run_query('create table ' ~ other ~ '.' ~ name ~ ' like ' ~ live ~ '.' ~ name) -%}
    {%- endfor -%}
    {%- do run_query('insert into ' ~ other ~ '.CHECKPOINT_LOCK select * from ' ~ live ~ '.CHECKPOINT_LOCK limit 1') -%}
    {%- do run_query('create stage if not exists ' ~ other ~ '.EVENTREPLAY_STAGE') -%}
{%- endmacro %}

{#- DuckDB moves no table between schemas, so the rows are copied, all in one transaction. -#}
{% macro duckdb__change_places(pairs, generation, state) -%}
    {%- set statements = ['set preserve_insertion_order = true', 'begin'] -%}
    {%- for live, other in pairs -%}
        {%- set there, here = generation_definitions(other), generation_definitions(live) -%}
        {%- for name in there -%}
            {%- if name in here -%}
                {%- do statements.append('create table ' ~ other ~ '."' ~ name ~ '__PASSING" ' ~ here[name]) -%}
                {%- do statements.append('insert into ' ~ other ~ '."' ~ name ~ '__PASSING" select * from ' ~ live ~ '."' ~ name ~ '"') -%}
                {%- do statements.append('drop table ' ~ live ~ '."' ~ name ~ '"') -%}
            {%- endif -%}
            {%- do statements.append('create table ' ~ live ~ '."' ~ name ~ '" ' ~ there[name]) -%}
            {%- do statements.append('insert into ' ~ live ~ '."' ~ name ~ '" select * from ' ~ other ~ '."' ~ name ~ '"') -%}
            {%- do statements.append('drop table ' ~ other ~ '."' ~ name ~ '"') -%}
            {%- if name in here -%}
                {%- do statements.append('alter table ' ~ other ~ '."' ~ name ~ '__PASSING" rename to "' ~ name ~ '"') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do run_query(statements | join('; ') ~ '; commit') -%}
{%- endmacro %}

{#- What stands behind CREATE TABLE name, by table. -#}
{% macro generation_definitions(schema) -%}
    {%- set found = {} -%}
    {%- for row in run_query("select table_name, sql[strpos(sql, '(') :] from duckdb_tables() where upper(schema_name) = upper('"
            ~ schema ~ "') and database_name = current_database() order by table_name").rows -%}
        {%- do found.update({row[0]: row[1] | trim | trim(';')}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Table after table. Each table of the new generation is marked in its comment first, which moves with it: so a
    second attempt knows what is still to be done. Rights change places as well, so the new tables get those of
    the live ones before. The lock of the loads stays; GENERATION is the last to move. -#}
{% macro snowflake__change_places(pairs, generation, state) -%}
    {%- set mark = ' [generation ' ~ generation ~ ']' -%}
    {%- if state != 'promoting' -%}
        {%- for live, other in pairs -%}
            {%- set here = generation_tables(live) -%}
            {%- for name, comment in generation_tables(other).items() -%}
                {#- A table that is new gets the rights of its neighbours: future grants are for tables made in a schema. #}
                {%- set like = name if name in here else here.keys() | first | default(none) -%}
                {%- if like is not none -%}{%- do copy_rights(live ~ '."' ~ like ~ '"', other ~ '."' ~ name ~ '"') -%}{%- endif -%}
                {%- set text = (comment.split(' [generation ')[0] ~ mark) | replace("'", "''") -%}
                {%- do run_query('comment on table ' ~ other ~ '."' ~ name ~ '" is ' ~ "'" ~ text ~ "'") -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do run_query("update " ~ pairs[0][1] ~ ".GENERATION set state = 'promoting'") -%}
    {%- endif -%}
    {%- for live, other in pairs -%}
        {%- set here = generation_tables(live) -%}
        {%- for name, comment in generation_tables(other).items() -%}
            {%- if comment.endswith(mark) and name not in ['GENERATION', 'CHECKPOINT_LOCK'] -%}
                {%- do run_query('alter table ' ~ live ~ '."' ~ name ~ '" swap with ' ~ other ~ '."' ~ name ~ '"'
                    if name in here else 'alter table ' ~ other ~ '."' ~ name ~ '" rename to ' ~ live ~ '."' ~ name ~ '"') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do run_query('alter table ' ~ pairs[0][0] ~ '.GENERATION swap with ' ~ pairs[0][1] ~ '.GENERATION') -%}
{%- endmacro %}

{#- Grants, and last the owner: who rebuilds may be another role than who builds every day. -#}
{% macro copy_rights(source, target) -%}
    {%- set rights = run_query('show grants on table ' ~ source).rows -%}
    {%- for row in rights if row['privilege'] != 'OWNERSHIP' and row['granted_to'] == 'ROLE' -%}
        {%- do run_query('grant ' ~ row['privilege'] ~ ' on table ' ~ target ~ ' to role "' ~ row['grantee_name'] ~ '"') -%}
    {%- endfor -%}
    {%- for row in rights if row['privilege'] == 'OWNERSHIP' -%}
        {%- do run_query('grant ownership on table ' ~ target ~ ' to role "' ~ row['grantee_name'] ~ '" copy current grants') -%}
    {%- endfor -%}
{%- endmacro %}
