"""Two tables compared inside Snowflake: the same findings as DuckDB has of the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest

from eventreplay.capabilities.comparison import (
    AtLeast,
    Below,
    ColumnType,
    In,
    Place,
    Question,
    SupportsTableComparison,
    TableDifference,
)
from eventreplay.errors import ConfigError
from eventreplay.sinks import duckdb_comparison
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from tests.integration.snowflake.server import StandIn

COLUMNS = (
    "order_id VARCHAR, part VARCHAR, place DECIMAL(19, 0), amount DECIMAL(38, 18), at_moment TIMESTAMP,"
    " order_date DATE, paid BOOLEAN, currency_code VARCHAR"
)
BEFORE = """
('a', 'p', 1, 12345678901234567890.123456789012345678, '2026-03-01 10:00:00.000001', '2026-03-01', TRUE,
 'EUR'),
('b', 'p', 2, 1.5, '2026-03-01 10:00:00', '2026-03-01', NULL, 'EUR'),
('c', 'q', 3, 99999999999999999999.000000000000000001, '2026-03-02 10:00:00', '2026-03-02', FALSE, 'JPY'),
('d', 'q', 4, 99999999999999999999.0, NULL, '2026-03-02', FALSE, 'JPY'),
(NULL, 'q', 5, NULL, NULL, NULL, NULL, NULL),
('twice', 'q', 6, 1, NULL, '2026-03-03', NULL, 'EUR'),
('twice', 'q', 7, 2, NULL, '2026-03-03', NULL, 'EUR')
"""
AFTER = """
('a', 'p', 1, 12345678901234567890.123456789012345679, '2026-03-01 10:00:00.000001', '2026-03-01', TRUE,
 'EUR'),
('b', 'p', 2, 1.5, '2026-03-01 10:00:00.000001', '2026-03-01', FALSE, 'EUR'),
('d', 'q', 4, 99999999999999999999.0, NULL, '2026-03-02', FALSE, 'JPY'),
(NULL, 'q', 5, NULL, NULL, NULL, NULL, 'it''s'),
('e', 'q', 8, -0.000000000000000001, NULL, '2026-03-02', FALSE, 'JPY'),
('twice', 'q', 6, 1, NULL, '2026-03-03', NULL, 'EUR'),
('twice', 'q', 9, 2, NULL, '2026-03-03', NULL, 'EUR')
"""


def statements(prefix: str = "") -> Iterator[str]:
    for schema, rows in (("MART", BEFORE), ("MART_G1", AFTER)):
        yield f"CREATE SCHEMA {prefix}{schema}"
        yield f"CREATE TABLE {prefix}{schema}.fct ({COLUMNS})"
        yield f"INSERT INTO {prefix}{schema}.fct VALUES {rows}"


def question(**changes: object) -> Question:
    known = {"before": Place("MART", "fct"), "after": Place("MART_G1", "fct"), "key": ("order_id",)}
    return Question(**{**known, **changes})  # type: ignore[arg-type]


QUESTIONS = (
    question(),
    question(key=()),
    question(key=("order_id",), group="part", ignored=("at_moment",), metrics=("amount",), by="part"),
    question(where=(Below("part", "place", {"p": 2, "q": 5}),), day="at_moment"),
    question(where=(In("part", ("q", "it's")), AtLeast(("at_moment",), datetime(2026, 3, 2, tzinfo=UTC)))),
    question(key=("part", "place"), samples_max=1),
)


def as_facts(found: TableDifference) -> dict[str, object]:
    """What both warehouses must say alike; names of tables are told in each one's own case."""
    facts = found.to_json()
    del facts["before"], facts["after"]
    return facts


def test_both_warehouses_find_the_same(standin: StandIn, settings: SnowflakeSettings) -> None:
    standin.run(*statements(f'"{settings.database}".'))
    with duckdb.connect() as connection, SnowflakeSink(settings, clock=TickingClock()) as sink:
        assert isinstance(sink, SupportsTableComparison)
        assert sink.tables("mart_g1") == ["FCT"]
        assert sink.tables("NOWHERE") == []
        for statement in statements():
            connection.execute(statement)
        for asked in QUESTIONS:
            found = sink.compare(asked)
            assert as_facts(found) == as_facts(duckdb_comparison.compare(connection, asked))
            assert not found.equal
        assert sink.compare(question(after=Place("MART", "fct"))).equal
        with pytest.raises(ConfigError, match="neither"):
            sink.compare(question(before=Place("MART", "nothing"), after=Place("NOWHERE", "fct")))


