"""capture_queue against a broker that repeats and reorders: settled means durable, and nothing is lost (P1,
P6, P7).
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventreplay.capture import CaptureReceipt
from eventreplay.errors import FenceError
from eventreplay.event import Event
from eventreplay.interfaces import Delivery
from eventreplay.log import Storage
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.testing import (
    CrashingQueue,
    CrashingStorage,
    ManualSeconds,
    MemoryBroker,
    MemoryQueue,
    SimulatedCrash,
    crash_at,
)
from tests.records import Record, logged_events, logged_rejects, memory_storage, open_log

PARTITION = "live-0"

kinds = st.sampled_from(["event", "event", "event", "nameless"])
published = st.lists(st.tuples(kinds, st.binary(max_size=12)), min_size=1, max_size=10)
options = st.builds(
    QueueOptions,
    rows_max=st.integers(1, 8),
    bytes_max=st.sampled_from([400, 1 << 20]),
    age_max_s=st.sampled_from([0.0, 0.3, 60.0]),
    idle_end_s=st.sampled_from([0.0, 0.2, 1.0]),
)


class WatchedQueue(MemoryQueue):
    """Looks into the log whenever something is settled: it must be there already."""

    def __init__(
        self, broker: MemoryBroker, storage: Storage, clock: ManualSeconds, delivery_rows_max: int
    ) -> None:
        super().__init__(broker, delivery_rows_max=delivery_rows_max, advance=clock.advance)
        self._storage = storage

    def settle(self, delivery: Delivery) -> None:
        there = Counter(contents(self._storage))
        wanted = Counter((event.event_id or "", event.payload) for event in delivery.batch.to_events())
        assert wanted <= there, "settled before it was durable"
        super().settle(delivery)


def contents(storage: Storage) -> list[tuple[str, bytes]]:
    log = open_log(storage)
    events = [(event_id, payload) for _, _, event_id, payload in logged_events(log, PARTITION)]
    return events + [("", payload) for _, _, _, payload in logged_rejects(log, PARTITION)]


class QueueMachine(RuleBasedStateMachine):
    """A broker, consumers that come and go, and one partition of the log."""

    @initialize(seed=st.integers(0, 1000), repeats=st.integers(1, 3), first=published)
    def begin(self, seed: int, repeats: int, first: list[tuple[Literal["event", "nameless"], bytes]]) -> None:
        self.broker = MemoryBroker(seed=seed, repeats_max=repeats)
        self.storage = memory_storage()
        self.clock = ManualSeconds()
        self.sent: list[tuple[str, bytes]] = []
        self.broker_confirms(first)

    @rule(more=published)
    def broker_confirms(self, more: list[tuple[Literal["event", "nameless"], bytes]]) -> None:
        for kind, payload in more:
            # The number makes each payload one of its own, so that none can stand in for another.
            number = len(self.sent)
            event = Record(kind, number, payload + b"%d" % number).item()
            assert isinstance(event, Event)
            self.broker.publish([event])
            self.sent.append((event.event_id, event.payload))

    @rule(how=options, delivery_rows=st.integers(1, 5))
    def consumer_runs(self, how: QueueOptions, delivery_rows: int) -> None:
        before = len(contents(self.storage))
        queue = self.consumer(delivery_rows)
        receipt = self.capture(queue, self.storage, how)
        queue.close()
        after = len(contents(self.storage))
        assert receipt.received == receipt.logged + receipt.quarantined == after - before
        assert self.broker.unsettled == 0, "it ended while the queue still had messages"

    @rule(
        k=st.integers(1, 50),
        when=st.sampled_from(["before", "after"]),
        how=options,
        delivery_rows=st.integers(1, 5),
    )
    def consumer_dies(
        self, k: int, when: Literal["before", "after"], how: QueueOptions, delivery_rows: int
    ) -> None:
        crash = crash_at(k, when)
        queue = self.consumer(delivery_rows)
        with suppress(SimulatedCrash):
            self.capture(CrashingQueue(queue, crash), CrashingStorage(self.storage, crash), how)
        queue.close()

    @rule(how=options, commits=st.integers(0, 2))
    def another_consumer_takes_the_partition(self, how: QueueOptions, commits: int) -> None:
        done: list[int] = []

        def take_over(_: int, __: int | None) -> None:
            done.append(1)
            if len(done) == commits + 1:
                open_log(self.storage).writer(PARTITION, segment_positions=None).close()

        queue = self.consumer(2)
        unsettled = self.broker.unsettled
        try:
            self.capture(queue, self.storage, how, take_over)
        except FenceError:
            assert len(done) == commits + 1
            assert 0 < self.broker.unsettled < unsettled, (
                "what it held when it lost the partition is not settled"
            )
        queue.close()

    @invariant()
    def whatever_was_confirmed_is_in_the_log_or_still_in_the_broker(self) -> None:
        there = set(contents(self.storage))
        waiting = {(event.event_id, event.payload) for event in self.broker._messages.values()}
        assert set(self.sent) == there | waiting
        assert open_log(self.storage).check().ok

    @invariant()
    def the_checkpoint_counts_what_is_there(self) -> None:
        known = open_log(self.storage).reader(PARTITION).checkpoint()
        assert len(contents(self.storage)) == (0 if known is None else known.position + 1)

    def teardown(self) -> None:
        if hasattr(self, "broker"):
            self.consumer_runs(QueueOptions(), 3)
            assert set(contents(self.storage)) == set(self.sent)

    def consumer(self, delivery_rows: int) -> WatchedQueue:
        return WatchedQueue(self.broker, self.storage, self.clock, delivery_rows)

    def capture(
        self, queue: object, storage: object, how: QueueOptions, progress: object = None
    ) -> CaptureReceipt:
        log = open_log(storage)  # type: ignore[arg-type]
        return capture_queue(queue, log, PARTITION, clock=self.clock, options=how, progress=progress)  # type: ignore[arg-type]


QueueMachine.TestCase.settings = settings(max_examples=22, stateful_step_count=10)
TestCaptureQueue = QueueMachine.TestCase
