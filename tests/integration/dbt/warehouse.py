"""A DuckDB file with RAW tables like the sink's, and dbt run over it as its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from attrs import define, field

from payloads import RawEvent

PROJECT = Path(__file__).resolve().parents[3] / "dbt"
_FIRST_LOAD = datetime(2026, 7, 1, tzinfo=UTC)

_RAW = """
CREATE SCHEMA RAW;
CREATE TABLE RAW.EVENTS (
    event_id VARCHAR NOT NULL, event_type VARCHAR NOT NULL, stream_id VARCHAR, source VARCHAR, source_position BIGINT,
    occurred_at TIMESTAMP NOT NULL, recorded_at TIMESTAMP, content_type VARCHAR, headers JSON NOT NULL,
    payload_type VARCHAR NOT NULL, payload JSON NOT NULL, payload_sha256 BLOB NOT NULL, event_hash BIGINT NOT NULL,
    log_partition VARCHAR NOT NULL, log_offset BIGINT NOT NULL, inserted_at TIMESTAMP NOT NULL
);
CREATE TABLE RAW.QUARANTINE (
    stage VARCHAR, log_partition VARCHAR, log_offset BIGINT, event_id VARCHAR, event_type VARCHAR, stream_id VARCHAR,
    source VARCHAR, source_position BIGINT, occurred_at TIMESTAMP, recorded_at TIMESTAMP, content_type VARCHAR,
    headers JSON, payload BLOB, payload_sha256 BLOB, error_code VARCHAR, error_message VARCHAR,
    decoder_fingerprint VARCHAR, quarantined_at TIMESTAMP
);
"""


@define
class Warehouse:
    """One database file; `load` is what a replay does, `build` what dbt does."""

    folder: Path
    loads: int = 0
    offsets: dict[str, int] = field(factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @classmethod
    def create(cls, folder: Path) -> Warehouse:
        """A file with empty RAW tables."""
        folder.mkdir(parents=True, exist_ok=True)
        warehouse = cls(folder)
        with closing(duckdb.connect(str(warehouse.path))) as connection:
            connection.execute(_RAW)
        return warehouse

    def load(self, *events: RawEvent, inserted_at: datetime | None = None) -> None:
        """Append deliveries in one commit; an event without an offset takes its partition's next one."""
        self.loads += 1
        committed = _FIRST_LOAD + timedelta(minutes=self.loads) if inserted_at is None else inserted_at
        rows = [self._row(event, committed) for event in events]
        with closing(duckdb.connect(str(self.path))) as connection:
            connection.executemany(f"INSERT INTO RAW.EVENTS VALUES ({', '.join('?' * 16)})", rows)

    def _row(self, event: RawEvent, committed: datetime) -> list[object]:
        offset = self.offsets.get(event.partition, 0) if event.offset < 0 else event.offset
        self.offsets[event.partition] = max(offset + 1, self.offsets.get(event.partition, 0))
        naive = event.occurred_at.replace(tzinfo=None)
        digest = event.sha256()
        return [
            event.event_id, event.event_type or event.payload_type, event.event_id, "test", offset, naive, naive,
            "application/protobuf", "{}", event.payload_type, event.text(), digest,
            int.from_bytes(digest[:8], "big", signed=True), event.partition, offset, committed.replace(tzinfo=None),
        ]  # fmt: skip

    def dbt(self, *arguments: str, **environment: str) -> tuple[int, list[Mapping[str, Any]], str]:
        """Run dbt; its exit code, the nodes' results and what it printed."""
        work = self.folder / "dbt"
        results = work / "run_results.json"
        results.unlink(missing_ok=True)
        command = [sys.executable, "-m", "dbt.cli.main", *arguments]
        command += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        settings = {
            "EVENTREPLAY_DUCKDB_PATH": str(self.path), "DBT_TARGET_PATH": str(work), "DBT_LOG_PATH": str(work),
            "DO_NOT_TRACK": "1", **environment,
        }  # fmt: skip
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        nodes = json.loads(results.read_text("utf-8"))["results"] if results.is_file() else []
        return done.returncode, nodes, done.stdout + done.stderr

    def build(self, *arguments: str, **environment: str) -> dict[str, str]:
        """`dbt build`, which must succeed; status by node name."""
        code, nodes, said = self.dbt("build", *arguments, **environment)
        assert code == 0, said
        return {str(node["unique_id"]).split(".")[2]: str(node["status"]) for node in nodes}

    def run(self, *arguments: str) -> None:
        """`dbt run`: the models without their tests."""
        code, _, said = self.dbt("run", *arguments)
        assert code == 0, said

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with closing(duckdb.connect(str(self.path), read_only=True)) as connection:
            return connection.execute(query).fetchall()

    def row(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""
        (only,) = self.rows(query)
        return only

    def contents(self, tables: Iterable[str]) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of tables, in a stated order."""
        return {table: self.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables}
