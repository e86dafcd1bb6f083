"""Our side of the queue measurements, each in a process of its own; the broker is in BENCHMARK_*."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from eventreplay.interfaces import Delivery, QueueSource
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.secret import Secret
from eventreplay.sources.rabbitmq import RabbitSettings, RabbitSource
from eventreplay.sources.rabbitmq.settings import QueueType

PARTITION = "live-0"
RECEIVE_TIMEOUT_S = 0.2
SEGMENT_ROWS = 65_536
IDLE_END_S = 3.0
QUIET_S_MAX = 30.0


def source(queue: str, kind: QueueType) -> RabbitSource:
    """The queue as a source, with its defaults."""
    url = Secret(os.environ["BENCHMARK_URL"])
    return RabbitSource(RabbitSettings(url=url, queue=queue, queue_type=kind))


class Heard:
    """The queue, and when something last came from it."""

    def __init__(self, queue: RabbitSource) -> None:
        self._queue = queue
        self.last_s = 0.0

    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = self._queue.receive(timeout_s)
        if delivery is not None:
            self.last_s = time.perf_counter()
        return delivery

    def __getattr__(self, name: str) -> Any:
        """All else is the queue's own."""
        return getattr(self._queue, name)


def to_log(queue: str, kind: QueueType, events: int, folder: str) -> dict[str, object]:
    """Queue to a new folder log; the clock stops at the last commit that did not wait for more to come."""
    moments = [(0, 0.0, 0.0)]

    def committed(received: int, _: int | None) -> None:
        moments.append((received, time.perf_counter(), time.process_time()))

    options = QueueOptions(rows_max=min(SEGMENT_ROWS, max(1, events // 2)), idle_end_s=IDLE_END_S)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        log = Log.open(Path(name) / "log")
        reader = Heard(source(queue, kind))
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        receipt = capture_queue(
            cast("QueueSource", reader),
            log,
            PARTITION,
            clock=time.monotonic,
            options=options,
            progress=committed,
        )
        reader.close()
    if (receipt.received, receipt.quarantined) != (events, 0):
        raise RuntimeError(
            f"{receipt.received} of {events} messages came, {receipt.quarantined} were refused."
        )
    # The end of a queue shows only by nothing more coming; a last segment that waited for that is left out.
    waited = moments[-1][1] - reader.last_s > IDLE_END_S / 2
    done, ended_s, ended_cpu_s = moments[-2 if waited and len(moments) > 2 else -1]
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
