"""A consumer killed between receiving and settling, at each system call: what was confirmed is in the log.

Its batches are fixed (the queue is full before it starts, its prefetch bounds each), so that a point is the
same call in each run. What the broker had delivered and not heard of comes again: the next consumer takes it,
and what is then in the log twice is no more than was unsettled.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from attrs import define, field

from eventreplay.log import Log
from eventreplay.sources.rabbitmq.settings import QueueType, RabbitSettings
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.kill_sweep import DURABLE, KillSweep, Point, Run
from eventreplay.testing.faults.publisher import Ledger, Publisher, missing
from tests.integration.rabbitmq.books import PARTITION, Found, declared, run
from tests.integration.rabbitmq.consumer import PREFETCH

CONSUMER = Path(__file__).with_name("consumer.py")
ROWS = 24
"""Three commits of half the prefetch."""
SOCKET = ("recvfrom", "sendto")
ACK = '""..., 21, 0'
"""Arguments of sending one basic.ack: a method frame of 13 bytes and its overhead of 8."""
TRACES = 3
"""Undisturbed runs: a call that a library makes now and then shifts the numbers of those behind it."""
TIMES_MAX = 4
"""Calls are counted by thread, and which thread of a pool makes one is not fixed: a run may miss a point."""


@define
class Sweep:
    """The sweep of one queue and one folder, with the ledger of the run at hand."""

    url: str
    folder: Path
    how: str = "carefully"
    kind: QueueType = "quorum"
    consumer: RabbitSettings = field(init=False)
    sweep: KillSweep = field(init=False)
    ledger: Ledger = field(init=False, factory=Ledger)

    def __attrs_post_init__(self) -> None:
        self.consumer = declared(self.url, queue_type=self.kind)
        self.sweep = KillSweep(
            [sys.executable, str(CONSUMER), self.how, str(self.folder), str(ROWS)],
            calls=(*DURABLE, *SOCKET),
            env={**os.environ, "BROKER": self.url, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def before(self, point: Point) -> None:
        """An empty log, and events in the queue that no other run has."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        with Publisher(self.url, routing_key="events") as publisher:
            self.ledger = publisher.publish(example_events(ROWS, first=point.number * ROWS))
        assert len(self.ledger.confirmed) == ROWS

    def points(self) -> list[Point]:
        """Calls that every run makes, whatever a library writes besides."""
        first, *others = (self._traced() for _ in range(TRACES))
        return [point for numbers, point in first.items() if all(numbers in other for other in others)]

    def _traced(self) -> dict[tuple[str, int], Point]:
        """Calls on the log's files and on sockets. Threads that number a call alike share a point."""
        found: dict[tuple[str, int], Point] = {}
        for point in self.sweep.points(self.before):
            if point.call in SOCKET or str(self.folder) in point.text:
                found.setdefault((point.call, point.ordinal), point)
        self.complete()
        return found

    def complete(self) -> int:
        """Nothing is missing; how many rows are in the log a second time."""
        found = Found(self.folder)
        found.holds(self.ledger)
        assert len(found.times) == ROWS
        return found.duplicates

    def die(self, points: Sequence[Point], check: Callable[[Run, int, int], None]) -> None:
        """Kill at each point, capture what is left, and check: the run, rows in the log then, duplicates."""
        left = list(points)
        for _ in range(TIMES_MAX):
            left = [killed.point for killed in self._died(left, check) if not killed.reached]
        assert not left, f"never reached: {left}"

    def _died(self, points: Sequence[Point], check: Callable[[Run, int, int], None]) -> Iterator[Run]:
        for killed in self.sweep.runs(before=self.before, points=points):
            assert killed.killed == killed.reached, f"{killed.point}: {killed.status} {killed.output}"
            committed = rows_in(self.folder)
            received = run(self.consumer, self.folder, idle_end_s=0.8, age_max_s=0.1).received
            duplicates = self.complete()
            assert committed + received == ROWS + duplicates, str(killed.point)
            assert duplicates <= min(committed, PREFETCH), str(killed.point)
            if killed.reached:
                check(killed, committed, duplicates)
            yield killed


def rows_in(folder: Path) -> int:
    """Rows committed so far; none if it died before it had made a log."""
    head = Log.open(folder).reader(PARTITION).head()
    return 0 if head is None else head.next_offset


def commits(points: Sequence[Point]) -> list[Point]:
    """The renames that publish a commit: before it nothing counts, behind it everything does."""
    return [point for point in points if point.call == "rename"]


def acks(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.call == "sendto" and ACK in point.text]


def test_killed_before_and_behind_each_boundary(rabbitmq_url: str, tmp_path: Path) -> None:
    sweep = Sweep(rabbitmq_url, tmp_path / "log")
    points = sweep.points()
    published, acked = commits(points), acks(points)
    assert len(published) == len(acked) == 3
    files = [point for point in points if point.call not in SOCKET]
    chosen = [
        files[files.index(published[0]) - 1],
        published[0],
        acked[0],
        acked[1],
        published[-1],
        acked[-1],
    ]
    seen: list[tuple[int, int]] = []
    sweep.die(chosen, lambda _, committed, duplicates: seen.append((committed, duplicates)))
    assert [committed for committed, _ in seen[:2]] == [0, 0]
    # An acknowledgement that was not sent: what it was for comes again.
    assert seen[2][1] >= 8
    assert seen[3][1] >= 8
    # On the last message: committed, and its acknowledgement is the last thing missing.
    assert seen[4][0] == 16
    assert seen[5] == (24, 8)


def test_a_consumer_that_settles_first_is_found(rabbitmq_url: str, tmp_path: Path) -> None:
    sweep = Sweep(rabbitmq_url, tmp_path / "log", how="carelessly")
    chosen = commits(sweep.points())[1]
    (killed,) = sweep.sweep.runs(before=sweep.before, points=[chosen])
    assert killed.killed
    assert killed.reached
    run(sweep.consumer, sweep.folder, idle_end_s=0.8, age_max_s=0.1)
    assert missing(sweep.ledger.confirmed, Found(sweep.folder).sha256)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_killed_at_every_call(kind: QueueType, rabbitmq_url: str, tmp_path: Path) -> None:
    sweep = Sweep(rabbitmq_url, tmp_path / "log", kind=kind)
    points = sweep.points()
    assert len(points) >= 80
    seen: set[tuple[int, bool]] = set()
    sweep.die(points, lambda _, committed, duplicates: seen.add((committed, duplicates > 0)))
    assert {committed for committed, _ in seen} == {0, 8, 16, 24}
    assert {(8, True), (24, True), (24, False)} <= seen
