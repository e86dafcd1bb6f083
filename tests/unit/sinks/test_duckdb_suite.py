"""The DuckDB sink passes the suite that every sink author inherits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.testing import SinkSuite, TickingClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TestDuckDBSink(SinkSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "warehouse.duckdb"
        self.sinks: list[DuckDBSink] = []
        yield
        for sink in self.sinks:
            sink.close()

    def open_sink(self) -> DuckDBSink:
        # Two threads and a foreign time zone: neither may show in what is stored.
        sink = DuckDBSink(self.path, clock=TickingClock(), memory_mb_max=256, threads=2)
        self.sinks.append(sink)
        return sink

    def read_events(self) -> Sequence[dict[str, Any]]:
        return read_table(self.path, "EVENTS", RAW_SCHEMA)

    def read_quarantine(self) -> Sequence[dict[str, Any]]:
        return read_table(self.path, "QUARANTINE", QUARANTINE_SCHEMA)


def read_table(path: Path, table: str, schema: pa.Schema) -> list[dict[str, Any]]:
    """Rows in rowid order, moments as aware UTC datetimes, under a session time zone that is not UTC."""
    connection = connect(path)
    try:
        connection.execute("SET TimeZone = 'America/St_Johns'")
        rows = connection.execute(
            f"SELECT {', '.join(schema.names)} FROM RAW.{table} ORDER BY rowid"
        ).fetchall()
    finally:
        connection.close()
    return [{name: _aware(value) for name, value in zip(schema.names, row, strict=True)} for row in rows]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
