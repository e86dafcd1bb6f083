"""capture against a list: whatever happens to it, the log holds each record once, in order (P1, P2, P3, P6,
P7).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.errors import FenceError
from eventreplay.event import Checkpoint
from eventreplay.log import PartitionWriter, Storage
from eventreplay.testing import CrashingSource, CrashingStorage, MemorySource, SimulatedCrash, crash_at
from tests.records import (
    PARTITION,
    Kind,
    Placed,
    Record,
    expected_events,
    expected_rejects,
    logged_events,
    logged_rejects,
    memory_storage,
    open_log,
    records,
)

BYTES_MAX = 120
"""Payload bytes of a segment: little, so that segments close by bytes as well as by positions."""

sizes = st.integers(1, 9)
many_workers = st.integers(1, 3)


class CaptureMachine(RuleBasedStateMachine):
    """A source that grows, a log, and runs that succeed, die or lose to another."""

    @initialize(first=st.integers(0, 2), step=st.integers(1, 4), width=st.integers(1, 12), more=records())
    def begin(self, first: int, step: int, width: int, more: list[tuple[Kind, bytes]]) -> None:
        self.storage = memory_storage()
        self.first, self.step, self.width = first, step, width
        self.placed: list[Placed] = []
        self.ends: list[int] = []
        """Where runs have ended with a segment that was not full: facts of the log, not of its source."""
        self.zombie: PartitionWriter | None = None
        self.source_grows(more)

    @rule(more=records())
    def source_grows(self, more: list[tuple[Kind, bytes]]) -> None:
        for kind, payload in more:
            number = len(self.placed)
            self.placed.append((self.first + number * self.step, Record(kind, number, payload)))

    @rule(batch_rows=sizes, workers=many_workers, part=st.floats(0, 1) | st.none())
    def capture_runs(self, batch_rows: int, workers: int, part: float | None) -> None:
        before = len(self.captured)
        upto = None if part is None or not self.placed else int(part * self.placed[-1][0])
        receipt = self.run(self.storage, batch_rows, workers, upto)
        assert receipt.received == receipt.logged + receipt.quarantined == len(self.captured) - before
        head = open_log(self.storage).reader(PARTITION).head()
        assert receipt.digest == ("" if head is None else head.sha256)
        assert receipt.position == (None if head is None else head.checkpoint.position)

    @rule(
        k=st.integers(1, 60),
        when=st.sampled_from(["before", "after"]),
        batch_rows=sizes,
        workers=many_workers,
        where=st.sampled_from(["storage", "source", "both"]),
    )
    def capture_dies(
        self, k: int, when: Literal["before", "after"], batch_rows: int, workers: int, where: str
    ) -> None:
        crash = crash_at(k, when)
        storage = CrashingStorage(self.storage, crash) if where != "source" else self.storage
        with suppress(SimulatedCrash):
            self.run(storage, batch_rows, workers, None, crashing=crash if where != "storage" else None)

    @rule(commits=st.integers(0, 2), batch_rows=sizes)
    def another_writer_takes_over(self, commits: int, batch_rows: int) -> None:
        """Some commits into a run somebody else claims the partition: the run finishes nothing more."""
        done: list[int] = []

        def take_over(_: int, __: int | None) -> None:
            done.append(1)
            if len(done) == commits + 1:
                self.zombie = self.writer()

        before = self.head_number
        # No error if it had nothing left to commit, or ended before the other came.
        with suppress(FenceError):
            self.run(self.storage, batch_rows, 1, None, progress=take_over)
        assert self.head_number - before == len(done) <= commits + 1

    @rule()
    def writer_opened_and_left(self) -> None:
        """A runner claims the partition and stands still; what it does later is `zombie_wakes`."""
        self.zombie = self.writer()

    @rule()
    def zombie_wakes(self) -> None:
        """Whoever lost the partition, however long ago, can commit nothing."""
        if self.zombie is None:
            return
        zombie, self.zombie = self.zombie, None
        self.writer().close()
        far = Checkpoint(source="memory", epoch="1", position=10**9)
        for _ in range(2):
            with pytest.raises(FenceError):
                zombie.commit([], [], far)
        zombie.close()

    @invariant()
    def each_record_is_there_once(self) -> None:
        log = open_log(self.storage)
        assert logged_events(log) == expected_events(self.captured)
        assert logged_rejects(log) == expected_rejects(self.captured)
        report = log.check()
        assert report.ok, report.findings

    def teardown(self) -> None:
        """Undisturbed to the end; then the log is, byte for byte, that of runs nothing ever happened to."""
        if not hasattr(self, "storage"):
            return
        self.run(self.storage, 5, 1, None)
        assert [record for _, record in self.captured] == [record for _, record in self.placed]
        self.each_record_is_there_once()
        other = memory_storage()
        for end in self.ends:
            log = open_log(other)
            if any(position <= end for position, _ in self.placed) and self.moves(other, end):
                capture(self.source(3), log, PARTITION, upto=end, options=self.options(2))
        assert open_log(other).sha256() == open_log(self.storage).sha256()

    def moves(self, storage: Storage, end: int) -> bool:
        known = open_log(storage).reader(PARTITION).checkpoint()
        return known is None or known.position < end

    def run(
        self,
        storage: Storage | CrashingStorage,
        batch_rows: int,
        workers: int,
        upto: int | None,
        *,
        crashing: object = None,
        progress: object = None,
    ) -> CaptureReceipt:
        source = self.source(batch_rows)
        end = (
            None if not self.placed else self.placed[-1][0] if upto is None else min(upto, self.placed[-1][0])
        )
        try:
            return capture(
                source if crashing is None else CrashingSource(source, crashing),  # type: ignore[arg-type]
                open_log(storage),
                PARTITION,
                upto=upto,
                options=self.options(workers),
                progress=progress,  # type: ignore[arg-type]
            )
        finally:
            known = open_log(self.storage).reader(PARTITION).checkpoint()
            if end is not None and known is not None and known.position == end and end not in self.ends:
                self.ends.append(end)

    def source(self, batch_rows: int) -> MemorySource:
        items = [record.item() for _, record in self.placed]
        return MemorySource(items, first_position=self.first, step=self.step, batch_rows_max=batch_rows)

    def options(self, workers: int) -> CaptureOptions:
        return CaptureOptions(segment_positions=self.width, segment_bytes_max=BYTES_MAX, workers=workers)

    def writer(self) -> PartitionWriter:
        head = open_log(self.storage).reader(PARTITION).head()
        width = self.width if head is None else head.segment_positions
        return open_log(self.storage).writer(PARTITION, segment_positions=width)

    @property
    def head_number(self) -> int:
        head = open_log(self.storage).reader(PARTITION).head()
        return 0 if head is None else head.number

    @property
    def captured(self) -> list[Placed]:
        """What the log's checkpoint says is in it: the promise that the invariant holds it to."""
        known = open_log(self.storage).reader(PARTITION).checkpoint()
        return [] if known is None else [one for one in self.placed if one[0] <= known.position]


CaptureMachine.TestCase.settings = settings(max_examples=22, stateful_step_count=12)
TestCapture = CaptureMachine.TestCase
