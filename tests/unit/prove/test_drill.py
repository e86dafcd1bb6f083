"""Hashes that differ whenever two tables do, and the first row and column where they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.errors import ConfigError
from eventreplay.prove.drill import EXISTS, ORDER, Found, Side, drilled
from eventreplay.prove.outputs import Output, opened, output

PLACE = ("T", "rows")


def table(folder: Path, select: str, *, in_order: bool = False, skipped: tuple[str, ...] = ()) -> Side:
    folder.mkdir(parents=True)
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA T")
        connection.execute(f"CREATE TABLE T.rows AS {select}")
    with opened(path) as connection:
        return Side(path, PLACE, output(connection, PLACE, in_order=in_order, skipped=skipped))


def both(tmp_path: Path, one: str, other: str, **how: Any) -> tuple[Output, Output, Found | None]:
    key = how.pop("key", ())
    labels = how.pop("labels", ())
    sides = [table(tmp_path / name, select, **how) for name, select in (("a", one), ("b", other))]
    if sides[0].output == sides[1].output:
        return sides[0].output, sides[1].output, None
    (tmp_path / "scratch").mkdir()
    found = drilled(*sides, key=key, scratch=tmp_path / "scratch", named_max=3, labels=labels)
    return sides[0].output, sides[1].output, found


def test_rows_in_another_order_are_the_same_set_and_another_sequence(tmp_path: Path) -> None:
    up, down = (
        "SELECT i, 'x' AS v FROM range(9) t(i) ORDER BY i",
        "SELECT i, 'x' AS v FROM range(9) t(i) ORDER BY -i",
    )
    assert both(tmp_path / "set", up, down)[2] is None
    found = both(tmp_path / "row", up, down, in_order=True, key=("i",))[2]
    assert found is not None
    assert found.columns == (ORDER,)
    assert found.named[0].values == ("0", "8")


def test_an_order_that_is_no_longer_there_is_named_without_a_row(tmp_path: Path) -> None:
    sides = [
        table(tmp_path / name, f"SELECT i FROM range(9) t(i) ORDER BY {by}", in_order=True)
        for name, by in (("a", "i"), ("b", "-i"))
    ]
    turned = evolve(sides[0], is_turned=True)
    (tmp_path / "scratch").mkdir()
    found = drilled(turned, sides[1], key=("i",), scratch=tmp_path / "scratch", named_max=3)
    assert (found.columns, found.named[0].key) == ((ORDER,), {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT NULL::VARCHAR AS v", "SELECT '' AS v"),
        ("SELECT '' AS v", "SELECT '=' AS v"),
        ("SELECT 1.0::DECIMAL(9,1) AS v", "SELECT 1.00::DECIMAL(9,2) AS v"),
        ("SELECT 0.1::DOUBLE + 0.2::DOUBLE AS v", "SELECT 0.3::DOUBLE AS v"),
        ("SELECT 1 AS v UNION ALL SELECT 1", "SELECT 1 AS v"),
        ("SELECT unnest([1, 1, 2]) AS v", "SELECT unnest([1, 2, 2]) AS v"),
        ("SELECT 1 AS v", "SELECT 1::BIGINT AS v"),
        ("SELECT 1 AS v", "SELECT 1 AS v, 2 AS w"),
        ("SELECT '\\x00'::BLOB AS v", "SELECT '\\x01'::BLOB AS v"),
        ("SELECT 1 AS v, 2 AS w UNION ALL SELECT 3, 4", "SELECT 1 AS v, 4 AS w UNION ALL SELECT 3, 2"),
    ],
)  # fmt: skip
def test_what_differs_in_anything_has_another_hash_and_is_named(tmp_path: Path, one: str, other: str) -> None:
    first, second, found = both(tmp_path, one, other)
    assert first.sha256 != second.sha256
    assert found is not None
    assert found.columns
    assert found.named[0].column


@settings(max_examples=5, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "=", ""])), min_size=1, max_size=8),
    at=st.integers(0, 7),
)
def test_the_hash_of_a_set_is_that_of_its_rows_alone(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]], at: int
) -> None:
    folder = tmp_path_factory.mktemp("sets")

    def select(items: list[tuple[int, str]]) -> str:
        return "SELECT * FROM (VALUES " + ", ".join(f"({n}, '{t}')" for n, t in items) + ") AS t(n, t)"

    turned = rows[at:] + rows[:at]
    one = table(folder / "one", select(rows)).output
    assert table(folder / "turned", select(turned)).output == one
    changed = [*rows[:-1], (rows[-1][0] + 1, rows[-1][1])]
    assert table(folder / "changed", select(changed)).output != one


def test_the_first_row_is_named_by_its_key_in_numeric_order_with_the_place_in_json(tmp_path: Path) -> None:
    rows = 'SELECT i, \'e\' || i AS event_id, \'{"a":1,"p":[{"x":1.0}]}\' AS payload FROM range(12) t(i)'
    changed = "CASE WHEN i IN (9, 10) THEN replace(payload, '1.0', '1.00') ELSE payload END"
    other = f"SELECT i, event_id, {changed} AS payload FROM ({rows})"
    found = both(tmp_path, rows, other, key=("i",), labels=("event_id",))[2]
    assert found is not None
    assert (found.rows, found.columns) == (2, ("payload",))
    assert [named.key for named in found.named] == [
        {"i": "9", "event_id": "e9"}, {"i": "10", "event_id": "e10"},
    ]  # fmt: skip
    assert found.named[0].column == "payload.p[0].x"
    assert found.named[0].values == ("1.0", "1.00")


def test_a_row_that_is_in_one_of_both_only_is_said_to_be_and_does_not_shift_the_others(
    tmp_path: Path,
) -> None:
    rows = "SELECT i FROM range(6) t(i)"
    found = both(tmp_path, rows, f"{rows} WHERE i <> 2", key=("i",), in_order=True)[2]
    assert found is not None
    assert (found.rows, found.columns) == (1, (EXISTS,))
    assert (found.named[0].key, found.named[0].values) == ({"i": "2"}, ("there", None))


def test_a_key_that_names_several_rows_is_none(tmp_path: Path) -> None:
    rows = "SELECT i // 2 AS k, i AS line, 5 AS v FROM range(6) t(i)"
    found = both(tmp_path, rows, f"SELECT k, line, v + (line = 3)::INTEGER AS v FROM ({rows})", key=("k",))[2]
    assert found is not None
    assert (found.rows, found.columns) == (1, ("v",))
    assert found.named[0].key == {"k": "1", "line": "3"}
    assert found.named[0].values == ("5", "6")


def test_long_values_are_shortened(tmp_path: Path) -> None:
    found = both(
        tmp_path, "SELECT 1 AS k, repeat('a', 500) AS v", "SELECT 1 AS k, repeat('b', 500) AS v", key=("k",)
    )[2]
    assert found is not None
    assert [len(value or "") for value in found.named[0].values] == [120, 120]


def test_columns_that_are_not_compared_are_named_and_all_of_them_is_an_error(tmp_path: Path) -> None:
    side = table(tmp_path / "a", "SELECT 1 AS v, now() AS Inserted_At", skipped=("inserted_at",))
    assert (set(side.output.columns), side.output.skipped) == ({"v"}, ("Inserted_At",))
    with pytest.raises(ConfigError, match=r"No column of T\.rows"):
        table(tmp_path / "b", "SELECT 1 AS v", skipped=("v",))


def test_names_that_need_quotes_are_quoted(tmp_path: Path) -> None:
    found = both(
        tmp_path, 'SELECT 1 AS "a""; DROP", 2 AS "select"', 'SELECT 1 AS "a""; DROP", 3 AS "select"'
    )[2]
    assert found is not None
    assert found.named[0].key == {'a"; DROP': "1"}
