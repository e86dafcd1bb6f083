select 1 as id, cast(to_timestamp(1700000000) as date) as day
