"""GENERATIONS: the table of a DuckDB warehouse's live RAW that says which generation stands where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from eventreplay.capabilities.generations import FIRST, Generation, State
from eventreplay.errors import GenerationError
from eventreplay.sinks.duckdb_views import quoted

if TYPE_CHECKING:
    import duckdb

TABLE = "GENERATIONS"
_COLUMNS = {
    "name": "VARCHAR PRIMARY KEY",
    "state": "VARCHAR NOT NULL",
    "schemas": "VARCHAR NOT NULL",  # JSON: those that are its own
    "suffix": "VARCHAR NOT NULL",  # where it stands
    "places": "VARCHAR NOT NULL",  # JSON: what of it stands under that suffix
    "plan": "VARCHAR NOT NULL",
    "facts": "VARCHAR NOT NULL",  # JSON
    "previous": "VARCHAR",  # which one was live before this one
    "journal": "VARCHAR",  # JSON: what changed places when it was promoted
    "promotions": "BIGINT NOT NULL",  # how many there had been with its last one; 0: it never was
    "began": "TIMESTAMP",
    "changed": "TIMESTAMP",
    "keep_until": "TIMESTAMP",
}
_JSON = ("schemas", "places", "facts", "journal")
_MOMENTS = ("began", "changed", "keep_until")


@frozen
class Row:
    """A row of GENERATIONS, its JSON read and its moments in UTC; the columns say what each field is."""

    name: str
    state: State
    schemas: tuple[str, ...]
    suffix: str
    places: tuple[str, ...]
    plan: str = ""
    facts: Mapping[str, Any] = {}
    previous: str | None = None
    journal: Any = None
    promotions: int = 0
    began: datetime | None = None
    changed: datetime | None = None
    keep_until: datetime | None = None

    def known(self) -> Generation:
        """As everybody sees it."""
        return Generation(
            name=self.name,
            state=self.state,
            schemas=self.places if self.state == "kept" else self.schemas,
            suffix=self.suffix,
            plan=self.plan,
            facts=self.facts,
            began=self.began,
            changed=self.changed,
            keep_until=self.keep_until,
        )


@frozen
class Registry:
    """The table, over one connection.

    Args:
        connection: asked in whatever transaction it is in.
        raw: name of the live RAW schema.
    """

    connection: duckdb.DuckDBPyConnection
    raw: str

    @property
    def _place(self) -> str:
        return f"{quoted(self.raw)}.{TABLE}"

    def rows(self) -> list[Row]:
        """All generations in the order in which they began; before any was, the first one alone."""
        there = self.connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND"
            f" lower(schema_name) = lower(?) AND upper(table_name) = '{TABLE}'",
            [self.raw],
        ).fetchall()
        if there == [(0,)]:
            return [self._first()]
        found = self.connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM {self._place} ORDER BY began NULLS FIRST, name"
        ).fetchall()
        return [_read(row) for row in found]

    def find(self, name: str) -> Row | None:
        """The row of one; None if there is none."""
        return next((row for row in self.rows() if row.name == name), None)

    def row(self, name: str) -> Row:
        """The row of one.

        Raises:
            GenerationError: there is none.
        """
        found = self.find(name)
        if found is None:
            raise GenerationError(f"There is no generation {name}.", hint="Begin it first.")
        return found

    def live(self) -> Row:
        """The row of the live one."""
        return next(row for row in self.rows() if row.state == "live")

    def add(self, row: Row) -> None:
        """One more; makes the table, with a row for the first generation, if it is not there."""
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS {self._place} ({columns})")
        if self.connection.execute(f"SELECT count(*) FROM {self._place}").fetchall() == [(0,)]:
            self._insert(self._first())
        self._insert(row)

    def set(self, name: str, **values: object) -> None:
        """Give columns of a row other values."""
        assignments = ", ".join(f"{column} = ?" for column in values)
        written = [_written(column, value) for column, value in values.items()]
        self.connection.execute(f"UPDATE {self._place} SET {assignments} WHERE name = ?", [*written, name])

    def delete(self, name: str) -> None:
        """Forget one."""
        self.connection.execute(f"DELETE FROM {self._place} WHERE name = ?", [name])

    def _first(self) -> Row:
        return Row(FIRST, "live", (self.raw,), "", (self.raw,))

    def _insert(self, row: Row) -> None:
        values = [_written(column, getattr(row, column)) for column in _COLUMNS]
        marks = ", ".join("?" for _ in _COLUMNS)
        self.connection.execute(f"INSERT INTO {self._place} ({', '.join(_COLUMNS)}) VALUES ({marks})", values)


def _written(column: str, value: Any) -> Any:
    if column in _JSON and value is not None:
        return json.dumps(value, allow_nan=False, sort_keys=True)
    if column in _MOMENTS and value is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _read(row: tuple[Any, ...]) -> Row:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _JSON:
        values[name] = None if values[name] is None else json.loads(values[name])
    for name in _MOMENTS:
        values[name] = None if values[name] is None else values[name].replace(tzinfo=UTC)
    return Row(**{**values, "schemas": tuple(values["schemas"]), "places": tuple(values["places"])})
