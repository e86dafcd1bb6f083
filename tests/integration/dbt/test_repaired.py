"""RAW <-> models by what their YAML declares; and what dbt makes of rows of RAW that were repaired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eventreplay.capabilities.holding import NamedKey
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.verify.marts import MartsVerification, read_holds, verify_marts
from tests.integration.dbt.payloads import (
    RawEvent,
    batch_finished,
    batch_inspected,
    batch_started,
    card_corrected,
    card_released,
    card_retired,
    item_changed,
    line,
    order_cancelled,
    order_paid,
    order_placed,
    order_refunded,
    order_shipped,
    page_viewed,
)
from tests.integration.dbt.warehouse import Warehouse

STAGED = ("stg_events__deliveries", "stg_events__distinct", "stg_orders__order_placed")
REPAIRED = datetime(2026, 8, 1, tzinfo=UTC)


def bought(order: str, customer: str, at: str, **said: str) -> RawEvent:
    return order_placed(order, customer, at, [line(1, "A", 1, "2.0000")], **said)


def all_kinds() -> list[RawEvent]:
    """Each type of event, repeats and conflicts among them."""
    return [
        card_released("A"), card_corrected("A", "2026-01-02"), card_corrected("B", "2026-01-02"),
        card_retired("A", "2026-05-01"),
        *(bought(f"O{at}", f"C{at % 3}", f"2026-03-0{1 + at % 4} 10:00") for at in range(8)),
        bought("O1", "C1", "2026-03-09 10:00", event_id="again"),  # the last one of O1 counts for its day
        bought("O0", "C0", "2026-03-01 10:00").at("live-0", 0),  # a repeat
        bought("O77", "C77", "2026-03-02 10:00", event_id="placed-O2").at("live-0", 1),  # a conflict
        item_changed("O1", "2026-03-10", line(1, "A", 5, "2.0000")),
        order_paid("O1", "2026-03-10", "1.000000000"),
        order_shipped("O2", "2026-03-10"), order_cancelled("O3", "2026-03-10"),
        order_refunded("O1", "R1", "2026-03-11", "1.0000"), order_paid("nobody", "2026-03-10", "1.000000000"),
        batch_started("B1", "A", "2026-03-01 08:00", 10),
        batch_finished("B1", "2026-03-01 09:00", 9, "1.000000000"),
        batch_inspected("B1", "2026-03-02", corner=1), page_viewed("P1", "A", "2026-03-01", "1"),
    ]  # fmt: skip


def compared(warehouse: Warehouse, only: Sequence[str] = ()) -> MartsVerification:
    holds = [each for each in read_holds(warehouse.work) if not only or each.model in only]
    with DuckDBSink(warehouse.path, clock=lambda: REPAIRED) as sink:
        return verify_marts(sink, holds)


def differences(found: MartsVerification) -> dict[str, dict[str, list[Any]]]:
    """Keys by model and kind, of what differs."""
    made: dict[str, dict[str, list[Any]]] = {}
    for model in found.models:
        for kind in ("missing", "doubled", "altered", "unknown"):
            named: Sequence[NamedKey] = getattr(model.held, kind)
            assert len(named) == getattr(model.held, f"{kind}_count")
            if named:
                made.setdefault(model.holds.model, {})[kind] = [
                    one.key[0] if len(one.key) == 1 else one.key for one in named
                ]
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Every model, over every kind of event."""
    warehouse = Warehouse.create(tmp_path_factory.mktemp("holds"))
    warehouse.load(*all_kinds())
    warehouse.succeed("run")
    return warehouse


def test_each_model_holds_what_it_declares(built: Warehouse) -> None:
    found = compared(built)
    assert (differences(found), found.ok) == ({}, True)
    assert found.seen is not None
    assert found.seen.behind == 0
    counted = {model.holds.model: sum(day.rows for day in model.held.days) for model in found.models}
    assert len(counted) == 19
    assert min(counted.values()) > 0, "nothing is compared with nothing"
    assert counted["stg_events__deliveries"] == len(all_kinds())
    assert (counted["stg_orders__order_placed"], counted["fct_orders"]) == (9, 8)
    day = next(model for model in found.models if model.holds.model == "fct_orders").held.days[-1]
    assert (str(day.day), day.rows) == ("2026-03-09", 1)
    text = found.to_json()
    assert (text["ok"], text["models"][0]["relation"]) == (True, "STAGING.stg_events__deliveries")


