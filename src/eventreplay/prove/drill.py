"""Where two outputs begin to differ: the first row, its column, both values. Done only if hashes differ.

Both sides are written to files as text, the columns that differ and those that name a row; DuckDB joins the
files, spilling what memory does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from eventreplay.prove.outputs import Output, opened, quoted, text
from eventreplay.sinks.duckdb_tables import driver_errors

if TYPE_CHECKING:
    import duckdb

SHOWN_CHARACTERS_MAX = 120
"""Of a value that is shown."""
_FETCHED_CHARACTERS_MAX = 1_000_000
ORDER = "(order of rows)"
"""Stands for a column where all rows are equal and lie in another order."""
EXISTS = "(exists)"
"""Stands for a column where a row is in one of both outputs only."""


@frozen(kw_only=True)
class Named:
    """A row that differs.

    Attributes:
        key: what names it: `log_partition`, `log_offset`, `event_id` of RAW, or a model's key; may be empty.
        column: the first column that differs, with the place inside of JSON: `payload.price`.
        values: that of the first run and that of the other, shortened; None: null, or there is none.
        columns: all columns in which it differs.
    """

    key: Mapping[str, str | None]
    column: str
    values: tuple[str | None, str | None]
    columns: tuple[str, ...]

    def to_json(self, *, with_values: bool = True) -> dict[str, Any]:
        """Plain JSON data; a receipt gets no values."""
        facts: dict[str, Any] = {"key": dict(self.key), "column": self.column, "columns": list(self.columns)}
        return {**facts, "values": list(self.values)} if with_values else facts


@frozen(kw_only=True)
class Found:
    """How two outputs differ: how many rows, in which columns, and the first of them."""

    rows: int
    columns: tuple[str, ...]
    named: tuple[Named, ...]


@frozen
class Side:
    """One of both outputs: its file, the place of the table in it, and its hashes.

    `is_turned`: its rows have been laid in another order since they were hashed.
    """

    warehouse: Path
    place: tuple[str, ...]
    output: Output = field(repr=False)
    is_turned: bool = False


def drilled(
    one: Side,
    other: Side,
    *,
    key: Sequence[str],
    scratch: Path,
    named_max: int,
    labels: Sequence[str] = (),
) -> Found:
    """Say how two outputs differ.

    Args:
        one: the first.
        other: another, whose hashes differ.
        key: columns that name a row; empty, or not unique: rows are compared as a whole.
        scratch: an empty folder for files that may be as large as the tables.
        named_max: rows named, at least 1.
        labels: columns that say more of a row than its key does, whether they differ or not.
    """
    differing = one.output.differing(other.output)
    both = [name for name in one.output.columns if name in other.output.columns]
    lacking = tuple(name for name in differing if name not in both)
    retyped = tuple(name for name in differing if name in both and _kind(one, name) != _kind(other, name))
    wanted = [name for name in both if name in differing] or both
    keys = [name for name in key if name in both]
    if not key or len(keys) < len(key):
        # Columns that are equal as sets name a row as well as any key could.
        keys, wanted = [], both
    shown = [name for name in labels if keys and name in both]
    files = []
    for number, side in enumerate((one, other)):
        files.append(scratch / f"side-{number}.parquet")
        _export(side, list(dict.fromkeys([*keys, *shown, *wanted])), files[-1])
    with (
        opened(scratch / "scratch.duckdb", read_only=False) as connection,
        driver_errors("Comparing outputs"),
    ):
        connection.execute(f"SET temp_directory = {_literal(scratch / 'spilled')}")
        for name, file in zip("ab", files, strict=True):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_literal(file)})")
        found = None
        if not keys:
            found = _whole_rows(connection, wanted, named_max)
        elif _is_unique(connection, keys):
            found = _keyed(connection, keys, shown, wanted, named_max)
            if not found.rows and not lacking and not retyped:
                is_turned = one.is_turned or other.is_turned
                found = Found(rows=0, columns=(ORDER,), named=()) if is_turned else _order(connection, keys)
    if found is None:
        # The project calls something a key that names several rows: all columns are looked at instead.
        (scratch / "whole").mkdir()
        return drilled(one, other, key=(), scratch=scratch / "whole", named_max=named_max)
    columns = tuple(dict.fromkeys([*lacking, *retyped, *found.columns]))
    named = found.named
    if not named:
        # A column that one of both lacks, or of another type: no row of its own shows that.
        name = columns[0] if columns else ORDER
        kinds = (_kind(one, name), _kind(other, name))
        named = (Named(key={}, column=name, values=kinds, columns=columns),)
    return Found(rows=found.rows, columns=columns, named=named)


def _kind(side: Side, name: str) -> str | None:
    found = side.output.columns.get(name)
    return None if found is None else found[0]


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _export(side: Side, columns: Sequence[str], file: Path) -> None:
    relation = ".".join(map(quoted, side.place))
    chosen = ", ".join(f"{text(name)} AS {quoted(name)}" for name in columns)
    with opened(side.warehouse) as connection, driver_errors(f"Reading {side.output.table}"):
        connection.execute(
            f"COPY (SELECT {chosen} FROM {relation}) TO {_literal(file)} (FORMAT parquet, COMPRESSION zstd)"
        )


def _is_unique(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> bool:
    by = ", ".join(map(quoted, keys))
    return not any(
        connection.execute(f"SELECT 1 FROM {side} GROUP BY {by} HAVING count(*) > 1 LIMIT 1").fetchall()
        for side in "ab"
    )


def _keyed(
    connection: duckdb.DuckDBPyConnection,
    keys: Sequence[str],
    labels: Sequence[str],
    wanted: Sequence[str],
    named_max: int,
) -> Found:
    values = [name for name in wanted if name not in keys]
    on = " AND ".join(f"a.{quoted(name)} = b.{quoted(name)}" for name in keys)
    alone = [f"a.{quoted(keys[0])} IS NULL", f"b.{quoted(keys[0])} IS NULL"]
    unequal = [f"a.{quoted(name)} <> b.{quoted(name)}" for name in values]
    where = " OR ".join([*alone, *unequal])
    naming = [*keys, *labels]
    key = [f"coalesce(a.{quoted(name)}, b.{quoted(name)})" for name in naming]
    shown = [f"left({side}.{quoted(name)}, {_FETCHED_CHARACTERS_MAX})" for name in values for side in "ab"]
    joined = f"FROM a FULL JOIN b ON {on} WHERE {where}"
    counts = ", ".join(["count(*)", *(f"count(*) FILTER ({each})" for each in [*alone, *unequal])])
    rows, only_b, only_a, *each = connection.execute(f"SELECT {counts} {joined}").fetchall()[0]
    order = ", ".join(f"{_sortable(part)}, {part}" for part in key)
    found = connection.execute(
        f"SELECT {', '.join([*key, *alone, *shown])} {joined} ORDER BY {order} LIMIT {named_max}"
    ).fetchall()
    columns = [name for name, count in zip(values, each, strict=True) if count]
    if only_a or only_b:
        columns = [EXISTS, *columns]
    return Found(
        rows=int(rows), columns=tuple(columns), named=tuple(_named(row, naming, values) for row in found)
    )


def _sortable(part: str) -> str:
    """Numbers by their size: offset 9 comes before offset 10."""
    return f"try_cast(substr({part}, 2) AS HUGEINT)"


def _named(row: tuple[Any, ...], keys: Sequence[str], values: Sequence[str]) -> Named:
    key = {name: _plain(value) for name, value in zip(keys, row, strict=False)}
    only_b, only_a = row[len(keys)], row[len(keys) + 1]
    cells = row[len(keys) + 2 :]
    pairs = dict(zip(values, zip(cells[::2], cells[1::2], strict=True), strict=True))
    if only_a or only_b:
        there = ("there", None) if only_a else (None, "there")
        return Named(key=key, column=EXISTS, values=there, columns=(EXISTS,))
    differ = tuple(name for name, pair in pairs.items() if pair[0] != pair[1])
    place, one, other = _inside(differ[0], *map(_plain, pairs[differ[0]]))
    return Named(key=key, column=place, values=(_short(one), _short(other)), columns=differ)


def _whole_rows(connection: duckdb.DuckDBPyConnection, wanted: Sequence[str], named_max: int) -> Found:
    """Rows of each side that the other has not, the first of both taken for one row that changed."""
    names = ", ".join(map(quoted, wanted))
    sides = {}
    for one, other in (("a", "b"), ("b", "a")):
        connection.execute(
            f"CREATE TABLE only_{one} AS SELECT {names} FROM {one} EXCEPT ALL SELECT {names} FROM {other}"
        )
        (count,) = connection.execute(f"SELECT count(*) FROM only_{one}").fetchall()[0]
        sides[one] = int(count)
    if not any(sides.values()):
        return Found(rows=0, columns=(), named=())
    # Sorted by the columns that both have alike, the rows that belong together come first together.
    alike = [name for name in wanted if _alike(connection, name)]
    order = ", ".join(map(quoted, [*alike, *(name for name in wanted if name not in alike)]))
    rows = {
        side: connection.execute(
            f"SELECT {names} FROM only_{side} ORDER BY {order} LIMIT {named_max}"
        ).fetchall()
        for side in "ab"
    }
    named = []
    for at in range(max(len(rows["a"]), len(rows["b"]))):
        pair = [rows[side][at] if at < len(rows[side]) else None for side in "ab"]
        named.append(_of_whole(wanted, alike, pair[0], pair[1]))
    differ = [name for name in wanted if name not in alike]
    return Found(
        rows=max(sides.values()),
        columns=tuple(differ) or (EXISTS,),
        named=tuple(named[:named_max]),
    )


def _alike(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    column = quoted(name)
    found = connection.execute(
        f"SELECT 1 FROM (SELECT {column} FROM only_a EXCEPT ALL SELECT {column} FROM only_b) LIMIT 1"
    ).fetchall()
    back = connection.execute(
        f"SELECT 1 FROM (SELECT {column} FROM only_b EXCEPT ALL SELECT {column} FROM only_a) LIMIT 1"
    ).fetchall()
    return not found and not back


def _of_whole(
    wanted: Sequence[str],
    alike: Sequence[str],
    one: Sequence[str] | None,
    other: Sequence[str] | None,
) -> Named:
    known = dict(zip(wanted, one or other or (), strict=True))
    key = {name: _short(_plain(known[name])) for name in alike}
    if one is None or other is None:
        there = ("there", None) if other is None else (None, "there")
        return Named(key=key, column=EXISTS, values=there, columns=(EXISTS,))
    differ = [(name, a, b) for name, a, b in zip(wanted, one, other, strict=True) if a != b]
    place, first, second = _inside(differ[0][0], _plain(differ[0][1]), _plain(differ[0][2]))
    return Named(
        key=key,
        column=place,
        values=(_short(first), _short(second)),
        columns=tuple(name for name, _, _ in differ),
    )


def _order(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> Found:
    """The same rows in another order: the first place at which another one stands."""
    if not keys:
        return Found(rows=0, columns=(), named=())
    numbered = "(SELECT *, row_number() OVER () AS place FROM {side})"
    unequal = " OR ".join(f"a.{quoted(name)} <> b.{quoted(name)}" for name in keys)
    joined = (
        f"FROM {numbered.format(side='a')} AS a JOIN {numbered.format(side='b')} AS b USING (place)"
        f" WHERE {unequal}"
    )
    (count,) = connection.execute(f"SELECT count(*) {joined}").fetchall()[0]
    if not count:
        return Found(rows=0, columns=(), named=())
    both = ", ".join(f"{one}.{quoted(name)}" for one in "ab" for name in keys)
    row = connection.execute(f"SELECT {both} {joined} ORDER BY place LIMIT 1").fetchall()[0]
    values = [" ".join(str(_plain(value)) for value in part) for part in (row[: len(keys)], row[len(keys) :])]
    key = {name: _plain(value) for name, value in zip(keys, row, strict=False)}
    named = Named(key=key, column=ORDER, values=(_short(values[0]), _short(values[1])), columns=(ORDER,))
    return Found(rows=int(count), columns=(ORDER,), named=(named,))


def _plain(value: str | None) -> str | None:
    """A value as it was before `text` marked it."""
    return value[1:] if value else None


def _short(value: str | None) -> str | None:
    if value is None or len(value) <= SHOWN_CHARACTERS_MAX:
        return value
    return value[: SHOWN_CHARACTERS_MAX - 1] + "…"


def _inside(column: str, one: str | None, other: str | None) -> tuple[str, str | None, str | None]:
    """The first place inside two JSON texts where they differ; the column itself if they are none."""
    if not (one and other and one[0] in "{[" and other[0] in "{["):
        return column, one, other
    try:
        # Numbers stay the digits that stand there.
        read = [json.loads(part, parse_float=_digits, parse_int=_digits) for part in (one, other)]
    except (ValueError, RecursionError):
        return column, one, other
    return _first(column, read[0], read[1])


def _digits(number: str) -> tuple[str]:
    """A number of JSON as its digits, unequal to a text of the same."""
    return (number,)


_NOTHING = object()


def _first(path: str, one: Any, other: Any) -> tuple[str, str | None, str | None]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys([*one, *other]):
            if one.get(name, _NOTHING) != other.get(name, _NOTHING):
                return _first(f"{path}.{name}", one.get(name, _NOTHING), other.get(name, _NOTHING))
    elif isinstance(one, list) and isinstance(other, list):
        for at in range(max(len(one), len(other))):
            pair = [part[at] if at < len(part) else _NOTHING for part in (one, other)]
            if pair[0] != pair[1]:
                return _first(f"{path}[{at}]", *pair)
    return path, _worded(one), _worded(other)


def _worded(value: Any) -> str | None:
    if value is _NOTHING or value is None:
        return None
    if isinstance(value, tuple):
        return str(value[0])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
