"""The log into RAW, against DuckDB's own way from typed Parquet: read_parquet, to_json, insert."""

from __future__ import annotations

import itertools
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.history import ORDER_PLACED, Held, clean_orders
from benchmarks.timing import best_s
from eventreplay.capture import capture
from eventreplay.codecs.messages import MessageDecoder
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink


def measure(events: int) -> dict[str, float]:
    """Events per second from a log of `events` orders into a new RAW.EVENTS, and DuckDB's own rate."""
    loaded = schemas.load()
    codec = codec_for(loaded)
    batches = clean_orders(events)
    result: dict[str, float] = {"events": events}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = Log.open(folder / "log")
        capture(Held(batches), log, "journal")
        runs = itertools.count()
        for workers in (1, 2):

            def load(workers: int = workers) -> None:
                path = folder / f"ours-{next(runs)}.duckdb"
                with DuckDBSink(path, clock=lambda: datetime.now(UTC)) as sink:
                    replay(log, sink, codec, workers=workers)
                path.unlink()

            how = "a thread" if workers == 1 else f"{workers} processes"
            result[f"log to RAW, decoding in {how}"] = events / best_s(load)
        _typed_parquet(log, folder / "typed")
        result["DuckDB: read_parquet, to_json, insert"] = events / best_s(lambda: _peer(folder, next(runs)))
    return result


def _typed_parquet(log: Log, folder: Path) -> None:
    """The peer's input: the same envelope, the payload already decoded to typed columns."""
    decoder = MessageDecoder(schemas.load(), ORDER_PLACED)
    folder.mkdir()
    for at, ref in enumerate(log.reader("journal").segments()):
        table = log.read(ref).combine_chunks()
        payload = decoder.decode(table.column("payload").chunk(0)).columns.to_struct_array()
        typed = table.set_column(
            table.schema.get_field_index("payload"), "payload", pa.chunked_array([payload])
        )
        pq.write_table(typed, folder / f"{at:05}.parquet", compression="zstd")


def _peer(folder: Path, run: int) -> None:

    path = folder / f"peer-{run}.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"""
            CREATE TABLE events AS
            SELECT event_id, event_type, stream_id, source, source_position,
                   occurred_at::TIMESTAMP AS occurred_at,
                   recorded_at::TIMESTAMP AS recorded_at,
                   content_type, to_json(headers) AS headers, event_type AS payload_type,
                   to_json(payload) AS payload, payload_sha256, event_hash,
                   'journal' AS log_partition, log_offset, now()::TIMESTAMP AS inserted_at
            FROM read_parquet('{folder}/typed/*.parquet')
            """
        ).fetchall()
    path.unlink()
