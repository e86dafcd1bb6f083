"""Two tables of DuckDB are compared as a model in Python compares them, which knows nothing of SQL."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.capabilities.comparison import Place, Question, SupportsTableComparison, TableDifference
from eventreplay.sinks import duckdb_comparison
from eventreplay.sinks.duckdb import DuckDBSink

COLUMNS = {
    "k": "BIGINT",
    "region": "VARCHAR",
    "amount": "DECIMAL(38, 18)",
    "ratio": "DOUBLE",
    "at": "TIMESTAMP",
    "note": "VARCHAR",
    "parts": "INTEGER[]",
    "day": "DATE",
}
Rows = list[tuple[Any, ...]]
NAMES = tuple(COLUMNS)
VALUES = NAMES[2:]
LAST_DIGIT = (
    Decimal("12345678901234567890.123456789012345678"),
    Decimal("12345678901234567890.123456789012345679"),
)
MOMENTS = tuple(
    datetime.fromisoformat(text) for text in ("2026-01-01T00:00:00", "2026-01-01T00:00:00.000001")
)

rows = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.sampled_from(["a", "b", "ä", None]),
    st.sampled_from([None, *LAST_DIGIT, Decimal(0), Decimal("-99999999999999999999.999999999999999999")]),
    st.sampled_from([None, 0.1, 0.1 + 2**-56, math.nan, math.inf]),
    st.sampled_from([None, *MOMENTS]),
    st.sampled_from([None, "", "x", "X", "it's"]),
    st.sampled_from([None, [], [1], [1, None]]),
    st.sampled_from([None, date(2026, 1, 1), date(2026, 1, 2)]),
)
tables = st.lists(rows, max_size=7)


def frozen_value(value: Any) -> Any:
    """Equal where SQL's IS NOT DISTINCT FROM is true: a NaN equals itself."""
    if isinstance(value, float) and math.isnan(value):
        return "a NaN"
    return tuple(map(frozen_value, value)) if isinstance(value, (list, tuple)) else value


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(tmp_path_factory.mktemp("compared") / "w.duckdb"))


def compare(
    connection: duckdb.DuckDBPyConnection, before: Rows, after: Rows, key: tuple[str, ...]
) -> TableDifference:
    definition = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    for schema, content in (("L", before), ("S", after)):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"CREATE OR REPLACE TABLE {schema}.t ({definition})")
        if content:
            marks = ", ".join("?" for _ in NAMES)
            connection.executemany(f"INSERT INTO {schema}.t VALUES ({marks})", content)
    question = Question(before=Place("L", "t"), after=Place("S", "t"), key=key, by="region", samples_max=3)
    return duckdb_comparison.compare(connection, question)


def modelled(before: Rows, after: Rows, key_length: int) -> dict[str, Any]:
    """What differs, row by row."""
    left, right = [frozen_value(row) for row in before], [frozen_value(row) for row in after]
    by_key = [Counter(row[:key_length] for row in side) for side in (left, right)]
    none = {key for counts in by_key for key, count in counts.items() if count > 1 or not key_length}
    columns: Counter[str] = Counter()
    changed, added, removed = 0, 0, 0
    for key in {row[:key_length] for row in (*left, *right)} - none:
        there = [row for row in left if row[:key_length] == key]
        here = [row for row in right if row[:key_length] == key]
        added += not there
        removed += not here
        if there and here and there != here:
            changed += 1
            columns.update(
                name for name, old, new in zip(NAMES, there[0], here[0], strict=True) if old != new
            )
    lost = Counter(row for row in left if row[:key_length] in none)
    found = Counter(row for row in right if row[:key_length] in none)
    return {
        "rows": (
            len(left),
            len(right),
            added + (found - lost).total(),
            removed + (lost - found).total(),
            changed,
        ),
        "columns": dict(columns),
        "none": len(none) if key_length else None,
    }


@settings(max_examples=70, deadline=None)
@given(tables, tables, st.sampled_from([(), ("k",), ("k", "region")]))
def test_tables_differ_as_the_model_says(
    connection: duckdb.DuckDBPyConnection, before: Rows, after: Rows, key: tuple[str, ...]
) -> None:
    found, due = compare(connection, before, after, key), modelled(before, after, len(key))
    counts = found.counts
    if found.metrics is None:  # by their hashes they are equal
        assert Counter(map(frozen_value, before)) == Counter(map(frozen_value, after))
        assert found.equal
        return
    assert (counts.before, counts.after, counts.added, counts.removed, counts.changed) == due["rows"]
    assert counts.before + counts.added - counts.removed == counts.after
    assert found.columns == due["columns"]
    if key:
        assert (0 if found.duplicates is None else found.duplicates.keys) == due["none"]
    for kind, count in (("added", counts.added), ("removed", counts.removed), ("changed", counts.changed)):
        some = [sample for sample in found.samples if sample.kind == kind]
        assert sum(sample.copies for sample in some) <= count
        assert bool(some) == bool(count)
    for sample in found.samples:
        if sample.kind == "changed":
            assert sample.before is not None
            assert sample.after is not None
            assert sample.before.keys() == sample.after.keys() <= due["columns"].keys()
            assert sample.before


@settings(max_examples=35, deadline=None)
@given(tables, tables)
def test_sums_by_day_are_exact(connection: duckdb.DuckDBPyConnection, before: Rows, after: Rows) -> None:
    found = compare(connection, before, after, ())
    if found.metrics is None:
        return
    assert found.metrics.names == ("rows", "k", "amount")
    assert (found.metrics.day, found.metrics.by) == ("day", "region")
    due: dict[tuple[str | None, str | None], Any] = {}
    for side, content in enumerate((before, after)):
        for row in content:
            cell = due.setdefault((row[7] and row[7].isoformat(), row[1]), [[0, [], []], [0, [], []]])[side]
            cell[0] += 1
            cell[1].append(row[0])
            cell[2].append(row[2])
    assert {(one.day, one.by) for one in found.metrics.days} == due.keys()
    for one in found.metrics.days:
        for (count, *values), figures in zip(due[one.day, one.by], (one.before, one.after), strict=True):
            assert figures[0] == count
            for known, figure in zip(values, figures[1:], strict=True):
                exact = [Fraction(value) for value in known if value is not None]
                assert (None if figure is None else Fraction(figure)) == (sum(exact) if exact else None)


def test_the_sink_offers_it(tmp_path: Path) -> None:
    with DuckDBSink(tmp_path / "w.duckdb", clock=lambda: datetime.now(UTC)) as sink:
        assert isinstance(sink, SupportsTableComparison)
        assert sink.tables("raw") == ["CHECKPOINTS", "EVENTS", "QUARANTINE"]
        assert sink.tables("NOWHERE") == []
        found = sink.compare(Question(before=Place("RAW", "EVENTS"), after=Place("raw", "events"), key=()))
        assert found.equal
