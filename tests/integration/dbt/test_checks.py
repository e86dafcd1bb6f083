"""The project's own tests must be able to fail: each is shown something that it is there for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import evolve

from tests.integration.dbt.payloads import (
    batch_finished,
    batch_inspected,
    batch_started,
    card_released,
    line,
    order_paid,
    order_placed,
    order_shipped,
    page_viewed,
)
from tests.integration.dbt.warehouse import Warehouse, status_of, statuses


def test_bad_data_turns_tests_red(warehouse: Warehouse) -> None:
    quiet = [page_viewed(f"P{day}", "A", f"2026-01-{day:02}", "1") for day in range(1, 9)]
    crowd = [page_viewed(f"Q{n}", "A", "2026-01-09", "1") for n in range(9)]
    paid = order_paid("O1", "2026-01-09", "5.000000000")
    foreign = evolve(
        paid, payload=paid.payload | {"amount": {"currency_code": "EUR", "amount": "5.000000000"}}
    )
    warehouse.load(
        card_released("A"), *quiet, *crowd,
        order_placed("O1", "C1", "2026-01-10", [line(1, "A", -1, "2.0000"), line(2, "unheard-of", 1,
        "1.0000")]),
        order_placed("O1", "C1", "2026-01-10", [line(1, "A", -1, "2.0000")], event_id="again"),
        order_placed("O2", "C1", "2026-01-10", [line(1, "unheard-of", 1, "1.0000")]),
        foreign, order_shipped("O-nobody", "2026-01-10"),
        batch_started("B1", "A", "2026-01-10", 5), batch_finished("B1", "2026-01-10 01:00", 4, "1.000000000"),
        batch_inspected("B1", "2026-01-11", print=5),
    )  # fmt: skip
    warehouse.succeed("run")
    warehouse.change(
        "CREATE TABLE MART.by_hand (rate STRUCT(value DOUBLE));"
        "DELETE FROM RAW.EVENTS WHERE event_id = 'view-P1';"
        "UPDATE MART.agg_revenue_daily SET revenue = revenue + 1"
    )
    code, nodes, said = warehouse.dbt("test", "--select", "test_type:data")
    assert code == 1, said
    found = statuses(nodes)
    expected = {
        "not_negative_fct_order_lines": "fail",
        "relationships_fct_order_lines_sku": "fail",
        "within_zero_and_one_fct_batch_performance": "fail",
        "no_floating_point": "fail",
        "loads_balance": "fail",
        "sums_agree": "fail",
        "events_about_nothing": "warn",
        "things_begun_twice": "warn",
        "currencies_agree": "warn",
        "raw_volume_anomaly": "warn",
    }
    assert {name: status_of(found, name) for name in expected} == expected


def test_freshness_is_measured_in_utc(warehouse: Warehouse) -> None:
    warehouse.load(card_released("A"), inserted_at=datetime.now(UTC) - timedelta(hours=2))
    hours = {"RAW_EVENTS_FRESHNESS_WARN_HOURS": "1", "RAW_EVENTS_FRESHNESS_ERROR_HOURS": "3"}
    code, _, said = warehouse.dbt("source", "freshness", TZ="America/New_York", **hours)
    assert code == 0, said
    assert "WARN freshness of raw.events" in said
    hours = {"RAW_EVENTS_FRESHNESS_WARN_HOURS": "1", "RAW_EVENTS_FRESHNESS_ERROR_HOURS": "1"}
    code, _, said = warehouse.dbt("source", "freshness", TZ="Asia/Tokyo", **hours)
    assert code == 1, said
    assert "ERROR STALE freshness of raw.events" in said


def test_a_generation_is_built_beside_the_live_tables(warehouse: Warehouse) -> None:
    warehouse.load(card_released("A"), order_placed("O1", "C1", "2026-01-10", [line(1, "A", 1, "2.0000")]))
    warehouse.succeed("run")
    warehouse.load(order_placed("O2", "C1", "2026-01-11", [line(1, "A", 1, "2.0000")]))
    warehouse.succeed("run", EVENTREPLAY_SCHEMA_SUFFIX="_G2")
    assert warehouse.rows("SELECT order_id FROM MART.fct_orders") == [("O1",)]
    assert warehouse.rows("SELECT order_id FROM MART_G2.fct_orders ORDER BY 1") == [("O1",), ("O2",)]
