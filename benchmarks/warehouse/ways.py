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
from eventreplay.batch import RAW_SCHEMA
from eventreplay.capture import capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.secret import Secret
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink

PARTITION = "journal"
REPLY_S_MAX = 600
KINDS = {
    "headers": ("VARIANT", "PARSE_JSON($1:headers::VARCHAR)"),
    "payload": ("VARIANT", "PARSE_JSON($1:payload::VARCHAR)"),
    "payload_sha256": ("BINARY", "TO_BINARY($1:payload_sha256::VARCHAR, 'HEX')"),
    "occurred_at": ("TIMESTAMP_NTZ(6)", "TO_TIMESTAMP_NTZ($1:occurred_at::NUMBER(38,0), 6)"),
    "recorded_at": ("TIMESTAMP_NTZ(6)", "TO_TIMESTAMP_NTZ($1:recorded_at::NUMBER(38,0), 6)"),
}
"""Columns that are neither text nor whole numbers: their type, and how COPY makes them of the file's."""


class ParquetFiles:
    """A `Sink` that writes what it is given to Parquet files: the finished rows that the bare COPY loads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = 0

    def begin(self, replay_id: str) -> Checkpoint | None:
        del replay_id
        return None

    def write(self, rows: pa.RecordBatch) -> None:
        columns = {name: _stageable(rows.column(name)) for name in rows.schema.names}
        pq.write_table(pa.table(columns), self.folder / f"{self.files:05}.parquet", compression="zstd")
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
    arguments.pop("schema")  # the connector's default schema; ours is RAW
    password = Secret(arguments.pop("password"))
    settings = SnowflakeSettings(**arguments, password=password, create_tables=True)
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
        snowflake.connector.connect(
            **json.loads(os.environ["BENCHMARK_SNOWFLAKE"]),
            network_timeout=REPLY_S_MAX,
            session_parameters={"CLIENT_TELEMETRY_ENABLED": False},
            platform_detection_timeout_seconds=0,  # which would ask the metadata services of clouds
        ) as connection,
        connection.cursor() as cursor,
    ):
        columns = {field.name: _column(field) for field in RAW_SCHEMA}
        kinds = ", ".join(f"{name} {kind}" for name, (kind, _) in columns.items())
        values = ", ".join(value for _, value in columns.values())
        cursor.execute(f"CREATE TABLE bench_rows ({kinds})")
        cursor.execute("CREATE STAGE bench_stage")
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        cursor.execute(f"PUT file://{folder}/rows/*.parquet @bench_stage AUTO_COMPRESS = FALSE")
        cursor.execute(
            f"COPY INTO bench_rows FROM (SELECT {values} FROM @bench_stage) FILE_FORMAT = (TYPE = PARQUET)"
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


def _stageable(column: pa.Array) -> pa.Array:
    """Digests as hex text and moments as microseconds: what COPY turns into Snowflake's types exactly."""
    if pa.types.is_fixed_size_binary(column.type):
        return pa.array([value.hex() for value in column.to_pylist()])
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def _column(field: pa.Field) -> tuple[str, str]:
    usual = "NUMBER(19,0)" if pa.types.is_integer(field.type) else "VARCHAR"
    return KINDS.get(field.name, (usual, f"$1:{field.name}::{usual}"))
