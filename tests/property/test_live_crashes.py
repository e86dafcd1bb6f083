"""live, killed at any step of any part: the next run makes good what is missing, and doubles nothing.

The process is a model: doubles of queue, store and sink that do nothing more once one of them has died. Which
thread makes the k-th call differs from run to run; what must hold afterwards does not.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.codecs.json import JsonCodec
from eventreplay.live import live
from eventreplay.log import Log
from eventreplay.testing import (
    CrashAt,
    CrashingQueue,
    CrashingSink,
    CrashingStorage,
    SimulatedCrash,
    crash_at,
)
from eventreplay.testing.crash import When
from tests.live_run import Running, World, events, options
from tests.records import memory_storage, open_log

PARTITIONS = ("live-0", "live-1")
RUN_S_MAX = 20.0


class OneAtATime(CrashAt):
    """Counts calls of several threads; each is one step."""

    def __init__(self, k: int, when: When) -> None:
        super().__init__(k, when)
        self._lock = threading.RLock()

    def call(self, name: str, effect: Any) -> Any:
        if name == "receive":
            # It waits, and a wait is no step that the others would have to wait for.
            with self._lock:
                super().call(name, lambda: None)
            return effect()
        with self._lock:
            return super().call(name, effect)


def crashed(world: World, storage: Any, crash: CrashAt, rows: int) -> None:
    """A run that dies at its k-th call, or ends once all is loaded."""
    end_s = time.monotonic() + RUN_S_MAX
    try:
        live(
            open_log(CrashingStorage(storage, crash)),
            lambda: CrashingSink(world.sink(), crash),
            JsonCodec(),
            queues={name: lambda: CrashingQueue(world.queue(), crash) for name in PARTITIONS},
            clock=time.monotonic,
            stop=lambda: len(set(world.rows())) >= rows or time.monotonic() > end_s,
            options=options(finish_s=1.0),
        )
    except SimulatedCrash:
        # The broker learns of a dead process by its connection.
        for connection in range(len(world.broker._held)):
            world.broker.drop(connection)


def rows_of(log: Log) -> Counter[tuple[str, int]]:
    """Where each row of the log is."""
    found: Counter[tuple[str, int]] = Counter()
    for name in log.partitions():
        head = log.reader(name).head()
        found.update((name, offset) for offset in range(0 if head is None else head.next_offset))
    return found


@settings(max_examples=15, deadline=None)
@given(
    kills=st.lists(
        st.tuples(st.integers(1, 120), st.sampled_from(["before", "after"])), min_size=1, max_size=3
    )
)
def test_whatever_step_it_is_killed_at_nothing_is_lost_or_doubled(kills: list[tuple[int, When]]) -> None:
    world, storage = World(), memory_storage()
    rows = 0
    for k, when in kills:
        world.broker.publish(events(12, first=rows))
        rows += 12
        crashed(world, storage, OneAtATime(k, when), rows)
    log = open_log(storage)
    with Running(log, world, queues=dict.fromkeys(PARTITIONS, world.queue)) as running:
        running.until(lambda: len(set(world.rows())) == rows and world.broker.unsettled == 0)
        receipt = running.stop()
    assert receipt.behind_rows == 0
    assert set(world.rows()) == {event.event_id for event in events(rows)}
    # RAW mirrors the log, row for row; what the broker sent twice is there twice, under two offsets.
    assert Counter((row["log_partition"], row["log_offset"]) for row in world.warehouse.events) == rows_of(
        log
    )
    assert log.check().ok


def test_a_kill_happens() -> None:
    """The sweep above would prove nothing if no run died."""
    world, crash = World(), crash_at(30)
    world.broker.publish(events(12))
    crashed(world, memory_storage(), crash, 12)
    assert crash.fired
