"""What the marts say of a small history whose every figure was worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.integration.dbt.payloads import (
    PLACED_V2,
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
from tests.integration.dbt.warehouse import PROJECT, Warehouse, status_of

INSURED = "12345678901234567890.123456789012345678"


def naive(*parts: int) -> datetime:
    """A moment as the warehouse stores it: UTC, and not saying so."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type,misc]


def catalog() -> list[RawEvent]:
    return [
        card_released("A", players=["Ada Aces"], team="Owls", attributes=["RC", "AU"]),
        card_released(
            "A-G", base_sku="A", parallel="Gold", print_run=50, players=["Ada Aces"], list_price=None
        ),
        card_released("D", players=["Ada Aces", "Bo Base", "Bo Base"], team="Owls / Crows"),
        card_released("X", "2026-01-02", players=[], team=""),
        card_corrected("X", "2026-02-01", players=["Cy Young"], team="Crows", release_year=1999),
        card_retired("X", "2026-01-15"),
        card_retired("D", "2026-05-01"),
    ]


def orders() -> list[RawEvent]:
    first = order_placed(
        "O1", "C1", "2026-03-01 23:59", insured=INSURED,
        lines=[line(1, "A", 2, "12.5000", discount="0.5000", tax="2.040000001"), line(2, "D", 1, "3.0000")],
    )  # fmt: skip
    return [
        first,
        order_placed(
            "O2", "C1", "2026-03-01 08:00", [line(1, "A", 3, "1.1111", tax="0.5")], name="Old", v1=True
        ),
        order_placed("O3", "C2", "2026-03-02 08:00", [line(1, "A", 1, "7.0000"), line(2, "D", 1, "5.0000")]),
        order_placed(
            "O4", "C2", "2026-03-02 09:00", [line(1, "X", 4, "100.0000", "JPY")], currency="JPY", email=""
        ),
        item_changed("O1", "2026-03-03", line(2, "D", 0, "3.0000", discount="0.0000")),
        item_changed("O1", "2026-03-02", line(2, "D", 9, "3.0000")),
        item_changed("O3", "2026-03-05", line(3, "A-G", 1, "0.0001")),
        order_paid("O1", "2026-03-02", "26.540000001"),
        order_paid("O3", "2026-03-03", "12.000100000"),
        order_shipped("O3", "2026-03-04"),
        order_refunded("O1", "R1", "2026-03-09", "1.2500"),
        order_refunded("O1", "R2", "2026-03-10", "0.0001"),
        order_cancelled("O2", "2026-03-02"),
        # Delivered again with the same bytes, and once with others: counts once, as first sent.
        first,
        evolve(first, payload=order_placed("O9", "C9", "2026-03-01", [line(1, "A", 9, "9.0000")]).payload),
    ]


def factory() -> list[RawEvent]:
    return [
        batch_started("B1", "A", "2026-03-01 08:00", 1_000),
        batch_finished("B1", "2026-03-01 10:20", 999, "12.000000001"),
        batch_inspected("B1", "2026-03-03", corner=1, print=2),
        batch_inspected("B1", "2026-03-02", centering=900),
        batch_started("B2", "D", "2026-03-01 23:00", 10),
        batch_finished("B2", "2026-03-02 00:00", 9, "0.500000000"),
        batch_started("B3", "A", "2026-03-01 12:00", 70),
        batch_started("B4", "A", "2026-03-02 12:00", 70, "L2"),
        batch_finished("B4", "2026-03-02 12:00", 0, "3.000000000"),
    ]


@frozen
class Built:
    warehouse: Warehouse
    status: Mapping[str, str]
    files_added: frozenset[str]
    manifest: Mapping[str, Any]
    catalog: Mapping[str, Any]
    analyses: Mapping[str, str]


