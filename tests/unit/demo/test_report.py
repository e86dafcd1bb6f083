"""The report: exact, escaped, self-contained, the same for the same facts."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, Decimal, localcontext
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.demo.report import page, write_report
from eventreplay.pages.wording import (
    aligned,
    amount,
    enum_name,
    percent,
    quotient,
    safe,
    short_names,
    size,
)

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
SELECT replace(player, 'Player Number', 'SKU') AS sku, player AS players, 'Chrome' AS set_name,
    '' AS parallel, * EXCLUDE (player)
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


class _Page(HTMLParser):
    """What a browser would find in the page: elements, their attributes, and the text outside of code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_same_facts_give_the_same_page(warehouse: duckdb.DuckDBPyConnection, html: str) -> None:
    assert page(FACTS, warehouse) == html


def test_hostile_names_stay_text(html: str) -> None:
    found = _Page(html)
    assert [tag for tag, _ in found.elements].count("script") == 1  # the page's own
    assert "<script>alert" not in html
    assert "{{ 7*7 }}" in html  # shown as it is, not evaluated
    assert "\u202e" not in html
    assert '<script>alert(1)</script> "Zoë" O\'Neil 🃏 </svg>' in found.text
    handlers = [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert handlers == []


def test_the_page_asks_the_network_for_nothing(html: str) -> None:
    found = _Page(html)
    places = [
        value or ""
        for _, attributes in found.elements
        for name, value in attributes.items()
        if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}
    ]
    assert all(place.startswith(("#", "data:")) for place in places)
    assert not re.search(r"url\(|@import", html)
    policies = [a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert "default-src 'none'" in (policies[0] or "")


def test_only_the_script_of_the_page_may_run(html: str) -> None:
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in html or f"script-src 'sha256-{digest}'" in html


def test_amounts_are_the_exact_sums_of_the_tables(warehouse: duckdb.DuckDBPyConnection, html: str) -> None:
    text = _Page(html).text
    sums = warehouse.sql(
        "SELECT currency_code, sum(revenue), sum(tax_amount) FROM MART.agg_revenue_daily GROUP BY ALL"
    ).fetchall()
    assert len(sums) == 5
    for _, revenue, tax in sums:
        assert f"{revenue:,.2f}" in text  # two digits are all that any of them has
        assert f"{tax:,.4f}" in text


def test_a_bar_carries_its_exact_text(warehouse: duckdb.DuckDBPyConnection, html: str) -> None:
    (found,) = warehouse.sql(
        "SELECT revenue FROM MART.agg_revenue_daily"
        " WHERE order_date = DATE '2026-01-05' AND currency_code = 'USD'"
    ).fetchall()
    tips = [attributes["data-tip"] for _, attributes in _Page(html).elements if "data-tip" in attributes]
    assert f"5 Jan 2026: {amount(found[0], 'USD')} USD" in tips


def test_every_drawing_says_what_it_shows(html: str) -> None:
    drawings = [attributes for tag, attributes in _Page(html).elements if tag == "svg"]
    assert len(drawings) == 2 * (5 + 2 + 2 + 3 + 1)  # wide and narrow
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)


def test_a_day_without_orders_counts_as_zero_in_the_mean(tmp_path: Path) -> None:
    with make_warehouse(tmp_path / "w.duckdb", days=2, orders=9) as connection:
        connection.execute("DELETE FROM MART.agg_revenue_daily")
        for day in (1, 2, 3, 5, 6, 7, 8):
            connection.execute(
                "INSERT INTO MART.agg_revenue_daily (order_date, currency_code, orders, revenue)"
                " VALUES (make_date(2026, 1, ?), 'EUR', 1, 7)",
                [day],
            )
        tips = page(FACTS, connection)
    assert "4 Jan 2026: 0.00 EUR" in tips
    assert "8 Jan 2026: 7.00 EUR; 7-day mean 6.00 EUR" in tips
    assert "6 Jan 2026: 7.00 EUR" in tips
    assert "6 Jan 2026: 7.00 EUR; 7-day mean" not in tips  # six days are no week


