"""Our side of the queue measurements, each in a process of its own; the broker is in BENCHMARK_*."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.secret import Secret
from eventreplay.sources.rabbitmq import RabbitSettings, RabbitSource
from eventreplay.sources.rabbitmq.settings import QueueType

PARTITION = "live-0"
RECEIVE_TIMEOUT_S = 0.2
SEGMENT_ROWS = 65_536
QUIET_S_MAX = 15.0


def source(queue: str, kind: QueueType) -> RabbitSource:
    """The queue as a source, with its defaults."""
    url = Secret(os.environ["BENCHMARK_URL"])
    return RabbitSource(RabbitSettings(url=url, queue=queue, queue_type=kind))


def to_log(queue: str, kind: QueueType, events: int, folder: str) -> dict[str, object]:
    """Queue to a new folder log; the clock stops at the last commit that need not wait for more to come."""
    options = QueueOptions(rows_max=min(SEGMENT_ROWS, max(1, events // 2)), idle_end_s=QUIET_S_MAX)
    reader = source(queue, kind)
    # A queue has no end: what a last, not full segment may hold is not waited for.
    enough = events - min(options.rows_max, reader.unsettled_rows_max)
    moments: list[tuple[int, float, float]] = []

    def committed(received: int, _: int | None) -> None:
        moments.append((received, time.perf_counter(), time.process_time()))

    def stop() -> bool:
        return bool(moments) and moments[-1][0] >= enough

    with tempfile.TemporaryDirectory(dir=folder) as name:
        log = Log.open(Path(name) / "log")
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        receipt = capture_queue(
            reader, log, PARTITION, clock=time.monotonic, options=options, progress=committed, stop=stop
        )
        reader.close()
    if receipt.logged < enough or receipt.quarantined:
        raise RuntimeError(f"{receipt.logged} of {events} messages came, {receipt.quarantined} were refused.")
    done, ended_s, ended_cpu_s = next(moment for moment in moments if moment[0] >= enough)
    return {"seconds": ended_s - begun_s, "cpu_s": ended_cpu_s - begun_cpu_s, "events": done}


def receive_only(queue: str, kind: QueueType, events: int) -> dict[str, object]:
    """`receive` and `settle` without a log: what our reader takes, beside what pika's takes."""
    reader = source(queue, kind)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    heard_s, got = begun_s, 0
    while got < events:
        delivery = reader.receive(RECEIVE_TIMEOUT_S)
        now_s = time.perf_counter()
        if delivery is not None:
            heard_s = now_s
            got += delivery.batch.rows
            reader.settle(delivery)
        elif now_s - heard_s > QUIET_S_MAX:
            raise RuntimeError(f"{got} of {events} messages came.")
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    reader.close()
    return {"seconds": seconds, "cpu_s": cpu_s, "events": events}
