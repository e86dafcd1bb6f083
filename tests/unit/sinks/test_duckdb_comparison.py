"""Two tables of a DuckDB file compared: against independent SQL; all types; names and keys that are none."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pytest

from eventreplay.capabilities.comparison import ColumnType, Place, Question, TableDifference
from eventreplay.capabilities.comparison.comparing import texts_of
from eventreplay.errors import ConfigError
from eventreplay.sinks import duckdb_comparison

ROWS = 100_000
NINES = "9" * 20


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("CREATE SCHEMA L; CREATE SCHEMA S")
        yield made


def compare(
    connection: duckdb.DuckDBPyConnection, *key: str, table: str = "t", **more: object
) -> TableDifference:
    question = Question(before=Place("L", table), after=Place("S", table), key=key, **more)  # type: ignore[arg-type]
    return duckdb_comparison.compare(connection, question)


def only(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> int:
    rows = connection.execute(f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})").fetchall()
    return int(rows[0][0])


@pytest.mark.parametrize("key", [("k",), ()])
def test_a_hundred_thousand_rows_differ_as_except_all_says(
    connection: duckdb.DuckDBPyConnection, key: tuple[str, ...]
) -> None:
    connection.execute(f"""CREATE TABLE L.t AS SELECT i AS k, 'c' || (i % 97) AS c,
        DATE '2026-01-01' + (i % 30)::INT AS day,
        ('{NINES}.' || lpad(i::VARCHAR, 18, '0'))::DECIMAL(38, 18) AS amount,
        CASE WHEN i % 3 > 0 THEN i END AS maybe FROM range({ROWS}) AS r(i)""")
    connection.execute("""CREATE TABLE S.t AS SELECT k + (k % 1000 = 7)::INT * 1000000 AS k, c, day,
        CASE WHEN k % 100 = 3 THEN amount - 0.000000000000000001 ELSE amount END AS amount,
        CASE WHEN k % 999 = 0 THEN k ELSE maybe END AS maybe FROM L.t WHERE k % 500 <> 11""")
    found = compare(connection, *key)
    counts = found.counts
    assert counts.added + counts.changed == only(connection, "S.t", "L.t")
    assert counts.removed + counts.changed == only(connection, "L.t", "S.t")
    assert (counts.before, counts.after) == (ROWS, ROWS - ROWS // 500)
    assert found.metrics is not None
    sums = connection.execute("SELECT day, sum(amount - 99999999999999999999) FROM S.t GROUP BY 1").fetchall()
    exact = {day.isoformat(): Fraction(rest) for day, rest in sums}
    for one in found.metrics.days:
        assert one.day is not None
        rows, amount = one.after[0], one.after[found.metrics.names.index("amount")]
        assert isinstance(rows, int)
        assert isinstance(amount, Decimal)
        assert Fraction(amount) == rows * 99999999999999999999 + exact[one.day]


def test_the_last_of_38_digits_counts(connection: duckdb.DuckDBPyConnection) -> None:
    for schema, last in (("L", 8), ("S", 9)):
        connection.execute(
            f"CREATE TABLE {schema}.t AS SELECT 1 AS k, 12345678901234567890.12345678901234567{last}"
            "::DECIMAL(38, 18) AS a"
        )
    found = compare(connection, "k")
    assert found.columns == {"a": 1}
    (sample,) = found.samples
    assert sample.before == {"a": "12345678901234567890.123456789012345678"}
    assert sample.after == {"a": "12345678901234567890.123456789012345679"}


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ("1.50::DECIMAL(3, 2)", "1.500000000000000000::DECIMAL(38, 18)", False),
        ("1.50::DECIMAL(3, 2)", "1.500000000000000001::DECIMAL(38, 18)", True),
        ("repeat('9', 38)::DECIMAL(38, 0)", "1::DECIMAL(38, 18)", True),
        ("-7::TINYINT", "-7.0::DECIMAL(4, 1)", False),
        ("170141183460469231731687303715884105727::HUGEINT", "repeat('9', 38)::DECIMAL(38, 0)", True),
        ("1::INTEGER", "'1'::VARCHAR", False),
        ("0.1::FLOAT", "0.1::DOUBLE", True),
        ("0.5::FLOAT", "0.5::DOUBLE", False),
        ("TIMESTAMP '2026-01-01 10:00:00'", "TIMESTAMP_NS '2026-01-01 10:00:00'", False),
        ("TIMESTAMP '9999-01-01 10:00:00'", "TIMESTAMP_NS '2026-01-01 10:00:00'", True),
        ("'a'::BLOB", "'61'::VARCHAR", False),
        ("[1, 2]", "[1, 2]::BIGINT[]", False),
    ],
)
def test_a_changed_type_is_named_and_values_are_compared_all_the_same(
    connection: duckdb.DuckDBPyConnection, before: str, after: str, *, differs: bool
) -> None:
    connection.execute(f"CREATE TABLE L.t AS SELECT 'k' AS k, {before} AS v")
    connection.execute(f"CREATE TABLE S.t AS SELECT 'k' AS k, {after} AS v")
    found = compare(connection, "k")
    assert [kind.name for kind in found.types] == ["v"]
    assert found.counts.changed == int(differs)
    assert not found.equal


@pytest.mark.parametrize(
    "value",
    [
        "'{\"a\":1}'::JSON",
        "'nan'::DOUBLE",
        "{'a': [1, NULL], 'b': 'x'}",
        "MAP {'k': 1.5}",
        "'infinity'::TIMESTAMP",
        "TIMESTAMPTZ '2026-01-01 10:00:00+02'",
        "INTERVAL '1 day'",
        "uuid()",
    ],
)
def test_any_type_equals_itself(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    connection.execute(f"CREATE TABLE L.t AS SELECT 'k' AS k, {value} AS v UNION ALL SELECT 'null', NULL")
    connection.execute("CREATE TABLE S.t AS FROM L.t")
    assert compare(connection, "k").equal
    connection.execute("UPDATE S.t SET v = NULL")
    found = compare(connection, "k")
    assert found.columns == {"v": 1}
    assert found.samples[0].after == {"v": None}


def test_rows_of_a_doubled_key_are_never_multiplied(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE L.t AS SELECT 'twice' AS k, i AS v FROM range(3) r(i) UNION ALL SELECT 'once', 1"
    )
    connection.execute(
        "CREATE TABLE S.t AS SELECT 'twice' AS k, i + 1 AS v FROM range(4) r(i) UNION ALL SELECT 'once', 2"
    )
    found = compare(connection, "k")
    counts = found.counts
    assert (counts.before, counts.after, counts.added, counts.removed, counts.changed) == (4, 5, 2, 1, 1)
    assert found.duplicates is not None
    assert (found.duplicates.keys, found.duplicates.before, found.duplicates.after) == (1, 3, 4)
    assert found.duplicates.samples == (({"k": "twice"}, 3, 4),)


def test_a_row_that_stands_thrice_counts_thrice(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE L.t AS SELECT 'x' AS v FROM range(3)")
    connection.execute("CREATE TABLE S.t AS SELECT 'x' AS v UNION ALL SELECT 'y'")
    found = compare(connection)
    assert (found.counts.added, found.counts.removed, found.counts.changed) == (1, 2, 0)
    assert {(sample.kind, sample.copies) for sample in found.samples} == {("added", 1), ("removed", 2)}


def test_columns_of_one_side_are_named_and_shown(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE L.t AS SELECT 1 AS k, 'old' AS gone, 2 AS Both")
    connection.execute(
        "CREATE TABLE S.t AS SELECT 1 AS k, 2 AS both, 'new' AS fresh UNION ALL SELECT 2, 3, 'more'"
    )
    found = compare(connection, "k")
    assert (found.columns_added, found.columns_removed) == (("fresh",), ("gone",))
    assert found.counts.changed == 0
    assert found.samples[0].after == {"k": "2", "both": "3", "fresh": "more"}


def test_names_are_names_whatever_they_look_like(connection: duckdb.DuckDBPyConnection) -> None:
    name = """a" FROM L.t; DROP TABLE L.t; --' "" ü"""
    quoted = '"' + name.replace('"', '""') + '"'
    connection.execute(f"""CREATE TABLE L.{quoted} AS SELECT 1 AS {quoted}, 1 AS v""")
    connection.execute(f"""CREATE TABLE S.{quoted} AS SELECT 1 AS {quoted}, 2 AS v""")
    connection.execute("CREATE TABLE L.t AS SELECT 1 AS one")
    found = compare(connection, name, table=name, group=name)
    assert found.key == (name,)
    assert found.columns == {"v": 1}
    assert duckdb_comparison.tables(connection, "l") == [name, "t"]


