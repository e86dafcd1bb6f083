{{ config(materialized="table") }}
select count(*) as skus, sum(price)::number(38, 9) as total, (sum(price) / count(*))::number(38, 12) as mean
from {{ ref("views") }}
