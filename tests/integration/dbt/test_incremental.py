"""Loads that come late, twice or in the wrong order: built step by step, MART is what a full build gives."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from tests.integration.dbt.payloads import (
    RawEvent,
    batch_finished,
    batch_inspected,
    batch_started,
    card_released,
    card_retired,
    item_changed,
    line,
    order_cancelled,
    order_placed,
    order_refunded,
    page_viewed,
)
from tests.integration.dbt.warehouse import Warehouse

FIRST = datetime(2026, 7, 2, tzinfo=UTC)


def bought(order: str, customer: str, at: str, quantity: int = 1, **said: str) -> RawEvent:
    return order_placed(order, customer, at, [line(1, "A", quantity, "2.0000")], **said)


def first_load() -> list[RawEvent]:
    return [
        card_released("A"), card_released("B"),
        bought("O1", "C1", "2026-03-01 10:00"), bought("O2", "C1", "2026-03-02 10:00"),
        bought("O3", "C2", "2026-03-03 10:00"), bought("O5", "C5", "2026-03-05 10:00"),
        bought("O7", "C7", "2026-03-07 10:00"),
        # The only word of O4 and C4, in a partition that sorts last: an earlier delivery will displace it.
        bought("O4", "C4", "2026-03-04 10:00", event_id="contested").at("live-1", 0),
        batch_started("B1", "A", "2026-03-01 08:00", 10),
        batch_finished("B1", "2026-03-01 09:00", 10, "1.000000000"),
        page_viewed("P1", "A", "2026-03-01", "1"),
    ]  # fmt: skip


def second_load() -> list[RawEvent]:
    moved = evolve(bought("O5", "C5", "2026-03-05 10:00"), occurred_at=datetime(2026, 3, 6, tzinfo=UTC))
    return [
        evolve(bought("O0", "C2", "2026-01-05 10:00", 7), partition="live-0"),
        evolve(item_changed("O1", "2026-02-01", line(1, "A", 5, "2.0000")), partition="live-0"),
        evolve(order_cancelled("O3", "2026-03-04"), partition="live-0"),
        # The same id with other bytes, earlier in log order: now this one counts, and O4 was never placed.
        bought("O2b", "C1", "2026-03-02 11:00", 3, event_id="contested").at("journal", 100),
        # The same bytes, earlier in log order, another day on the envelope: the order moves to that day.
        moved.at("a-journal", 0),
        evolve(page_viewed("P1", "A", "2026-03-01", "1"), partition="live-0"),
        evolve(batch_inspected("B1", "2026-03-02", corner=1), partition="live-0"),
        evolve(card_retired("B", "2026-03-01"), partition="live-0"),
    ]


def third_load() -> list[RawEvent]:
    return [
        # Redriven: its offset lies between those known long ago.
        bought("O6", "C1", "2026-03-02 09:00", 2).at("journal", 50),
        evolve(order_refunded("O1", "R1", "2026-03-20", "0.5000"), partition="live-0"),
    ]


def mark(warehouse: Warehouse) -> None:
    """Leave a mark in each order and day; what is written anew loses it."""
    warehouse.change(
        "UPDATE MART.fct_orders SET channel = 'mark'; UPDATE MART.agg_revenue_daily SET customers = -1"
    )


def still_marked(warehouse: Warehouse) -> tuple[set[str], set[str]]:
    """Orders and days not written since `mark`, made good again."""
    orders = warehouse.rows("SELECT order_id FROM MART.fct_orders WHERE channel = 'mark'")
    days = warehouse.rows(
        "SELECT strftime(order_date, '%m-%d') FROM MART.agg_revenue_daily WHERE customers = -1"
    )
    warehouse.change(
        "UPDATE MART.fct_orders SET channel = 'SALES_CHANNEL_WEB' WHERE channel = 'mark';"
        "UPDATE MART.agg_revenue_daily SET customers = 1 WHERE customers = -1"
    )
    return {order for (order,) in orders}, {day for (day,) in days}


def looked_at(warehouse: Warehouse) -> str | None:
    """From which moment on the last run compared RAW with what is known; None: all of it."""
    (sql,) = warehouse.compiled("models/staging/events/stg_events__deliveries.sql").values()
    found = set(re.findall(r"inserted_at >= cast\('(.*?)' as timestamp\)", sql))
    return found.pop() if found else None


@pytest.mark.long
def test_steps_in_any_order_build_what_one_build_does(warehouse: Warehouse) -> None:
    warehouse.load(*first_load(), inserted_at=FIRST)
    warehouse.succeed("run")
    assert ("O4",) in warehouse.rows("SELECT order_id FROM MART.fct_orders")

    # The sink's clock stepped back: this commit looks older than the first.
    warehouse.load(*second_load(), inserted_at=FIRST - timedelta(days=30))
    mark(warehouse)
    warehouse.succeed("run")
    assert looked_at(warehouse) is None
    assert still_marked(warehouse) == ({"O2", "O7"}, {"03-07"})
    orders = {order for (order,) in warehouse.rows("SELECT order_id FROM MART.fct_orders")}
    assert orders == {"O0", "O1", "O2", "O2b", "O3", "O5", "O7"}
    days = warehouse.rows(
        "SELECT strftime(order_date, '%m-%d'), units_sold FROM MART.agg_revenue_daily ORDER BY 1"
    )
    assert days == [("01-05", 7), ("03-01", 5), ("03-02", 4), ("03-03", 0), ("03-06", 1), ("03-07", 1)]
    assert warehouse.rows("SELECT 1 FROM MART.dim_customer WHERE customer_id = 'C4'") == []

    # A row joins a commit that is known already: same partition, same moment.
    warehouse.load(*third_load(), inserted_at=FIRST)
    mark(warehouse)
    warehouse.succeed("run")
    assert still_marked(warehouse) == (
        {"O0", "O2", "O2b", "O3", "O5", "O7"},
        {"01-05", "03-03", "03-06", "03-07"},
    )
    revenue = warehouse.row("SELECT revenue, net_revenue, status FROM MART.fct_orders WHERE order_id = 'O1'")
    assert revenue == (Decimal(10), Decimal("9.5"), "refunded")
    stepwise = warehouse.marts()

    # Nothing new: nothing is written anew.
    mark(warehouse)
    warehouse.succeed("build", "--exclude", "test_type:unit")
    orders_marked, days_marked = still_marked(warehouse)
    assert (len(orders_marked), len(days_marked)) == (8, 6)
    assert warehouse.marts() == stepwise

    warehouse.succeed("run", "--full-refresh")
    assert warehouse.marts() == stepwise


@pytest.mark.long
def test_a_model_that_missed_a_run_catches_up(warehouse: Warehouse) -> None:
    """As after a run of which some models failed: not everything that a mart reads is of the same load."""
    warehouse.load(*first_load())
    warehouse.succeed("run")
    warehouse.load(evolve(order_refunded("O1", "R1", "2026-03-20", "0.5000"), partition="live-0"))
    # Shipments are as new as the load, refunds are not: what is built from both is only as new as refunds.
    warehouse.succeed(
        "run", "--select", "stg_events__deliveries stg_orders__order_shipped int_orders__state+"
    )
    warehouse.load(evolve(order_cancelled("O3", "2026-03-20"), partition="live-0"))
    warehouse.succeed("run")
    # A load takes its turn: what was there a day before it is left alone, in RAW too.
    assert looked_at(warehouse) == "2026-06-30 00:02:00"
    found = warehouse.rows("SELECT order_id, status FROM MART.fct_orders ORDER BY 1")
    changed = {"O1": "refunded", "O3": "cancelled"}
    assert found == [(order, changed.get(order, "placed")) for order in ("O1", "O2", "O3", "O4", "O5", "O7")]
    days = warehouse.rows("SELECT order_date, net_revenue FROM MART.agg_revenue_daily ORDER BY 1 LIMIT 3")
    assert [net for _, net in days] == [Decimal("1.5"), Decimal(2), Decimal(0)]
