"""Capturing a queue: one consumer or several, each with a connection, a partition and a thread of its own.

Threads, not processes: the drivers release the interpreter while they wait, hashing and encoding release it
while they work, and one process has one place for signals and one receipt. Whoever outgrows that starts the
command several times, with other partitions.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from attrs import define, evolve, frozen

from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.progress import Report
from eventreplay.cli.stopping import Stop
from eventreplay.interfaces import QueueSource
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.retrying import retried
from eventreplay.totals import Totals

ATTEMPTS_MAX = 5
"""Of a run that ends by itself; a service never gives up on what may pass."""
LOOK_EVERY_S = 0.2
"""How often the main thread looks for signals while consumers work."""


@frozen(kw_only=True)
class Consumers:
    """What a capture of a queue does.

    Attributes:
        make: opens one consumer; called again after an error.
        service: never end by itself.
        options: when to commit, and when to end.
    """

    make: Callable[[], QueueSource]
    service: bool
    options: QueueOptions


@define
class _Tally:
    """Events of all consumers together, for the progress line."""

    report: Report
    lock: threading.Lock
    received: int = 0

    def add(self, rows: int) -> None:
        with self.lock:
            self.received += rows
            self.report(self.received, None)


def consume(consumers: Consumers, totals: list[Totals], stop: Stop, report: Report) -> None:
    """Run one consumer for each of `totals` until they end or are told to; the receipts are `totals`.

    Raises:
        EventReplayError: the first final error of any consumer; the others were ended at their commit.
    """
    tally = _Tally(report, threading.Lock())
    if len(totals) == 1:
        _consume(consumers, totals[0], stop, tally)
        return
    with ThreadPoolExecutor(len(totals), thread_name_prefix="eventreplay-consumer") as executor:
        running: set[Future[None]] = {
            executor.submit(_consume, consumers, each, stop, tally) for each in totals
        }
        try:
            while running:
                done, running = wait(running, LOOK_EVERY_S, FIRST_EXCEPTION)
                for future in done:
                    future.result()
        finally:
            # After an error the others must not go on for ever behind the exit of the executor.
            if running:
                stop.request()


def _consume(consumers: Consumers, totals: Totals, stop: Stop, tally: _Tally) -> None:
    def once() -> None:
        if stop.requested():
            return
        totals.begin()
        before = 0

        def progress(received: int, _total: int | None) -> None:
            nonlocal before
            tally.add(received - before)
            before = received

        queue = consumers.make()
        try:
            receipt = capture_queue(
                queue,
                totals.log,
                totals.partition,
                clock=time.monotonic,
                # Of the whole run, not of this attempt: what earlier ones took is gone.
                options=evolve(consumers.options, run_max_s=stop.left_s()),
                progress=progress,
                stop=stop.requested,
            )
        finally:
            queue.close()
        totals.done(receipt)

    attempts_max = sys.maxsize if consumers.service else ATTEMPTS_MAX
    retried(once, attempts_max=attempts_max, told=warn_of_retry, sleep=stop.wait)
