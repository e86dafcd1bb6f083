"""The ledger against a second, independent reading of the same history."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventreplay.demo.generator import GeneratedSource
from eventreplay.demo.ledger import write_ledger

SEED, EVENTS = 11, 12_000


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("ledger")
    return write_ledger(SEED, EVENTS, folder), folder


@pytest.fixture(scope="module")
def reading(history_reader: Callable[[GeneratedSource], tuple[Any, pa.Table]]) -> Any:
    return history_reader(GeneratedSource(SEED, EVENTS))[0]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(pq.read_table(folder / f"{name}.parquet").to_pylist())


def line_amounts(order: Any) -> dict[int, dict[str, Any]]:
    sold = order.cancelled is None
    found = {}
    for number, line in order.lines().items():
        price = line.unit_price.units + Decimal(line.unit_price.nanos) / 10**9
        discount = Decimal(line.discount.value) if line.HasField("discount") else Decimal(0)
        tax = Decimal(int.from_bytes(line.tax, "big", signed=True)).scaleb(-9)
        gross = line.quantity * price
        found[number] = {
            "sku": line.sku,
            "quantity": line.quantity,
            "units_sold": line.quantity if sold else 0,
            "unit_price": price,
            "gross_amount": gross,
            "discount_amount": discount if sold else 0,
            "revenue": gross - discount if sold else 0,
            "tax_amount": tax if sold else 0,
        }
    return found


def status(order: Any) -> str:
    if order.cancelled is not None:
        return "cancelled"
    if order.refunded > 0:
        return "refunded"
    if order.shipped is not None:
        return "shipped"
    return "placed" if order.paid is None else "paid"


def test_counts_balance_and_are_those_of_the_bytes(facts: Any, reading: Any) -> None:
    ledger, folder = facts
    assert json.loads((folder / "ledger.json").read_text("utf-8")) == ledger
    stages = ledger["quarantined_by_stage"]
    assert ledger["received"] == EVENTS == ledger["stored"] + ledger["duplicates"] + ledger["quarantined"]
    assert ledger["stored"] == reading.stored
    assert ledger["duplicates"] == reading.duplicates > 0
    assert stages == {
        "capture": reading.capture, "decode": reading.decode, "conflicting_payload": reading.conflicting,
    }  # fmt: skip
    assert min(stages.values()) > 0
    assert ledger["stored_by_type"] == dict(reading.types)
    assert sum(ledger["received_by_type"].values()) == EVENTS


def test_orders_are_those_of_the_bytes(facts: Any, reading: Any) -> None:
    found = {row["order_id"]: row for row in rows(facts[1], "fct_orders")}
    assert found.keys() == reading.orders.keys()
    assert reading.orphans == 0
    for order_id, order in reading.orders.items():
        row, lines = found[order_id], line_amounts(order).values()
        placed = order.placed
        assert row["customer_id"] == order.customer
        assert row["order_date"] == order.at.date()
        assert row["placed_at"].replace(tzinfo=UTC) == order.at
        assert row["currency_code"] == placed.currency_code
        assert row["status"] == status(order)
        assert row["line_count"] == sum(line["quantity"] > 0 for line in lines)
        for name in ("quantity", "units_sold", "gross_amount", "discount_amount", "revenue", "tax_amount"):
            assert row[name] == sum(line[name] for line in lines), (order_id, name)
        assert row["refunded_amount"] == order.refunded
        assert row["net_revenue"] == row["revenue"] - order.refunded
        paid = (None, 0) if order.paid is None else order.paid
        assert (row["paid_at"] and row["paid_at"].replace(tzinfo=UTC), row["paid_amount"]) == paid
        assert (row["shipped_at"] and row["shipped_at"].replace(tzinfo=UTC)) == order.shipped
        assert (row["cancelled_at"] and row["cancelled_at"].replace(tzinfo=UTC)) == order.cancelled
        assert row["shipping_fee"] == optional_money(placed, "shipping_fee")
        insured = placed.insured_value.value if order.second and placed.HasField("insured_value") else None
        assert row["insured_value"] == (None if insured is None else Decimal(insured))


def optional_money(message: Any, name: str) -> Decimal | None:
    if name not in message.DESCRIPTOR.fields_by_name or not message.HasField(name):
        return None
    amount = getattr(message, name)
    return Decimal(amount.units) + Decimal(amount.nanos) / 10**9


def test_lines_are_those_of_the_bytes(facts: Any, reading: Any) -> None:
    found = {(row["order_id"], row["line_number"]): row for row in rows(facts[1], "fct_order_lines")}
    expected = {
        (order_id, number): line
        for order_id, order in reading.orders.items()
        for number, line in line_amounts(order).items()
    }
    assert found.keys() == expected.keys()
    for key, line in expected.items():
        assert {name: found[key][name] for name in line} == line, key
    assert any(line["quantity"] == 0 for line in expected.values())
    assert any(
        len(order.changes) and max(order.changes) > len(order.placed.lines)
        for order in reading.orders.values()
    )


def test_days_and_demand_are_sums_of_the_lines(facts: Any, reading: Any) -> None:
    days: dict[tuple[date, str], dict[str, Any]] = defaultdict(lambda: defaultdict(Decimal))
    buyers: dict[tuple[date, str], set[str]] = defaultdict(set)
    demand: dict[tuple[date, str, str], list[Any]] = defaultdict(lambda: [set(), 0, Decimal(0)])
    for order_id, order in reading.orders.items():
        key = (order.at.date(), order.placed.currency_code)
        days[key]["orders"] += 1
        days[key]["cancelled_orders"] += order.cancelled is not None
        days[key]["refunded_amount"] += order.refunded
        days[key]["net_revenue"] -= order.refunded
        buyers[key].add(order.customer)
        for line in line_amounts(order).values():
            days[key]["net_revenue"] += line["revenue"]
            for name in ("units_sold", "gross_amount", "discount_amount", "revenue", "tax_amount"):
                days[key][name] += line[name]
            cell = demand[key[0], line["sku"], key[1]]
            cell[0] |= {order_id} if line["units_sold"] > 0 else set()
            cell[1] += line["units_sold"]
            cell[2] += line["revenue"]
    found = {
        (row.pop("order_date"), row.pop("currency_code")): row for row in rows(facts[1], "agg_revenue_daily")
    }
    assert found == {key: dict(values) | {"customers": len(buyers[key])} for key, values in days.items()}
    sku_days = {
        (row["order_date"], row["sku"], row["currency_code"]): [
            row["orders"],
            row["units_sold"],
            row["revenue"],
        ]
        for row in rows(facts[1], "agg_demand_sku_daily")
    }
    assert sku_days == {key: [len(ids), units, revenue] for key, (ids, units, revenue) in demand.items()}


def test_players_and_teams_get_the_whole_of_their_cards(facts: Any, reading: Any) -> None:
    players: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [set(), 0, Decimal(0)])
    teams: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [set(), 0, Decimal(0)])
    for order_id, order in reading.orders.items():
        for line in line_amounts(order).values():
            card = reading.cards[line["sku"]][1]
            for group, labels in ((players, set(card.players)), (teams, {card.team})):
                for label in labels:
                    cell = group[label, order.placed.currency_code]
                    cell[0] |= {order_id} if line["units_sold"] > 0 else set()
                    cell[1] += line["units_sold"]
                    cell[2] += line["revenue"]
    for name, group in (("player", players), ("team", teams)):
        found = {
            (row[name], row["currency_code"]): [row["orders"], row["units_sold"], row["revenue"]]
            for row in rows(facts[1], f"agg_demand_by_{name}")
        }
        assert found == {key: [len(ids), units, revenue] for key, (ids, units, revenue) in group.items()}
    assert any(len(card.players) > 1 for _, card in reading.cards.values())


def test_customers_are_as_their_last_orders_say(facts: Any, reading: Any) -> None:
    orders: dict[str, list[Any]] = defaultdict(list)
    for order in sorted(reading.orders.values(), key=lambda order: order.order):
        orders[order.customer].append(order)
    found = {row["customer_id"]: row for row in rows(facts[1], "dim_customer")}
    assert found.keys() == orders.keys()
    bought = {row["customer_id"]: row for row in rows(facts[1], "agg_customer_purchases")}
    for customer, history in orders.items():
        mails = [
            order.placed.customer_email for order in history if order.second and order.placed.customer_email
        ]
        row = found[customer]
        assert row["customer_name"] == history[-1].name
        assert row["customer_email"] == (mails[-1] if mails else None)
        assert row["orders"] == len(history)
        assert row["first_order_at"].replace(tzinfo=UTC) == history[0].at
        assert row["last_order_at"].replace(tzinfo=UTC) == history[-1].at
        kept = [order for order in history if order.cancelled is None]
        revenue = sum(
            (line["revenue"] for order in kept for line in line_amounts(order).values()), Decimal(0)
        )
        average = (revenue / len(kept)).quantize(Decimal("0.0001"), ROUND_HALF_UP) if kept else None
        assert bought[customer]["orders"] == len(kept)
        assert bought[customer]["cancelled_orders"] == len(history) - len(kept)
        assert bought[customer]["revenue"] == revenue
        assert bought[customer]["average_order_value"] == average
        assert bought[customer]["first_order_date"] == history[0].at.date()
        assert bought[customer]["last_order_date"] == history[-1].at.date()
    assert len({row["customer_email"] for row in found.values()}) > 2


def test_batches_are_those_of_the_bytes(facts: Any, reading: Any) -> None:
    found = {row["batch_id"]: row for row in rows(facts[1], "fct_batch_performance")}
    assert found.keys() == reading.batches.keys()
    kinds: dict[tuple[date, str], int] = defaultdict(int)
    for batch_id, events in reading.batches.items():
        row, (started, started_at) = found[batch_id], events["BatchStarted"]
        inspection = events.get("BatchInspected")
        listed = [] if inspection is None else list(inspection[0].defects)
        defects = sum(defect.count for defect in listed)
        kinds[started_at.date(), started.line] += defects
        assert (row["sku"], row["line"], row["machine"], row["planned"]) == (
            started.sku, started.line, started.machine, started.planned,
        )  # fmt: skip
        assert row["production_date"] == started_at.date()
        assert row["defects"] == defects
        if "BatchFinished" not in events:
            assert (row["status"], row["produced"], row["cost"]) == ("running", None, None)
            continue
        finished, finished_at = events["BatchFinished"]
        assert row["status"] == ("finished" if inspection is None else "inspected")
        assert row["produced"] == finished.produced
        assert row["cost"] == Decimal(finished.cost.value)
        assert row["good"] == finished.produced - defects
        seconds = (finished_at - started_at).total_seconds()
        assert seconds == int(seconds) > 0
        nine = Decimal("0.000000001")
        assert row["throughput_per_hour"] == (Decimal(finished.produced) * 3600 / int(seconds)).quantize(
            nine, ROUND_HALF_UP
        )
        assert row["efficiency"] == (Decimal(row["good"]) / started.planned).quantize(nine, ROUND_HALF_UP)
    daily: dict[tuple[date, str], int] = defaultdict(int)
    for row in rows(facts[1], "agg_manufacturing_daily"):
        daily[row["production_date"], row["line"]] += row["defects"]
    assert daily == kinds
    assert sum(row["batches"] for row in rows(facts[1], "agg_manufacturing_daily")) == len(found)
    assert sum(row["defects"] for row in rows(facts[1], "agg_defects_by_kind")) == sum(kinds.values()) > 0


def test_cards_are_as_last_told(facts: Any, reading: Any) -> None:
    found = {row["sku"]: row for row in rows(facts[1], "dim_card")}
    assert found.keys() == reading.cards.keys()
    for sku, (told, card) in reading.cards.items():
        row = found[sku]
        for name in (
            "base_sku",
            "team",
            "sport",
            "release",
            "set_name",
            "card_number",
            "release_year",
            "parallel",
        ):
            assert row[name] == getattr(card, name), (sku, name)
        assert row["print_run"] == (card.print_run if card.HasField("print_run") else None)
        assert row["list_price"] == optional_money(card, "list_price")
        assert row["is_retired"] == (sku in reading.retired and reading.retired[sku] > told)
    ledger = facts[0]["totals"]
    assert ledger["cards"] == len(found)
    assert ledger["cards_retired"] == sum(row["is_retired"] for row in found.values()) > 0


def test_totals_hold_all_digits(facts: Any, reading: Any) -> None:
    insured = [order.placed.insured_value.value for order in reading.orders.values() if order.second]
    total = sum(
        int(value.partition(".")[0] + value.partition(".")[2].ljust(18, "0")) for value in insured if value
    )
    assert facts[0]["totals"]["insured_value"] == f"{total // 10**18}.{total % 10**18:018d}"
    assert any(len(value) == 39 for value in insured)
