"""The project's own tests must be able to fail: each is shown something that it is there for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from eventreplay.errors import TransformError
from eventreplay.transform import Node, Transformation
from tests.integration.dbt.payloads import (
    RawEvent,
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
from tests.integration.dbt.warehouse import Warehouse

LOUD = {"VOLUME_ANOMALY_SEVERITY": "error"}


def both_ways() -> list[RawEvent]:
    """Two views a day, by the journal and live, but for one that live missed; then a day with one view."""
    views = [
        page_viewed(f"P{day}{one}", "A", f"2026-01-{day:02}", "1") for day in range(1, 9) for one in "ab"
    ]
    live = [evolve(view, partition="live-0") for view in views if view.event_id != "view-P5b"]
    return [*views, *live, page_viewed("P9a", "A", "2026-01-09", "1")]


def bad_data() -> list[RawEvent]:
    """One thing for each test to find."""
    paid = order_paid("O1", "2026-01-10", "5.000000000")
    foreign = paid.payload | {"amount": {"currency_code": "EUR", "amount": "5.000000000"}}
    lines = [line(1, "A", -1, "2.0000"), line(2, "unheard-of", 1, "1.0000"), line(3, "A", 1, "-0.5000")]
    return [
        card_released("A"), *both_ways(),
        order_placed("O1", "C1", "2026-01-10", lines),
        order_placed("O1", "C1", "2026-01-10", lines, event_id="again"),
        order_placed("O2", "C1", "2026-01-10", [line(1, "unheard-of", 1, "1.0000")]),
        evolve(paid, payload=foreign), order_shipped("O-nobody", "2026-01-10"),
        batch_started("B-7", "A", "2026-01-11", 5),
        batch_finished("B-7", "2026-01-11 01:00", 5, "1.000000000"),
        batch_inspected("B-7", "2026-01-11 02:00", print=6),
    ]  # fmt: skip


def red(found: Transformation) -> dict[str, Node]:
    """Nodes that are not well, by name and table."""
    return {
        f"{node.name} {'' if node.relation is None else node.relation.rpartition('.')[2]}".strip(): node
        for node in found.nodes
        if node.status != "pass"
    }


def test_bad_data_turns_tests_red_and_they_name_tables_and_rows(warehouse: Warehouse) -> None:
    warehouse.load(*bad_data())
    warehouse.succeed("run")
    warehouse.change(
        "CREATE TABLE MART.by_hand (rate STRUCT(value DOUBLE));"
        "DELETE FROM RAW.EVENTS WHERE event_id = 'view-P1a' AND log_partition = 'live-0';"
        "UPDATE MART.agg_revenue_daily SET revenue = revenue + 1"
    )
    with pytest.raises(TransformError) as caught:
        warehouse.transform("test", select=["tag:quality"], **LOUD)
    found = caught.value.fields["transformation"]
    assert isinstance(found, Transformation)
    said = {name: str(node) for name, node in red(found).items()}
    assert said["within_zero_and_one fct_batch_performance"] == (
        "within_zero_and_one failed on MART.fct_batch_performance.defect_rate: 1 row: "
        "batch_id=B-7, defect_rate=1.200000000"
    )
    assert said["not_negative fct_order_lines"].startswith(
        "not_negative failed on MART.fct_order_lines: 2 rows: order_id=O1, line_number="
    )
    rows = red(found)["not_negative fct_order_lines"].rows
    assert {(row["line_number"], row["quantity"], row["unit_price"]) for row in rows} == {
        ("1", "-1", "2.0000"), ("3", "1", "-0.5000"),
    }  # fmt: skip
    assert said["raw_volume_anomaly EVENTS"] == (
        "raw_volume_anomaly failed on RAW.EVENTS: 1 row: event_date=2026-01-09, event_count=1, "
        "earlier_sum=27, earlier_days=7, percent_allowed=50"
    )
    assert said["history_and_live_agree EVENTS"] == (
        "history_and_live_agree failed on RAW.EVENTS: 1 row: event_date=2026-01-05, live_events=1, "
        "journal_events=2, only_live=0, only_journal=1, for_instance=view-P5b"
    )
    warned = {node.name for node in found.nodes if node.status == "warn"}
    assert warned == {"events_about_nothing", "things_begun_twice", "currencies_agree"}
    failed = {node.name for node in found.failed}
    assert failed == {
        "within_zero_and_one", "not_negative", "raw_volume_anomaly", "history_and_live_agree",
        "no_floating_point", "loads_balance", "sums_agree", "relationships",
    }  # fmt: skip
    assert "; and " in str(caught.value)


def test_a_stale_source_says_table_age_and_threshold_in_utc(warehouse: Warehouse) -> None:
    warehouse.load(card_released("A"), inserted_at=datetime.now(UTC) - timedelta(hours=2))
    hours = {"RAW_EVENTS_FRESHNESS_WARN_HOURS": "1", "RAW_EVENTS_FRESHNESS_ERROR_HOURS": "1"}
    with pytest.raises(
        TransformError, match=r"RAW\.EVENTS is stale: .* 2\.0 hours ago .*, more than 1 hour\."
    ):
        warehouse.transform("source freshness", TZ="Asia/Tokyo", **hours)
