select 1 as id, cast(now() at time zone 'UTC' as date) as day, 'today()' as words
