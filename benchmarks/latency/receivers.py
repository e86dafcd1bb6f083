"""The two ends of the clock: ours, durable in the log; and a bare pika consumer, which keeps nothing."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pika
import pyarrow as pa
import pyarrow.compute as pc
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties

from benchmarks.latency.publisher import STAMP_DIGITS, STAMP_PREFIX
from benchmarks.queue.ours import source
from benchmarks.queue.pika_child import ACK_EACH, PREFETCH, parameters
from eventreplay.codecs.json import JsonCodec
from eventreplay.event import Checkpoint
from eventreplay.live import LiveOptions, live
from eventreplay.loader import LoadOptions
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sources.rabbitmq.settings import QueueType

Nanoseconds = npt.NDArray[np.int64]
IDLE_END_S = 15.0
RAW_S_MAX = 240.0
PARTITION = "live-0"


def ours(queue: str, kind: QueueType, events: int, age_max_ms: int) -> dict[str, object]:
    """Capture into a folder log; the latency of an event ends when the commit that holds it is in the log."""
    commits: list[tuple[int, int]] = []

    def committed(received: int, _: int | None) -> None:
        commits.append((received, time.monotonic_ns()))

    options = QueueOptions(
        age_max_s=age_max_ms / 1000, receive_timeout_s=min(0.05, age_max_ms / 4000), idle_end_s=IDLE_END_S
    )
    with tempfile.TemporaryDirectory() as folder:
        log = Log.open(Path(folder) / "log")
        reader = source(queue, kind)
        capture_queue(
            reader,
            log,
            PARTITION,
            clock=time.monotonic,
            options=options,
            progress=committed,
            stop=lambda: bool(commits) and commits[-1][0] >= events,
        )
        reader.close()
        refs = list(log.reader(PARTITION).segments())
        payload = pa.chunked_array(
            [chunk for ref in refs for chunk in log.read(ref)["payload"].chunks], pa.binary()
        )
    counts = np.diff([0, *(received for received, _ in commits)])
    durable_ns = np.repeat(np.array([moment for _, moment in commits], np.int64), counts)
    return _distribution(durable_ns - _stamps(payload), events, len(commits))


def raw(queue: str, kind: QueueType, events: int, age_max_ms: int) -> dict[str, object]:
    """The live service into DuckDB; the latency of an event ends when the load that holds it is committed."""
    loads: list[tuple[int, int]] = []
    options = LiveOptions(
        queue=QueueOptions(age_max_s=age_max_ms / 1000, receive_timeout_s=min(0.05, age_max_ms / 4000)),
        load=LoadOptions(every_s=0.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "w.duckdb"
        end_s = time.monotonic() + RAW_S_MAX
        live(
            Log.open(Path(folder) / "log"),
            lambda: Timed(warehouse, loads),
            JsonCodec(),
            queues={PARTITION: lambda: source(queue, kind)},
            clock=time.monotonic,
            stop=lambda: (bool(loads) and loads[-1][0] >= events) or time.monotonic() > end_s,
            options=options,
        )
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            column = connection.execute("SELECT payload->>'published_ns' AS s FROM RAW.EVENTS ORDER BY rowid")
            table: pa.Table = column.to_arrow_table()
        found = table.column("s")
    stamps: Nanoseconds = found.cast(pa.int64()).to_numpy()
    counts = np.diff([0, *(rows for rows, _ in loads)])
    loaded_ns = np.repeat(np.array([moment for _, moment in loads], np.int64), counts)
    return _distribution(loaded_ns - stamps, events, len(loads))


class Timed(DuckDBSink):
    """Writes down when how many rows were there."""

    def __init__(self, path: Path, loads: list[tuple[int, int]]) -> None:
        super().__init__(path, clock=lambda: datetime.now(UTC))
        self._loads = loads
        self._rows = 0

    def write(self, rows: pa.RecordBatch) -> None:
        super().write(rows)
        self._rows += rows.num_rows

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        super().commit(checkpoint, expected=expected)
        self._loads.append(((self._loads[-1][0] if self._loads else 0) + self._rows, time.monotonic_ns()))
        self._rows = 0


def bare(queue: str, events: int) -> dict[str, object]:
    """A pika consumer that keeps nothing: what the broker alone takes."""
    connection = pika.BlockingConnection(parameters())
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    bodies: list[bytes] = []
    moments: list[int] = []

    def on_message(
        channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
    ) -> None:
        del properties
        bodies.append(body)
        moments.append(time.monotonic_ns())
        if len(bodies) % ACK_EACH == 0 or len(bodies) == events:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if len(bodies) == events:
            channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    channel.start_consuming()
    connection.close()
    stamps = _stamps(pa.chunked_array([pa.array(bodies, pa.binary())]))
    return _distribution(np.array(moments, np.int64) - stamps, events, 0)


def synced(bytes_each: int, times: int) -> dict[str, object]:
    """The limit: as many bytes as a commit holds, written and synced to a new file."""
    content = os.urandom(bytes_each)
    taken: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times):
            begun_ns = time.monotonic_ns()
            with (Path(folder) / str(number)).open("wb") as file:
                file.write(content)
                os.fsync(file.fileno())
            taken.append(time.monotonic_ns() - begun_ns)
    return _distribution(np.array(taken, np.int64), times, 0)


def _stamps(payload: pa.ChunkedArray) -> Nanoseconds:
    start = len(STAMP_PREFIX)
    digits = pc.binary_slice(payload, start, start + STAMP_DIGITS).cast(pa.string())
    stamps: Nanoseconds = digits.cast(pa.int64()).to_numpy()
    return stamps


def _distribution(taken_ns: Nanoseconds, events: int, commits: int) -> dict[str, object]:
    if len(taken_ns) != events:
        raise RuntimeError(f"{len(taken_ns)} of {events} messages arrived.")
    p50, p95, p99, last = (float(each) / 1e6 for each in np.percentile(taken_ns, [50, 95, 99, 100]))
    return {"p50 ms": p50, "p95 ms": p95, "p99 ms": p99, "max ms": last, "commits": commits}
