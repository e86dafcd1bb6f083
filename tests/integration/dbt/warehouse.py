"""A DuckDB file with RAW tables like the sink's, and dbt run over it as its own process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from attrs import define, field

from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import EVENTS_COLUMNS, connect, create_tables
from eventreplay.transform import Transformation, transform
from tests.integration.dbt import forks
from tests.integration.dbt.payloads import RawEvent

PROJECT = Path(__file__).resolve().parents[3] / "dbt"
_FIRST_LOAD = datetime(2026, 7, 1, tzinfo=UTC)


@define
class Warehouse:
    """One database file; `load` does what a replay does, `succeed` runs dbt."""

    path: Path
    work: Path
    loads: int = 0
    offsets: dict[str, int] = field(factory=dict)

    @classmethod
    def create(cls, folder: Path) -> Warehouse:
        """A file with empty RAW tables, in place of the one that `folder` had.

        Whoever shares a folder shares dbt's parsed project as well, which depends on the file's path.
        """
        folder.mkdir(parents=True, exist_ok=True)
        warehouse = cls(folder / "warehouse.duckdb", folder / "dbt")
        warehouse.path.unlink(missing_ok=True)
        with closing(connect(warehouse.path)) as connection:
            create_tables(connection)
        return warehouse

    @property
    def environment(self) -> dict[str, str]:
        """What the project reads; the same for every run, or dbt would parse it again."""
        return {name: str(value) for name, value in DuckDBSink.dbt_environment(self.path).items()}

    def transform(self, command: str, *, select: Sequence[str] = (), **environment: str) -> Transformation:
        """Run dbt as the library does."""
        return transform(
            PROJECT, command, environment={**self.environment, **environment}, work=self.work, select=select
        )

    def compiled(self, pattern: str) -> dict[str, str]:
        """What the last run made of some files, by the files' names."""
        return {path.stem: path.read_text("utf-8") for path in self.work.glob(f"compiled/*/{pattern}")}

    def change(self, statements: str) -> None:
        """Run statements on the file."""
        with closing(duckdb.connect(str(self.path))) as connection:
            connection.execute(statements)

    def put_aside(self, folder: Path) -> Warehouse:
        """The same file elsewhere, to be read while another one takes its place."""
        aside = folder / self.path.name
        self.path.rename(aside)
        return Warehouse(aside, self.work)

    def load(self, *events: RawEvent, inserted_at: datetime | None = None) -> None:
        """Append deliveries in one commit; an event without an offset takes its partition's next one."""
        self.loads += 1
        committed = _FIRST_LOAD + timedelta(minutes=self.loads) if inserted_at is None else inserted_at
        rows = [self._row(event, committed) for event in events]
        with closing(duckdb.connect(str(self.path))) as connection:
            connection.executemany(
                f"INSERT INTO RAW.EVENTS VALUES ({', '.join('?' * len(EVENTS_COLUMNS))})", rows
            )

    def _row(self, event: RawEvent, committed: datetime) -> list[object]:
        offset = self.offsets.get(event.partition, 0) if event.offset < 0 else event.offset
        self.offsets[event.partition] = max(offset + 1, self.offsets.get(event.partition, 0))
        naive = event.occurred_at.replace(tzinfo=None)
        digest = event.sha256()
        row = {
            "event_id": event.event_id, "event_type": event.event_type or event.payload_type,
            "stream_id": event.event_id, "source": "test", "source_position": offset,
            "occurred_at": naive, "recorded_at": naive, "content_type": "application/protobuf",
            "headers": "{}", "payload_type": event.payload_type, "payload": event.text(),
            "payload_sha256": digest, "event_hash": int.from_bytes(digest[:8], "big", signed=True),
            "log_partition": event.partition, "log_offset": offset,
            "inserted_at": committed.replace(tzinfo=None),
        }  # fmt: skip
        return [row[column] for column in EVENTS_COLUMNS]

    def dbt(self, *arguments: str, **environment: str) -> tuple[int, list[Mapping[str, Any]], str]:
        """Run dbt; its exit code, the nodes' results and what it printed."""
        results = self.work / "run_results.json"
        results.unlink(missing_ok=True)
        command = [*arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        settings = {
            **self.environment, "DBT_TARGET_PATH": str(self.work), "DBT_LOG_PATH": str(self.work),
            "DO_NOT_TRACK": "1", **environment,
        }  # fmt: skip
        self.work.mkdir(exist_ok=True)
        said = self.work / "said.txt"
        code = forks.run(command, {**os.environ, **settings}, said)
        nodes = json.loads(results.read_text("utf-8"))["results"] if results.is_file() else []
        return code, nodes, said.read_text("utf-8")

    def succeed(self, *arguments: str, **environment: str) -> dict[str, str]:
        """Run a dbt command that must succeed; status by node name."""
        code, nodes, said = self.dbt(*arguments, **environment)
        assert code == 0, said
        return statuses(nodes)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with closing(duckdb.connect(str(self.path), read_only=True)) as connection:
            return connection.execute(query).fetchall()

    def row(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""
        (only,) = self.rows(query)
        return only

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables in MART, in a stated order."""
        names = self.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'MART' ORDER BY 1"
        )
        return {name: self.rows(f"SELECT * FROM MART.{name} ORDER BY ALL") for (name,) in names}


def statuses(nodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Status by name; a unit test's is the model's and its own."""
    return {str(node["unique_id"]).split(".", 2)[2]: str(node["status"]) for node in nodes}


def status_of(found: Mapping[str, str], name: str) -> str:
    """Status of the only node whose name begins so."""
    (status,) = [status for key, status in found.items() if key.startswith(name)]
    return status
