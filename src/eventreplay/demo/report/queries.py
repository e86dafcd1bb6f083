"""Reads the MART tables for the report. Sums are exact; every result has a fixed order.

Amounts of different currencies never meet: a query that sums one groups by `currency_code`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Row = Mapping[str, Any]

TOP_COUNT = 10
"""Rows of a ranking."""
TOP_CUSTOMERS_COUNT = 5
"""Customers listed per currency."""

PERIOD = "SELECT min(order_date) AS first, max(order_date) AS last FROM MART.agg_revenue_daily"

HEADLINE = """
SELECT
    (SELECT count(*) FROM MART.fct_orders) AS orders,
    (SELECT count(*) FROM MART.fct_orders WHERE status = 'cancelled') AS cancelled,
    (SELECT coalesce(sum(units_sold), 0)::HUGEINT FROM MART.fct_orders) AS units_sold,
    (SELECT count(*) FROM MART.dim_customer) AS customers,
    (SELECT count(*) FROM MART.dim_card) AS cards,
    (SELECT coalesce(sum(produced), 0)::HUGEINT FROM MART.agg_manufacturing_daily) AS produced,
    (SELECT coalesce(sum(defects), 0)::HUGEINT FROM MART.agg_manufacturing_daily) AS defects,
    (SELECT coalesce(sum(batches), 0)::HUGEINT FROM MART.agg_manufacturing_daily) AS batches
"""

CURRENCIES = """
SELECT currency_code, sum(orders)::HUGEINT AS orders, sum(units_sold)::HUGEINT AS units_sold,
    sum(gross_amount) AS gross_amount, sum(discount_amount) AS discount_amount, sum(revenue) AS revenue,
    sum(refunded_amount) AS refunded_amount, sum(net_revenue) AS net_revenue, sum(tax_amount) AS tax_amount
FROM MART.agg_revenue_daily GROUP BY ALL ORDER BY orders DESC, currency_code
"""

# A day without orders counts as zero in the mean, so the calendar comes first.
REVENUE_BY_DAY = """
WITH span AS (SELECT min(order_date) AS first, max(order_date) AS last FROM MART.agg_revenue_daily),
days AS (SELECT unnest(generate_series(first, last, INTERVAL 1 DAY))::DATE AS order_date FROM span),
currencies AS (SELECT DISTINCT currency_code FROM MART.agg_revenue_daily),
grid AS (SELECT order_date, currency_code FROM days, currencies)
SELECT order_date, currency_code, coalesce(revenue, 0)::DECIMAL(38, 4) AS revenue,
    coalesce(net_revenue, 0)::DECIMAL(38, 4) AS net_revenue, coalesce(orders, 0) AS orders,
    CASE WHEN count(*) OVER week = 7 THEN sum(coalesce(revenue, 0)::DECIMAL(38, 4)) OVER week END
        AS week_revenue
