"""Comparing two tables of a DuckDB file: see `eventreplay.capabilities.comparison`.

A comparison has a cursor and a transaction of its own: all its statements see the same committed rows. What
does not fit into the memory limit, DuckDB spills beside the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventreplay.capabilities.comparison import (
    DuckDBDialect,
    Layout,
    Place,
    Question,
    TableDifference,
    compared,
)
from eventreplay.sinks.duckdb_tables import driver_errors, one_state

if TYPE_CHECKING:
    import duckdb

_DIALECT = DuckDBDialect()


class ComparesTables(ABC):
    """`SupportsTableComparison`, on the connection of the sink."""

    @abstractmethod
    def _open(self) -> duckdb.DuckDBPyConnection: ...

    def tables(self, schema: str) -> list[str]:
        """Tables and views of a schema; see `SupportsTableComparison`."""
        return tables(self._open(), schema)

    def compare(self, question: Question) -> TableDifference:
        """Compare two tables inside DuckDB; see `SupportsTableComparison`."""
        return compare(self._open(), question)


def tables(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """See `SupportsTableComparison.tables`."""
    with driver_errors(f"Listing the tables of {schema}"), connection.cursor() as cursor:
        rows = cursor.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
            " AND lower(schema_name) = lower($schema) UNION SELECT view_name FROM duckdb_views()"
            " WHERE database_name = current_database() AND lower(schema_name) = lower($schema) ORDER BY 1",
            {"schema": schema},
        ).fetchall()
    return [str(name) for (name,) in rows]


def compare(connection: duckdb.DuckDBPyConnection, question: Question) -> TableDifference:
    """See `SupportsTableComparison.compare`."""
    with driver_errors(f"Comparing {question.before} with {question.after}"), connection.cursor() as cursor:

        def ask(sql: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
            return cursor.execute(sql, list(values)).fetchall()

        with one_state(cursor):
            before, after = _layout(cursor, question.before), _layout(cursor, question.after)
            return compared(_DIALECT, ask, question, before, after)


def _layout(cursor: duckdb.DuckDBPyConnection, place: Place) -> Layout | None:
    rows = cursor.execute(
        "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE database_name = current_database() AND lower(schema_name) = lower(?)"
        " AND lower(table_name) = lower(?) ORDER BY column_index",
        [place.schema, place.table],
    ).fetchall()
    if not rows:
        return None
    return Layout(
        place=Place(rows[0][0], rows[0][1]),
        columns=tuple(
            _DIALECT.column(name, kind, required=not nullable) for _, _, name, kind, nullable in rows
        ),
    )
