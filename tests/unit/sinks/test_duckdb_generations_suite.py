"""The DuckDB sink passes the suite of sinks with generations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import GenerationSuite, SimulatedCrash, TickingClock, crash_at


class TestDuckDBGenerations(GenerationSuite):
    # A promotion of the suite's tables has 163 statements; the last point is behind its end.
    crash_points = (40, 120, 400)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "warehouse.duckdb"
        self.sinks: list[DuckDBSink] = []
        self.clock = TickingClock()
        self.open_sink().close()
        # Held open: to open the file anew for each look would take longer than the tests.
        self.other = duckdb.connect(str(self.path))
        yield
        # pytest keeps this object to its end, and DuckDB complains of connections that outlive it.
        self.other.close()
        del self.other
        for sink in self.sinks:
            sink.close()

    def open_sink(self) -> DuckDBSink:
        sink = DuckDBSink(self.path, clock=self.clock, threads=2)
        self.sinks.append(sink)
        return sink

    def make_table(self, schema: str, name: str, numbers: Sequence[int]) -> None:
        rows = ", ".join(f"({number})" for number in numbers)
        self._run(f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.{name} (N BIGINT NOT NULL)")
        self._run(f"INSERT INTO {schema}.{name} VALUES {rows}")

    def make_view(self, schema: str, name: str, reads: tuple[str, str]) -> None:
        place = ".".join(f'"{word}"' for word in ("warehouse", *reads))
        self._run(
            f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE VIEW {schema}.{name} AS (SELECT N FROM {place})"
        )

    def values(self, schema: str, name: str, column: str) -> list[Any] | None:
        if name not in (self.names(schema) or ()):
            return None
        return [value for (value,) in self._run(f"SELECT {column} FROM {schema}.{name}")]

    def names(self, schema: str) -> set[str] | None:
        if not self._run(f"SELECT 1 FROM duckdb_schemas() WHERE schema_name = '{schema}'"):
            return None
        where = f"schema_name = '{schema}' AND NOT internal"
        tables = f"SELECT table_name FROM duckdb_tables() WHERE {where}"
        return {
            name
            for (name,) in self._run(f"{tables} UNION SELECT view_name FROM duckdb_views() WHERE {where}")
        }

    def open_crashing(self, at: int) -> DuckDBSink:
        sink = self.open_sink()
        crash = crash_at(at)
        opened = sink._open
        sink._open = lambda: _Dying(opened(), crash)  # type: ignore[method-assign, assignment, return-value]
        return sink

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return self.other.execute(sql).fetchall()


class _Dying:
    """A connection whose process dies before one of its statements, whatever cursor that is on."""

    def __init__(self, connection: Any, crash: Any) -> None:
        self._connection = connection
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def cursor(self) -> _Dying:
        return _Dying(self._connection.cursor(), self._crash)

    def execute(self, *arguments: Any) -> Any:
        return self._crash.call("execute", lambda: self._connection.execute(*arguments))


def test_the_double_dies_where_it_says() -> None:
    crash = crash_at(2)
    with duckdb.connect(":memory:") as connection:
        dying = _Dying(connection, crash)
        dying.cursor().execute("SELECT 1")
        with pytest.raises(SimulatedCrash):
            dying.execute("SELECT 2")
        with pytest.raises(SimulatedCrash):
            dying.cursor().execute("ROLLBACK")
