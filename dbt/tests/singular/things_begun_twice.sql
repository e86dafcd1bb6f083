{{ config(severity='warn') }}
{#- An order placed by two distinct events, a batch started or finished by two, a line number used twice in one order:
    the last one counts, and a producer should explain itself. -#}
select 'order placed' as what, order_id as thing, count(*) as times
from {{ ref('stg_orders__order_placed') }} group by order_id having count(*) > 1
union all
select 'line of an order', order_id, count(*)
from {{ ref('stg_orders__order_lines') }} group by event_id, order_id, line_number having count(*) > 1
union all
select 'batch started', batch_id, count(*)
from {{ ref('stg_manufacturing__batch_started') }} group by batch_id having count(*) > 1
union all
select 'batch finished', batch_id, count(*)
from {{ ref('stg_manufacturing__batch_finished') }} group by batch_id having count(*) > 1