@pytest.fixture(scope="module")
def built(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    warehouse = Warehouse.create(place)
    view = page_viewed("P1", "A", "2026-03-01", "12.5")
    endless = evolve(
        page_viewed("P2", "A", "2026-03-01", "1"), payload={"page_id": "P2", "seconds_on_page": 0.1234567}
    )
    warehouse.load(*catalog(), *orders(), *factory(), view, endless)
    before = {str(path) for path in PROJECT.rglob("*")}
    # A zone far from UTC: no day may move.
    status = warehouse.succeed("build", TZ="Pacific/Auckland")
    # Compiles everything, the analyses too, and asks the warehouse for what is there.
    warehouse.succeed("docs", "generate")
    manifest, catalog_found = (
        json.loads((warehouse.work / f"{name}.json").read_text("utf-8")) for name in ("manifest", "catalog")
    )
    analyses = warehouse.compiled("analyses/*/*.sql")
    added = {str(path) for path in PROJECT.rglob("*")} - before
    aside = warehouse.put_aside(tmp_path_factory.mktemp("values"))
    return Built(aside, status, frozenset(added), manifest, catalog_found, analyses)


def test_all_tests_pass_and_the_conflict_is_reported(built: Built) -> None:
    loud = {name for name, status in built.status.items() if status not in {"success", "pass", "no-op"}}
    assert loud == {"conflicting_payloads"}
    assert built.status["conflicting_payloads"] == "warn"


def test_nothing_is_written_into_the_project(built: Built) -> None:
    assert not built.files_added


def test_deliveries_balance(built: Built) -> None:
    counts = built.warehouse.rows(
        "SELECT disposition, count(*) FROM STAGING.stg_events__deliveries GROUP BY 1 ORDER BY 1"
    )
    assert counts == [("conflicting", 1), ("distinct", 31), ("duplicate", 1)]
    conflict = built.warehouse.row(
        "SELECT event_id, reason, log_offset, counted_log_offset,"
        " payload ->> 'order_id' FROM STAGING.stg_events__conflicts"
    )
    assert conflict == ("placed-O1", "conflicting_payload", 21, 7, "O9")


def test_orders(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT order_id, customer_id, order_date, currency_code, channel, status, line_count, quantity,"
        " units_sold, gross_amount, discount_amount, revenue, tax_amount, refunded_amount, net_revenue,"
        " shipping_fee, insured_value, paid_amount FROM MART.fct_orders ORDER BY order_id"
    )
    d, web, none = Decimal, "SALES_CHANNEL_WEB", "SALES_CHANNEL_UNSPECIFIED"
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    assert found == [
        ("O1", "C1", first, "USD", web, "refunded", 1, 2, 2, d(25), d("0.5"), d("24.5"), d("2.040000001"),
         d("1.2501"), d("23.2499"), d("4.99"), d(INSURED), d("26.540000001")),
        ("O2", "C1", first, "USD", none, "cancelled", 1, 3, 0, d("3.3333"), d(0), d(0), d(0), d(0), d(0),
         None, None, d(0)),
        ("O3", "C2", second, "USD", web, "shipped", 3, 3, 3, d("12.0001"), d(0), d("12.0001"), d(0), d(0),
         d("12.0001"), d("4.99"), None, d("12.0001")),
        ("O4", "C2", second, "JPY", web, "placed", 1, 4, 4, d(400), d(0), d(400), d(0), d(0), d(400),
         d("4.99"), None, d(0)),
    ]  # fmt: skip
    moments = built.warehouse.row(
        "SELECT placed_at, paid_at, shipped_at, cancelled_at FROM MART.fct_orders WHERE order_id = 'O1'"
    )
    assert moments == (naive(2026, 3, 1, 23, 59), naive(2026, 3, 2), None, None)


def test_a_line_taken_off_stays_with_nothing(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT line_number, sku, quantity, units_sold, unit_price, revenue FROM MART.fct_order_lines"
        " WHERE order_id IN ('O1', 'O2') ORDER BY order_id, line_number"
    )
    d = Decimal
    assert found == [
        (1, "A", 2, 2, d("12.5"), d("24.5")), (2, "D", 0, 0, d(3), d(0)), (1, "A", 3, 0, d("1.1111"), d(0)),
    ]  # fmt: skip


def test_revenue_by_day_and_currency(built: Built) -> None:
    found = built.warehouse.rows("SELECT * FROM MART.agg_revenue_daily ORDER BY order_date, currency_code")
    d = Decimal
    assert found == [
        (date(2026, 3, 1), "USD", 2, 1, 1, 2, d("28.3333"), d("0.5"), d("24.5"), d("2.040000001"),
         d("1.2501"), d("23.2499")),
        (date(2026, 3, 2), "JPY", 1, 0, 1, 4, d(400), d(0), d(400), d(0), d(0), d(400)),
        (date(2026, 3, 2), "USD", 1, 0, 1, 3, d("12.0001"), d(0), d("12.0001"), d(0), d(0), d("12.0001")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "player",
            [
                ("Ada Aces", "USD", 2, 5, "36.5001"),
                ("Bo Base", "USD", 1, 1, "5"),
                ("Cy Young", "JPY", 1, 4, "400"),
            ],
        ),
        (
            "team",
            [
                ("Crows", "JPY", 1, 4, "400"),
                ("Owls", "USD", 2, 4, "31.5001"),
                ("Owls / Crows", "USD", 1, 1, "5"),
            ],
        ),
    ],
)
def test_demand_credits_every_player_once(
    built: Built, table: str, expected: list[tuple[str, str, int, int, str]]
) -> None:
    found = built.warehouse.rows(
        f"SELECT {table}, currency_code, orders, units_sold, revenue"
        f" FROM MART.agg_demand_by_{table} ORDER BY ALL"
    )
    assert found == [(*row[:-1], Decimal(row[-1])) for row in expected]