FROM grid LEFT JOIN MART.agg_revenue_daily USING (order_date, currency_code)
WINDOW week AS (PARTITION BY currency_code ORDER BY order_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
ORDER BY currency_code, order_date
"""

ORDERS_BY_CHANNEL = """
SELECT channel, status, count(*) AS orders FROM MART.fct_orders GROUP BY ALL ORDER BY ALL
"""

ORDERS_BY_WEEK = """
SELECT date_trunc('week', order_date)::DATE AS week, status, count(*) AS orders
FROM MART.fct_orders GROUP BY ALL ORDER BY ALL
"""

# Units may be added over currencies, amounts may not: those come apart, in DEMAND_AMOUNTS.
DEMAND = """
SELECT {key} AS name, {about} AS about, sum(units_sold)::HUGEINT AS units_sold, sum(orders)::HUGEINT AS orders
FROM MART.{table} GROUP BY {key} HAVING sum(units_sold) > 0 ORDER BY units_sold DESC, name LIMIT {top}
"""
DEMAND_AMOUNTS = """
SELECT {key} AS name, currency_code, sum(revenue) AS revenue
FROM MART.{table} SEMI JOIN (SELECT unnest($names::VARCHAR[]) AS {key}) USING ({key})
GROUP BY ALL HAVING sum(revenue) <> 0 ORDER BY name, currency_code
"""
DEMAND_TABLES = {"sku": "agg_demand_by_sku", "player": "agg_demand_by_player", "team": "agg_demand_by_team"}
DEMAND_ABOUT = {
    "sku": "concat_ws(' · ', nullif(max(players), ''), nullif(max(set_name), ''), nullif(max(parallel), ''))"
}
"""What says more about a name than the name does; the same in each currency."""

CUSTOMERS_BY_CURRENCY = """
SELECT currency_code, count(*) AS customers, sum(orders)::HUGEINT AS orders,
    count(*) FILTER (orders > 1) AS returning_customers, sum(revenue) AS revenue,
    sum(net_revenue) AS net_revenue, median(orders) AS median_orders
FROM MART.agg_customer_purchases WHERE orders > 0 GROUP BY ALL ORDER BY customers DESC, currency_code
"""

ORDERS_PER_CUSTOMER = """
WITH counted AS (
    SELECT customer_id, sum(orders)::BIGINT AS orders FROM MART.agg_customer_purchases GROUP BY ALL
)
SELECT least(orders, 10) AS orders, count(*) AS customers
FROM counted WHERE orders > 0 GROUP BY ALL ORDER BY ALL
"""

TOP_CUSTOMERS = """
SELECT currency_code, customer_id, customer_name AS name, purchase.orders AS orders, units_sold, net_revenue,
    average_order_value
FROM MART.agg_customer_purchases AS purchase LEFT JOIN MART.dim_customer USING (customer_id)
QUALIFY row_number() OVER (PARTITION BY currency_code ORDER BY net_revenue DESC, customer_id) <= $top
ORDER BY currency_code, net_revenue DESC, customer_id
"""

NEW_AND_RETURNING = """
WITH numbered AS (
    SELECT order_date,
        row_number() OVER (PARTITION BY customer_id ORDER BY placed_at, order_id) = 1 AS is_first
    FROM MART.fct_orders
)
SELECT date_trunc('week', order_date)::DATE AS week, count(*) FILTER (is_first) AS first_orders,
    count(*) FILTER (NOT is_first) AS later_orders
FROM numbered GROUP BY ALL ORDER BY ALL
"""

LINES = """
SELECT line, sum(batches)::HUGEINT AS batches, sum(planned)::HUGEINT AS planned,
    sum(produced)::HUGEINT AS produced, sum(defects)::HUGEINT AS defects, sum(good)::HUGEINT AS good,
    sum(production_seconds) AS production_seconds
FROM MART.agg_manufacturing_daily GROUP BY ALL ORDER BY line
"""

LINE_COSTS = """
SELECT line, currency_code, sum(cost) AS cost FROM MART.agg_manufacturing_daily
GROUP BY ALL HAVING sum(cost) <> 0 ORDER BY ALL
"""

LINES_BY_DAY = """
WITH daily AS (
    SELECT production_date, line, sum(batches)::BIGINT AS batches, sum(planned)::BIGINT AS planned,
        coalesce(sum(produced), 0)::BIGINT AS produced, coalesce(sum(defects), 0)::BIGINT AS defects,
        coalesce(sum(good), 0)::BIGINT AS good
    FROM MART.agg_manufacturing_daily GROUP BY ALL
),
span AS (SELECT min(production_date) AS first, max(production_date) AS last FROM daily),
days AS (SELECT unnest(generate_series(first, last, INTERVAL 1 DAY))::DATE AS production_date FROM span),
grid AS (SELECT production_date, line FROM days, (SELECT DISTINCT line FROM daily))
SELECT production_date, line, batches, planned, produced, defects, good,
    (sum(coalesce(planned, 0)) OVER week)::BIGINT AS week_planned,
    (sum(coalesce(produced, 0)) OVER week)::BIGINT AS week_produced,
    (sum(coalesce(defects, 0)) OVER week)::BIGINT AS week_defects,
    (sum(coalesce(good, 0)) OVER week)::BIGINT AS week_good,
    count(*) OVER week = 7 AS is_whole
FROM grid LEFT JOIN daily USING (production_date, line)
WINDOW week AS (PARTITION BY line ORDER BY production_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
ORDER BY line, production_date
"""

DEFECTS_BY_WEEK = """
SELECT date_trunc('week', production_date)::DATE AS week, kind, sum(defects)::HUGEINT AS defects
FROM MART.agg_defects_by_kind GROUP BY ALL HAVING sum(defects) > 0 ORDER BY ALL
"""

DEFECTS_BY_LINE = """
SELECT line, kind, sum(defects)::HUGEINT AS defects FROM MART.agg_defects_by_kind GROUP BY ALL ORDER BY ALL
"""

QUARANTINED_BY_STAGE = "SELECT stage, count(*) AS records FROM RAW.QUARANTINE GROUP BY ALL ORDER BY ALL"


def rows(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> list[Row]:
    """All rows of a query by column name; only for results that are small by construction."""
    found = connection.execute(query, dict(values) if values else None)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
