"""An exact hash of a table, made by DuckDB where the rows are: of every column, and of whole rows.

Each value is written as text, hashed to 128 bits, and the hashes are added up, so nothing has to be sorted
or held. For RAW a value is hashed with the number of its row: order counts. For a model it is not: a table is
a set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from eventreplay.errors import ConfigError
from eventreplay.sinks.duckdb_tables import connect, driver_errors

if TYPE_CHECKING:
    import duckdb

CLOCK_COLUMNS = ("inserted_at", "quarantined_at")
"""Columns of RAW that say when a row was loaded, and of models that hand them on: not compared."""
RAW_TABLES = ("EVENTS", "QUARANTINE")
_MEMORY = "512MiB"
_HALF = "18446744073709551615::UHUGEINT"


@frozen(kw_only=True)
class Output:
    """What one table holds, as hashes.

    Attributes:
        table: `SCHEMA.NAME`.
        rows: how many.
        columns: type and hash of each column that is compared, by its name.
        whole: hash over whole rows.
        skipped: columns that are not compared.
    """

    table: str
    rows: int
    columns: Mapping[str, tuple[str, str]]
    whole: str
    skipped: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """One hash over all of it."""
        facts = [self.table, self.rows, sorted((name, *found) for name, found in self.columns.items())]
        return hashlib.sha256(json.dumps([*facts, self.whole]).encode("ascii")).hexdigest()

    def differing(self, other: Output) -> tuple[str, ...]:
        """Columns whose hashes or types differ, or that one of both lacks."""
        names = [*self.columns, *(name for name in other.columns if name not in self.columns)]
        return tuple(name for name in names if self.columns.get(name) != other.columns.get(name))


@contextmanager
def opened(path: Path, *, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file, with a limit of memory and without the machine's time zone."""
    with closing(connect(path, read_only=read_only)) as connection:
        with driver_errors("Setting DuckDB's limits"):
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET threads = 2")
            connection.execute("SET TimeZone = 'UTC'")
        yield connection


def quoted(name: str) -> str:
    """A name of a table or column as it may stand in a statement."""
    return '"' + name.replace('"', '""') + '"'


def text(column: str) -> str:
    """A value as text that differs for each value, null among them."""
    return f"coalesce('=' || CAST({quoted(column)} AS VARCHAR), '')"


def raw_outputs(path: Path) -> tuple[Output, ...]:
    """RAW.EVENTS and RAW.QUARANTINE of a file, in the order of their rows."""
    with opened(path) as connection:
        return tuple(
            output(connection, ("RAW", table), in_order=True, skipped=CLOCK_COLUMNS) for table in RAW_TABLES
        )


def output(
    connection: duckdb.DuckDBPyConnection,
    place: tuple[str, ...],
    *,
    in_order: bool,
    skipped: Collection[str] = (),
) -> Output:
    """Hash one table or view.

    Args:
        connection: to its file.
        place: schema and name, or database, schema and name.
        in_order: whether the order of rows counts; for tables that rows are never deleted from.
        skipped: columns that are not compared, in lower case.

    Raises:
        SinkError: DuckDB refused.
        ConfigError: nothing of the table would be compared.
    """
    relation = ".".join(map(quoted, place))
    name = ".".join(place[-2:])
    with driver_errors(f"Hashing {name}"):
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        kinds = {str(row[0]): str(row[1]) for row in described}
        compared = [column for column in kinds if column.lower() not in skipped]
        if not compared:
            raise ConfigError(
                f"No column of {name} would be compared.", hint="Leave one of its columns out of --ignore."
            )
        found = connection.execute(_query(relation, compared, in_order=in_order)).fetchall()[0]
    rows, *sums = found
    hashes = [
        f"{int(low or 0):x}.{int(high or 0):x}" for low, high in zip(sums[::2], sums[1::2], strict=True)
    ]
    *of_columns, whole = hashes
    return Output(
        table=name,
        rows=int(rows),
        columns={column: (kinds[column], made) for column, made in zip(compared, of_columns, strict=True)},
        whole=whole,
        skipped=tuple(column for column in kinds if column not in compared),
    )


def _query(relation: str, columns: list[str], *, in_order: bool) -> str:
    at = "rowid || ':' || " if in_order else ""
    texts = [f"{at}{text(column)}" for column in columns]
    hashed = ", ".join(f"md5_number({part}) AS h{i}" for i, part in enumerate(texts))
    # Of hashes as hexadecimal: numbers of 128 bits take a hundred times as long to write in digits.
    whole = "md5_number(concat(" + ", ".join(f"md5({part})" for part in texts) + "))"
    names = [*(f"h{i}" for i in range(len(columns))), "whole"]
    # Sums of halves are exact in 128 bits, whatever order and grouping DuckDB adds them up in.
    sums = ", ".join(f"sum(({name} & {_HALF})::UBIGINT), sum(({name} >> 64)::UBIGINT)" for name in names)
    return f"SELECT count(*), {sums} FROM (SELECT {hashed}, {whole} AS whole FROM {relation})"