def test_what_was_loaded_since_is_behind_and_what_is_wrong_is_named(built: Warehouse, tmp_path: Path) -> None:
    copy = Warehouse(tmp_path / "copy.duckdb", built.work)
    copy.path.write_bytes(built.path.read_bytes())
    copy.offsets, copy.loads = dict(built.offsets), built.loads
    copy.load(bought("O99", "C9", "2026-03-20 10:00"))
    found = compared(copy)
    assert (found.ok, found.seen and found.seen.behind) == (True, 1)
    copy.change("""
        DELETE FROM STAGING.stg_events__deliveries WHERE log_partition = 'live-0' AND log_offset = 1;
        DELETE FROM STAGING.stg_orders__order_placed WHERE event_id IN ('placed-O3', 'placed-O4');
        INSERT INTO MART.fct_orders SELECT * FROM MART.fct_orders WHERE order_id = 'O5';
        UPDATE MART.fct_orders SET order_date = order_date + INTERVAL 1 DAY WHERE order_id = 'O6';
        UPDATE MART.dim_customer SET customer_id = 'C-evil' WHERE customer_id = 'C1';
    """)
    assert differences(compared(copy)) == {
        "stg_events__deliveries": {"missing": [("live-0", "1")]},
        "stg_orders__order_placed": {"missing": ["placed-O3", "placed-O4"]},
        "fct_orders": {"doubled": ["O5"], "altered": ["O6"]},
        "dim_customer": {"missing": ["C1"], "unknown": ["C-evil"]},
    }


def replaced(warehouse: Warehouse, *events: RawEvent) -> None:
    """What a repair does: what is at these places goes, what ought to be there comes, at its moment."""
    for event in events:
        place = f"log_partition = '{event.partition}' AND log_offset = {event.offset}"
        warehouse.change(f"DELETE FROM RAW.EVENTS WHERE {place}")
    warehouse.load(*events, inserted_at=REPAIRED)


def test_dbt_takes_repaired_rows_whatever_it_had_made_of_the_wrong_ones(built: Warehouse) -> None:
    warehouse = Warehouse.create(built.path.parent)
    events = [bought(f"O{at}", f"C{at}", "2026-03-01 10:00").at("journal", at) for at in range(7)]
    first = bought("O6", "C6", "2026-03-01 10:00").at("live-0", 0)  # a repeat of the last of them
    warehouse.load(*events, first)
    warehouse.change("DELETE FROM RAW.EVENTS WHERE log_partition = 'journal' AND log_offset = 0")
    warehouse.change("INSERT INTO RAW.EVENTS SELECT * FROM RAW.EVENTS WHERE log_offset = 1")
    warehouse.succeed("run", "--select", *STAGED)
    # Doubled, altered in what is not the key, and altered in the id, after dbt had seen the right ones.
    warehouse.change("""
        INSERT INTO RAW.EVENTS SELECT * FROM RAW.EVENTS WHERE log_partition = 'journal' AND log_offset = 2;
        UPDATE RAW.EVENTS SET payload = replace(payload::VARCHAR, 'C3', 'C-evil') WHERE log_offset = 3;
        UPDATE RAW.EVENTS SET event_id = 'placed-O5' WHERE log_partition = 'journal' AND log_offset = 6;
    """)
    warehouse.succeed("run", "--select", *STAGED)
    replaced(warehouse, *events[:4], events[6])
    warehouse.succeed("run", "--select", *STAGED)
    assert differences(compared(warehouse, STAGED)) == {}
    known = "log_partition, log_offset, event_id, disposition, inserted_at = TIMESTAMP '2026-08-01'"
    assert warehouse.rows(f"SELECT {known} FROM STAGING.stg_events__deliveries ORDER BY ALL") == [
        *(("journal", at, f"placed-O{at}", "distinct", at not in {4, 5}) for at in range(7)),
        ("live-0", 0, "placed-O6", "duplicate", False),
    ]
    placed = "SELECT event_id, order_id, customer_id FROM STAGING.stg_orders__order_placed ORDER BY ALL"
    assert warehouse.rows(placed) == [(f"placed-O{at}", f"O{at}", f"C{at}") for at in range(7)]
    # What comes next is seen as well: the numbers of loads go on.
    later = bought("O8", "C8", "2026-03-02 10:00").at("journal", 8)
    warehouse.load(later, inserted_at=REPAIRED.replace(day=2))
    warehouse.succeed("run", "--select", *STAGED)
    assert differences(compared(warehouse, STAGED)) == {}
    assert len(warehouse.rows(placed)) == 8