def test_a_warehouse_without_rows_gives_a_page(tmp_path: Path) -> None:
    with make_warehouse(tmp_path / "w.duckdb", days=1, orders=9) as connection:
        for (table,) in connection.sql(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'MART'"
        ).fetchall():
            connection.execute(f"DELETE FROM MART.{table}")
        empty = {"received": 0, "stored": 0, "duplicates": 0, "quarantined": 0, "quarantined_by_reason": {}}
        path = tmp_path / "report.html"
        write_report(path, {**FACTS, **empty}, connection)
    text = _Page(path.read_text("utf-8")).text
    assert "There are no orders." in text
    assert "There are no batches." in text


def test_a_step_that_does_not_balance_is_named(warehouse: duckdb.DuckDBPyConnection, html: str) -> None:
    assert "does not hold" not in html
    facts = copy.deepcopy(dict(FACTS))
    facts["partitions"][0]["events"] += 1
    facts |= {"balanced": False, "ledger": {"equal": False, "differences": [f"fct_orders {HOSTILE}"]}}
    text = _Page(page(facts, warehouse)).text
    assert text.count("✗ does not hold") == 2  # capture and replay; staging and the whole still do
    assert "✗ The books do not balance" in text
    assert "✗ Figures differ" in text


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("1234567.5000", "USD", "1,234,567.50"),
        ("0.0001", "USD", "0.0001"),
        ("-12.3456", "EUR", "-12.3456"),
        ("1000.0000", "JPY", "1,000"),
        ("1000.5000", "JPY", "1,000.5"),
        (
            "12345678901234567890123456789012345678",
            "USD",
            "12,345,678,901,234,567,890,123,456,789,012,345,678.00",
        ),
        ("0.000000000000000000000000000000000001", "USD", "0.000000000000000000000000000000000001"),
    ],
)
def test_an_amount_is_never_rounded(value: str, currency: str, text: str) -> None:
    assert amount(Decimal(value), currency) == text


def test_amounts_of_a_column_line_up_and_stay_exact() -> None:
    values = [Decimal("1.5000"), Decimal("-1234.5678"), None, Decimal("0.0000")]
    assert aligned(values) == ["1.5000", "-1,234.5678", "–", "0.0000"]
    assert aligned([Decimal("2.0000"), Decimal("3.1000")]) == ["2.00", "3.10"]


def test_quotients_are_rounded_away_from_zero_whatever_the_ambient_context() -> None:
    with localcontext(prec=3, rounding=ROUND_DOWN):
        assert quotient(Decimal("123456.125"), 1, 2) == Decimal("123456.13")
        assert quotient(Decimal("-0.125"), 1, 2) == Decimal("-0.13")
        assert percent(1, 3) == "33.33 %"
    assert quotient(1, 0, 2) is None


def test_names_of_enums_are_read_and_unknown_ones_kept() -> None:
    assert enum_name("SALES_CHANNEL_WEB", "SALES_CHANNEL_") == "Web"
    assert enum_name("SALES_CHANNEL_UNSPECIFIED", "SALES_CHANNEL_") == "Not stated"
    assert enum_name("7", "SALES_CHANNEL_") == "7"
    assert enum_name(None, "SALES_CHANNEL_") == "Not stated"


def test_short_names_fit_and_differ() -> None:
    names = ["a" * 30 + "1", "a" * 30 + "2", "🃏" * 30, "short"]
    short = short_names(names, 10)
    assert len(set(short.values())) == len(names)
    assert all(len(name) <= 10 for name in short.values())
    assert short["short"] == "short"


def test_text_that_no_escaping_makes_harmless_is_replaced() -> None:
    assert safe("a\x00b\x1b[31m\u202ec\u2066\ud800") == "a\ufffdb\ufffd[31m\ufffdc\ufffd\ufffd"
    assert safe("Zoë 🃏 山田") == "Zoë 🃏 山田"


def test_sizes_are_in_units_of_a_thousand() -> None:
    assert [size(999), size(1_000), size(25_123_456), size(5 * 10**12)] == [
        "999 B",
        "1.0 kB",
        "25.1 MB",
        "5.0 TB",
    ]