def test_demand_by_sku(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT sku, currency_code, players, orders, units_sold, revenue, first_sold_on, last_sold_on"
        " FROM MART.agg_demand_by_sku ORDER BY sku"
    )
    first, second, d = date(2026, 3, 1), date(2026, 3, 2), Decimal
    assert found == [
        ("A", "USD", "Ada Aces", 2, 3, d("31.5"), first, second),
        ("A-G", "USD", "Ada Aces", 1, 1, d("0.0001"), second, second),
        ("D", "USD", "Ada Aces / Bo Base / Bo Base", 1, 1, d(5), second, second),
        ("X", "JPY", "Cy Young", 1, 4, d(400), second, second),
    ]
    days = built.warehouse.rows("SELECT * FROM MART.agg_demand_sku_daily WHERE sku = 'D' ORDER BY order_date")
    assert days == [(first, "D", "USD", 0, 0, d(0)), (second, "D", "USD", 1, 1, d(5))]


def test_customers(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT * FROM MART.agg_customer_purchases ORDER BY customer_id, currency_code"
    )
    first, second, d = date(2026, 3, 1), date(2026, 3, 2), Decimal
    assert found == [
        ("C1", "USD", 1, 1, 2, d("24.5"), d("1.2501"), d("23.2499"), first, first, d("24.5")),
        ("C2", "JPY", 1, 0, 4, d(400), d(0), d(400), second, second, d(400)),
        ("C2", "USD", 1, 0, 3, d("12.0001"), d(0), d("12.0001"), second, second, d("12.0001")),
    ]
    named = built.warehouse.rows(
        "SELECT customer_id, customer_name, customer_email, orders FROM MART.dim_customer ORDER BY 1"
    )
    # C2's last order has no address; the one before has.
    assert named == [
        ("C1", 'Zoë "Z" O\'Neil 🃏', "z@example.com", 2),
        ("C2", 'Zoë "Z" O\'Neil 🃏', "z@example.com", 2),
    ]
    assert built.warehouse.rows("SELECT * FROM MART.agg_customer_daily ORDER BY 1") == [
        (first, 1, 1, 0, 2),
        (second, 1, 1, 0, 2),
    ]


def test_cards(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT sku, base_sku, is_base, parallel_count, players, player_count, team, release_year,"
        " parallel, print_run,"
        " attributes, list_price, status, is_retired, released_at, updated_at,"
        " retired_at FROM MART.dim_card ORDER BY sku"
    )
    start, price = naive(2026, 1, 1), Decimal("3.5")
    assert found[0] == (
        "A", "A", True, 1, "Ada Aces", 1, "Owls", 2026, "", None, "RC, AU", price, "released", False, start,
        start, None,
    )  # fmt: skip
    assert found[1][:4] == ("A-G", "A", False, 1)
    assert found[1][8:12] == ("Gold", 50, "", None)
    assert (found[2][0], *found[2][12:14]) == ("D", "retired", True)
    assert found[2][16] == naive(2026, 5, 1)
    # Corrected after it was retired: it is back, and all of it is as the correction says.
    assert (found[3][0], *found[3][4:8], *found[3][12:14]) == (
        "X",
        "Cy Young",
        1,
        "Crows",
        1999,
        "released",
        False,
    )
    players = built.warehouse.rows(
        "SELECT * FROM MART.bridge_card_players WHERE sku IN ('D', 'X') ORDER BY 1, 2"
    )
    assert players == [("D", 1, "Ada Aces"), ("D", 2, "Bo Base"), ("X", 1, "Cy Young")]