def test_what_it_finds_is_what_differs(standin: StandIn, settings: SnowflakeSettings) -> None:
    standin.run(*statements(f'"{settings.database}".'))
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        found = sink.compare(question())
    counts = found.counts
    assert (counts.before, counts.after, counts.added, counts.removed, counts.changed) == (7, 7, 2, 2, 3)
    assert found.columns == {"amount": 1, "at_moment": 1, "currency_code": 1, "paid": 1}
    assert found.duplicates is not None
    assert found.duplicates.samples == (({"order_id": "twice"}, 2, 2),)
    changed = {sample.key["order_id"]: sample for sample in found.samples if sample.kind == "changed"}
    assert changed["a"].before == {"amount": "12345678901234567890.123456789012345678"}
    assert changed["a"].after == {"amount": "12345678901234567890.123456789012345679"}
    assert changed[None].after == {"currency_code": "it's"}
    assert found.metrics is not None
    (yen,) = [one for one in found.metrics.days if one.by == "JPY"]
    # Two of these do not fit into 38 digits: they are added up in parts.
    amount = found.metrics.names.index("amount")
    assert yen.before[amount] == Decimal("199999999999999999998.000000000000000001")
    assert yen.after[amount] == Decimal("99999999999999999998.999999999999999999")


def test_other_types_nested_values_and_hostile_names(standin: StandIn, settings: SnowflakeSettings) -> None:
    database = f'"{settings.database}"'
    hostile = '"a; DROP TABLE x, ""b"" --"'
    standin.run(
        f"CREATE SCHEMA {database}.MART",
        f"CREATE SCHEMA {database}.MART_G1",
        f"CREATE TABLE {database}.MART.t (id NUMBER(5,0), {hostile} VARCHAR, amount NUMBER(10,2),"
        " body VARIANT,"
        " gone NUMBER(1,0), digest BINARY)",
        f"CREATE TABLE {database}.MART_G1.t (id NUMBER(10,0), {hostile} VARCHAR, amount NUMBER(38,18),"
        " body VARIANT, fresh VARCHAR, digest BINARY)",
        f"INSERT INTO {database}.MART.t SELECT column1, column2, column3, PARSE_JSON(column4), 1,"
        " TO_BINARY(column5, 'HEX') FROM VALUES (1, 'x', 1.50, '{\"a\":1}', '00'),"
        " (2, 'x', 1.50, '{\"a\":1}', '00')",
        f"INSERT INTO {database}.MART_G1.t SELECT column1, column2, column3, PARSE_JSON(column4), 'new',"
        " TO_BINARY(column5, 'HEX') FROM VALUES (1, 'x', 1.500000000000000000, '{\"a\":1}', '00'),"
        " (2, 'y', 1.500000000000000001, '{\"a\":2}', 'FF')",
    )
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        found = sink.compare(Question(before=Place("MART", "T"), after=Place("MART_G1", "T"), key=("id",)))
    assert found.counts.changed == 1
    assert dict(found.columns) == dict.fromkeys(
        (hostile[1:-1].replace('""', '"'), "amount", "body", "digest"), 1
    )
    assert (found.columns_added, found.columns_removed) == (("fresh",), ("gone",))
    assert ColumnType(name="amount", before="NUMBER(10,2)", after="NUMBER(38,18)") in found.types
    (sample,) = [sample for sample in found.samples if sample.kind == "changed"]
    assert sample.before is not None
    assert sample.after is not None
    assert (sample.before["body"], sample.after["body"]) == ('{"a":1}', '{"a":2}')
    assert (sample.before["digest"], sample.after["digest"]) == ("00", "ff")
    assert sample.after["amount"] == "1.500000000000000001"
