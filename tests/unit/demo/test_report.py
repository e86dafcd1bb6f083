"""The report: exact, escaped, self-contained, the same for the same facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.demo.report import page

HOSTILE = '<script>alert(1)</script> "Zoë" O\'Neil 🃏 </svg> {{ 7*7 }} \u202eevil &amp; ]]>'

TABLES = """
CREATE SCHEMA RAW; CREATE SCHEMA MART;
CREATE TABLE RAW.QUARANTINE AS SELECT * FROM (VALUES ('decode'), ('decode'), ('capture')) AS t(stage);
CREATE TABLE MART.fct_orders AS
WITH made AS (
    SELECT i, DATE '2026-01-02' + (i * $days // $orders)::INTEGER AS order_date, hash(i) AS h
    FROM range($orders) AS t(i)
)
SELECT 'O-' || i AS order_id, 'C-' || (h % ($orders // 3))::VARCHAR AS customer_id, order_date,
    order_date + to_seconds((h % 86400)::BIGINT) AS placed_at,
    (['USD', 'EUR', 'GBP', 'CAD', 'JPY'])[1 + least((hash(i, 1) % 12) // 2, 4)::INTEGER] AS currency_code,
    (['SALES_CHANNEL_WEB', 'SALES_CHANNEL_WEB', 'SALES_CHANNEL_APP', 'SALES_CHANNEL_STORE',
      'SALES_CHANNEL_UNSPECIFIED'])[1 + (hash(i, 2) % 5)::INTEGER] AS channel,
    (['shipped', 'shipped', 'shipped', 'shipped', 'paid', 'placed', 'refunded', 'cancelled'])
        [1 + (hash(i, 3) % 8)::INTEGER] AS status,
    CASE WHEN status = 'cancelled' THEN 0 ELSE 1 + hash(i, 4) % 4 END::BIGINT AS units_sold,
    CASE currency_code WHEN 'JPY' THEN 100 ELSE 1 END AS factor,
    (units_sold * (100 + hash(i, 5) % 90000) * factor / 100.0)::DECIMAL(38,4) AS revenue,
    CASE WHEN status = 'refunded' THEN revenue ELSE 0 END::DECIMAL(38,4) AS refunded_amount,
    (revenue - refunded_amount)::DECIMAL(38,4) AS net_revenue
FROM made;
CREATE TABLE MART.agg_revenue_daily AS
SELECT order_date, currency_code, count(*) AS orders, sum(units_sold)::BIGINT AS units_sold,
    (sum(revenue) + 10)::DECIMAL(38,4) AS gross_amount, 10::DECIMAL(38,4) AS discount_amount,
    sum(revenue)::DECIMAL(38,4) AS revenue, sum(refunded_amount)::DECIMAL(38,4) AS refunded_amount,
    sum(net_revenue)::DECIMAL(38,4) AS net_revenue,
    (sum(revenue)::DECIMAL(38,4) * 0.19::DECIMAL(3,2))::DECIMAL(38,9) AS tax_amount
FROM MART.fct_orders GROUP BY ALL;
CREATE TABLE MART.agg_customer_purchases AS
SELECT customer_id, currency_code, count(*) AS orders, sum(units_sold)::BIGINT AS units_sold,
    sum(revenue)::DECIMAL(38,4) AS revenue, sum(net_revenue)::DECIMAL(38,4) AS net_revenue,
    (sum(revenue) / count(*))::DECIMAL(38,4) AS average_order_value
FROM MART.fct_orders WHERE status <> 'cancelled' GROUP BY ALL;
CREATE TABLE MART.dim_customer AS SELECT DISTINCT customer_id,
    (['Zoë O''Neil', 'Max Müller', 'Ana Souza', '山田 花子', $hostile::VARCHAR])
        [1 + (hash(customer_id) % 5)::INTEGER] AS customer_name
FROM MART.fct_orders;
CREATE TABLE MART.dim_card AS SELECT 'SKU-' || i AS sku FROM range(300) AS t(i);
CREATE TABLE MART.agg_demand_by_player AS
SELECT CASE i WHEN 1 THEN $hostile::VARCHAR ELSE 'Player Number ' || i END AS player, currency_code,
    (60 - i) * 40 AS orders, (60 - i) * 55 AS units_sold,
    ((60 - i) * 812.25)::DECIMAL(38,4) AS revenue
FROM range(40) AS t(i), (VALUES ('USD'), ('EUR'), ('JPY'), ('CAD'), ('GBP')) AS c(currency_code);
CREATE TABLE MART.agg_demand_by_team AS SELECT replace(player, 'Player', 'Team') AS team, * EXCLUDE (player)
FROM MART.agg_demand_by_player;
CREATE TABLE MART.agg_demand_by_sku AS
SELECT replace(player, 'Player Number', 'SKU') AS sku, player AS players, 'Chrome' AS set_name, '' AS parallel,
    * EXCLUDE (player)
FROM MART.agg_demand_by_player;
CREATE TEMP TABLE batches AS
SELECT CASE i % 6 WHEN 5 THEN $hostile::VARCHAR ELSE 'L' || (1 + i % 6) END AS line,
    DATE '2026-01-02' + (i // 12)::INTEGER AS production_date, 500 AS planned,
    CASE WHEN i % 97 = 0 THEN '' ELSE 'USD' END AS currency_code,
    CASE WHEN i % 97 = 0 THEN 0 ELSE 500 - (hash(i) % 40)::BIGINT END AS produced,
    least(produced, (hash(i, 1) % (10 + 4 * (i % 6))))::BIGINT AS defects, produced - defects AS good,
    CASE WHEN i % 97 = 0 THEN 0 ELSE 14400 + (hash(i, 2) % 7200)::BIGINT END AS production_seconds,
    (produced * 0.123456789)::DECIMAL(38,9) AS cost
FROM range($days * 12) AS t(i);
CREATE TABLE MART.agg_manufacturing_daily AS
SELECT production_date, line, currency_code, count(*) AS batches, sum(planned)::BIGINT AS planned,
    sum(produced)::BIGINT AS produced, sum(defects)::BIGINT AS defects, sum(good)::BIGINT AS good,
    sum(production_seconds)::DECIMAL(38,6) AS production_seconds, sum(cost)::DECIMAL(38,9) AS cost
FROM batches GROUP BY ALL;
CREATE TABLE MART.agg_defects_by_kind AS
SELECT production_date, line, kind, (sum(defects) * share // 10)::BIGINT AS defects
FROM batches, (VALUES ('DEFECT_KIND_CENTERING', 4), ('DEFECT_KIND_SURFACE', 3),
    ('DEFECT_KIND_CORNER', 2), ('DEFECT_KIND_PRINT', 1)) AS k(kind, share)
GROUP BY production_date, line, kind, share;
"""


def make_warehouse(
    path: Path, *, days: int, orders: int, hostile: str = HOSTILE
) -> duckdb.DuckDBPyConnection:
    """MART tables of a plausible company, with a hostile name in each kind of place."""
    connection = duckdb.connect(str(path))
    for name, value in {"days": days, "orders": orders, "hostile": hostile}.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value])
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(re.sub(r"\$(days|orders|hostile)", r"getvariable('\1')", statement))
    return connection


FACTS: Mapping[str, Any] = {
    "received": 203_000,
    "stored": 196_000,
    "duplicates": 5_998,
    "quarantined": 1_002,
    "balanced": True,
    "quarantined_by_reason": {
        "decimal_malformed": 1,
        "payload_malformed": 1,
        "event_id_missing": 990,
        "conflicting_payload": 10,
    },
    "log_sha256": "ab" * 32,
    "tables": {
        "MART.fct_orders": 52_345,
        "RAW.EVENTS": 202_008,
        "RAW.QUARANTINE": 992,
        "STAGING.stg_events": 196_000,
    },
    "ledger": {"equal": True, "differences": []},
    "settings": {
        "seed": 7,
        "events": 203_000,
        "segment_positions": 32_768,
        "batch_rows": 65_536,
        "workers": 1,
        "catalog": None,
    },
    "partitions": [
        {
            "partition": "journal",
            "commits": 7,
            "events": 202_010,
            "rejects": 990,
            "bytes": 25_123_456,
            "position": 202_999,
            "sha256": "cd" * 32,
        }
    ],
    "steps": {"capture journal": {"rows": 203_000, "seconds": 1.25}, "ledger": {"rows": 0, "seconds": 2.0}},
    "dbt": {
        "statuses": {"pass": 90, "success": 30, "warn": 1},
        "warnings": [{"name": "orphans", "message": HOSTILE}],
    },
    "versions": {"python": "3.11.7", "eventreplay": "0.1.0"},
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with make_warehouse(tmp_path_factory.mktemp("report") / "w.duckdb", days=40, orders=600) as connection:
        yield connection


@pytest.fixture(scope="module")
def html(warehouse: duckdb.DuckDBPyConnection) -> str:
    return page(FACTS, warehouse)
