"""Ways into a warehouse, each in a process of its own; BENCHMARK_SNOWFLAKE holds the connect arguments."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import snowflake.connector

from benchmarks.history import Held, clean_orders
from eventreplay.capture import capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink

PARTITION = "journal"
ROWS = """
CREATE TABLE bench_rows (
    event_id VARCHAR, event_type VARCHAR, stream_id VARCHAR, source VARCHAR, source_position NUMBER(38, 0),
    occurred_at TIMESTAMP_TZ, recorded_at TIMESTAMP_TZ, content_type VARCHAR, headers VARCHAR,
    payload_type VARCHAR, payload VARCHAR, payload_sha256 BINARY, event_hash NUMBER(38, 0),
    log_partition VARCHAR, log_offset NUMBER(38, 0))
"""


class ParquetFiles:
    """A `Sink` that writes what it is given to Parquet files: the finished rows that the bare COPY loads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = 0

    def begin(self, replay_id: str) -> Checkpoint | None:
        del replay_id
        return None

    def write(self, rows: pa.RecordBatch) -> None:
        pq.write_table(
            pa.Table.from_batches([rows]), self.folder / f"{self.files:05}.parquet", compression="zstd"
        )
        self.files += 1

    def quarantine(self, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            raise RuntimeError(f"{rows.num_rows} events were refused; the input is meant to be clean.")

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        del checkpoint, expected

    def close(self) -> None:
        self.folder = Path()


def make(events: int, folder: str) -> dict[str, object]:
    """The inputs: a log of clean orders, and the same rows finished, in Parquet."""
    begun_s = time.perf_counter()
    place = Path(folder)
    capture(Held(clean_orders(events)), Log.open(place / "log"), PARTITION)
    (place / "rows").mkdir()
    replay(Log.open(place / "log"), ParquetFiles(place / "rows"), codec_for(schemas.load()))
    return {"seconds": time.perf_counter() - begun_s, "events": events}


def to_snowflake(events: int, folder: str) -> dict[str, object]:
    """The log through our sink."""
    arguments = json.loads(os.environ["BENCHMARK_SNOWFLAKE"])
    settings = SnowflakeSettings(**arguments)
    return _load(events, folder, lambda _: SnowflakeSink(settings, clock=lambda: datetime.now(UTC)))


def to_duckdb(events: int, folder: str) -> dict[str, object]:
    """The same log through the DuckDB sink, into a new file."""
    return _load(
        events,
        folder,
        lambda scratch: DuckDBSink(scratch / "warehouse.duckdb", clock=lambda: datetime.now(UTC)),
    )


def bare_copy(events: int, folder: str) -> dict[str, object]:
    """PUT and COPY of finished rows, by the connector alone: no hash, no decoding, no checkpoint."""
    with (
        snowflake.connector.connect(**json.loads(os.environ["BENCHMARK_SNOWFLAKE"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(ROWS)
        cursor.execute("CREATE STAGE bench_stage")
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        cursor.execute(f"PUT file://{folder}/rows/*.parquet @bench_stage AUTO_COMPRESS = FALSE")
        cursor.execute(
            "COPY INTO bench_rows FROM @bench_stage FILE_FORMAT = (TYPE = PARQUET) "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
        )
        seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
        cursor.execute("SELECT count(*) FROM bench_rows")
        row = cursor.fetchone()
    found = 0 if row is None else row[0]
    if found != events:
        raise RuntimeError(f"The table has {found} of {events} rows.")
    return {"seconds": seconds, "cpu_s": cpu_s, "events": events}


def _load(events: int, folder: str, opened: Callable[[Path], Sink]) -> dict[str, object]:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        sink = opened(Path(scratch))
        receipt = replay(Log.open(Path(folder) / "log"), sink, codec_for(schemas.load()))
        sink.close()
        seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    if receipt.loaded != events:
        raise RuntimeError(f"{receipt.loaded} of {events} rows were loaded.")
    return {"seconds": seconds, "cpu_s": cpu_s, "events": events}