def test_batches(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT batch_id, status, production_date, planned, produced, defects, good, defect_rate, efficiency,"
        " throughput_per_hour, production_seconds, cost,"
        " currency_code FROM MART.fct_batch_performance ORDER BY batch_id"
    )
    day, d = date(2026, 3, 1), Decimal
    assert found == [
        # 3/999 = 0.003003003003..., 996/1000, 999 x 3600 / 8400 = 428.142857142857...
        ("B1", "inspected", day, 1000, 999, 3, 996, d("0.003003003"), d("0.996"), d("428.142857143"), d(8400),
         d("12.000000001"), "USD"),
        ("B2", "finished", day, 10, 9, 0, 9, d(0), d("0.9"), d(9), d(3600), d("0.5"), "USD"),
        ("B3", "running", day, 70, None, 0, None, None, None, None, None, None, ""),
        ("B4", "finished", date(2026, 3, 2), 70, 0, 0, 0, None, d(0), None, d(0), d(3), "USD"),
    ]  # fmt: skip


def test_manufacturing_by_day_and_line(built: Built) -> None:
    found = built.warehouse.rows("SELECT * FROM MART.agg_manufacturing_daily ORDER BY 1, 2, 3")
    day, d = date(2026, 3, 1), Decimal
    assert found == [
        (day, "L1", "", 1, 0, 70, 0, 0, 0, None, d(0), d(0), None, d(0)),
        # 3/1008, 1005/1010, 1008 x 3600 / 12000
        (day, "L1", "USD", 2, 2, 1010, 1008, 3, 1005, d("0.002976190"), d("0.995049505"), d(12_000),
         d("302.4"),
         d("12.500000001")),
        (date(2026, 3, 2), "L2", "USD", 1, 1, 70, 0, 0, 0, None, d(0), d(0), None, d(3)),
    ]  # fmt: skip
    kinds = built.warehouse.rows("SELECT * FROM MART.agg_defects_by_kind ORDER BY 3")
    assert kinds == [(day, "L1", "DEFECT_KIND_CORNER", 1), (day, "L1", "DEFECT_KIND_PRINT", 2)]


def test_json_numbers_are_exact_or_left_out(built: Built) -> None:
    found = built.warehouse.rows(
        "SELECT page_id, seconds_on_page, sku FROM STAGING.stg_web__page_viewed ORDER BY 1"
    )
    assert found == [("P1", Decimal("12.5"), "A"), ("P2", None, None)]


def test_every_mart_has_a_contract_and_a_key(built: Built) -> None:
    tables = {
        name
        for (name,) in built.warehouse.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'MART'"
        )
    }
    assert len(tables) == 15
    for table in tables:
        assert status_of(built.status, f"unique_key_{table}_") == "pass"
        assert "enforced: true" in (PROJECT / "models" / "marts" / f"{table}.yml").read_text("utf-8")


def test_the_documentation_has_every_table_with_its_lineage(built: Built) -> None:
    described = {name.rpartition(".")[2] for name in built.catalog["nodes"]}
    models = {node["name"] for node in built.manifest["nodes"].values() if node["resource_type"] == "model"}
    assert models == described
    read = {
        name.rpartition(".")[2]: {parent.rpartition(".")[2] for parent in built.manifest["parent_map"][name]}
        for name in built.manifest["exposures"]
    }
    assert {"agg_demand_by_player", "agg_demand_by_team", "agg_demand_by_sku"} <= read["product_demand"]
    assert {"agg_revenue_daily", "agg_customer_purchases"} <= read["marketing_revenue"]
    assert {"fct_batch_performance", "agg_defects_by_kind"} <= read["operations_manufacturing"]
    marts = {name for name in models if name.startswith(("dim_", "fct_", "agg_", "bridge_"))}
    assert set().union(*read.values()) >= marts


def test_the_analyses_answer(built: Built) -> None:
    files = {path.stem for path in (PROJECT / "analyses").rglob("*.sql")}
    assert built.analyses.keys() == files
    answers = {name: built.warehouse.rows(sql) for name, sql in built.analyses.items()}
    nothing = {name for name, rows in answers.items() if not rows}
    assert nothing == {
        "history_of_an_order", "shares_out_of_range", "negative_amounts", "references_to_nothing",
    }  # fmt: skip
    assert answers["quarantine_by_reason"][0][:4] == ("staging", "conflicting_payload", PLACED_V2, 1)
    assert answers["deliveries_by_disposition"] == [
        ("journal", "conflicting", 1), ("journal", "distinct", 31), ("journal", "duplicate", 1),
    ]  # fmt: skip
    assert [row[:3] for row in answers["keys_that_repeat"]] == [("placed-O1", 3, 2)]
    assert answers["worst_batches"][0][0] == "B1"