def test_of_long_values_the_part_is_shown_in_which_they_differ(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE L.t AS SELECT 1 AS k, repeat('x', 5000) || 'a' || repeat('z', 300) AS v")
    connection.execute("CREATE TABLE S.t AS SELECT 1 AS k, repeat('x', 5000) || 'b' AS v")
    (sample,) = compare(connection, "k").samples
    assert sample.before == {"v": f"…{'x' * 60}a{'z' * 139}…"}
    assert sample.after == {"v": f"…{'x' * 60}b"}


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a", None, ("a", None)),
        ("x" * 200, "x" * 199, ("x" * 200, "x" * 199)),
        ("a" * 300, "b", ("a" * 200 + "…", "b")),
        ("x" * 139 + "a" * 99, "x" * 139 + "b", ("x" * 139 + "a" * 61 + "…", "x" * 139 + "b")),
        ("x" * 140 + "a" * 99, "x" * 140 + "b", (f"…{'x' * 60}{'a' * 99}", f"…{'x' * 60}b")),
    ],
)
def test_what_is_short_or_differs_early_is_shown_from_its_beginning(
    before: object, after: object, shown: tuple[str | None, str | None]
) -> None:
    assert texts_of(before, after) == shown


def test_what_is_asked_for_has_to_be_there(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE L.t AS SELECT 1 AS k, 'x' AS v; CREATE TABLE S.t AS SELECT 2 AS k, 'x' AS v"
    )
    asked: list[dict[str, Any]] = [
        {"day": "nothing"},
        {"day": "v"},
        {"by": "nothing"},
        {"metrics": ("v",)},
        {"metrics": ("nothing",)},
    ]
    for more in asked:
        with pytest.raises(ConfigError, match=r"nothing|'v'"):
            compare(connection, "k", **more)
    with pytest.raises(ConfigError, match="which is its key"):
        compare(connection, "nothing")
    with pytest.raises(ConfigError, match="neither"):
        compare(connection, "k", table="nowhere")
    with pytest.raises(ConfigError, match="samples_max"):
        compare(connection, "k", samples_max=-1)


def test_a_table_of_one_side_is_all_added_or_all_removed(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE S.t AS FROM range(3) r(k)")
    found = compare(connection, "k")
    assert found.before is None
    assert (found.counts.before, found.counts.after, found.counts.added) == (0, 3, 3)
    assert not found.equal


def test_what_is_compared_is_a_snapshot_and_leaves_nothing_open(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("CREATE TABLE L.t AS SELECT 1 AS k; CREATE TABLE S.t AS SELECT 1 AS k")
    connection.execute("BEGIN; INSERT INTO S.t VALUES (2)")
    assert compare(connection, "k").equal  # another cursor's rows do not count before they are committed
    connection.execute("COMMIT")
    assert compare(connection, "k").counts.added == 1


def test_a_type_says_what_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE L.t AS SELECT 1 AS k, 1.5::DECIMAL(3, 1) AS v")
    connection.execute("CREATE TABLE S.t AS SELECT 1 AS k, 1.5::DECIMAL(38, 9) AS v")
    assert compare(connection, "k").types == (
        ColumnType(name="v", before="DECIMAL(3,1)", after="DECIMAL(38,9)"),
    )
