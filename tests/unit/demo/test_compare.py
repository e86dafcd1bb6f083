"""The comparison must find what is wrong: each mistake is planted in a copy of the right tables."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from eventreplay.demo.ledger import compare, write_ledger
from eventreplay.demo.ledger.compare import DIFFERENCES_MAX, KEYS
from eventreplay.errors import ConfigError


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth's folder")
    write_ledger(2, 6_000, folder)
    return folder


@pytest.fixture
def warehouse(ledger: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA MART").fetchall()
    for name in KEYS:
        path = str(ledger / f"{name}.parquet").replace("'", "''")
        connection.execute(f"CREATE TABLE MART.{name} AS SELECT * FROM read_parquet('{path}')").fetchall()
    return connection


def found(ledger: Path, warehouse: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return [(each.table, each.column) for each in compare(ledger, warehouse, raw=None)]


def test_equal_tables_have_no_difference(ledger: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
    assert found(ledger, warehouse) == []


@pytest.mark.parametrize(
    ("mistake", "table", "column"),
    [
        ("DELETE FROM MART.fct_orders WHERE order_id = 'O-000000007'", "fct_orders", "rows"),
        ("INSERT INTO MART.dim_card SELECT * FROM MART.dim_card LIMIT 1", "dim_card", "rows"),
        ("UPDATE MART.fct_orders SET tax_amount = tax_amount + 0.000000001", "fct_orders", "tax_amount"),
        ("UPDATE MART.agg_revenue_daily SET revenue = NULL", "agg_revenue_daily", "revenue"),
        ("UPDATE MART.fct_order_lines SET sku = sku || ' ' WHERE line_number = 4", "fct_order_lines", "sku"),
        ("UPDATE MART.dim_customer SET customer_name = NULL", "dim_customer", "customer_name"),
        ("ALTER TABLE MART.agg_demand_by_sku ALTER revenue TYPE DOUBLE", "agg_demand_by_sku", "revenue"),
        ("ALTER TABLE MART.agg_demand_by_player DROP orders", "agg_demand_by_player", "orders"),
        ("DROP TABLE MART.agg_defects_by_kind", "agg_defects_by_kind", "*"),
        (
            "UPDATE MART.fct_orders SET placed_at = placed_at + INTERVAL 1 MICROSECOND",
            "fct_orders",
            "placed_at",
        ),
    ],
)
def test_each_planted_mistake_is_found(
    ledger: Path, warehouse: duckdb.DuckDBPyConnection, mistake: str, table: str, column: str
) -> None:
    warehouse.execute(mistake).fetchall()
    assert set(found(ledger, warehouse)) == {(table, column)}


def test_another_scale_or_integer_width_is_no_difference(
    ledger: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    warehouse.execute("ALTER TABLE MART.agg_revenue_daily ALTER revenue TYPE DECIMAL(38, 12)").fetchall()
    warehouse.execute("ALTER TABLE MART.agg_revenue_daily ALTER orders TYPE HUGEINT").fetchall()
    assert found(ledger, warehouse) == []


def test_many_differences_are_counted_not_listed(ledger: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("UPDATE MART.fct_orders SET revenue = revenue + 1").fetchall()
    differences = compare(ledger, warehouse, raw=None)
    assert len(differences) == DIFFERENCES_MAX + 1
    assert "in all" in str(differences[-1])


def test_the_logs_counts_are_compared(ledger: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("CREATE SCHEMA RAW").fetchall()
    warehouse.execute(
        "CREATE TABLE RAW.EVENTS"
        "(event_id VARCHAR, payload_sha256 BLOB, log_partition VARCHAR, log_offset BIGINT)"
    ).fetchall()
    warehouse.execute("CREATE TABLE RAW.QUARANTINE(stage VARCHAR)").fetchall()
    assert {each.table for each in compare(ledger, warehouse)} == {"RAW.EVENTS", "RAW.QUARANTINE"}


def test_a_folder_without_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no ledger"):
        compare(tmp_path, duckdb.connect())
