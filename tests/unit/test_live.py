"""live: parts that fail and go on by themselves, an end in good order, and nothing lost or loaded twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from eventreplay.codecs.json import JsonCodec
from eventreplay.errors import (
    CodecChangedError,
    ConfigError,
    FenceError,
    SinkError,
    SourceError,
    SourceUnavailableError,
)
from eventreplay.event import Event
from eventreplay.interfaces import Delivery, QueueSource
from eventreplay.log import Log
from eventreplay.testing import MemorySource
from tests.live_run import Consumer, Loading, Running, World, away, events, until
from tests.records import memory_storage, open_log


@pytest.fixture
def log() -> Log:
    return open_log(memory_storage())


@pytest.fixture
def world() -> World:
    return World()


def ids(found: list[Event]) -> list[str]:
    return sorted(event.event_id for event in found)


def logged(log: Log) -> int:
    heads = [log.reader(name).head() for name in log.partitions()]
    return sum(head.next_offset for head in heads if head is not None)


def test_what_is_published_is_settled_and_in_the_warehouse(log: Log, world: World) -> None:
    queues = {"live-0": world.queue, "live-1": world.queue}
    with Running(log, world, queues=queues) as running:
        for first in range(0, 60, 20):
            world.broker.publish(events(20, first=first))
            running.until_loaded(first + 20)
        running.until(lambda: world.broker.unsettled == 0)
        receipt = running.stop()
    assert sorted(world.rows()) == ids(events(60))
    assert [each.partition for each in receipt.captures] == ["live-0", "live-1"]
    assert (
        sum(each.received for each in receipt.captures) == receipt.loaded.read == receipt.loaded.loaded == 60
    )
    assert (receipt.behind_rows, receipt.failures, receipt.late) == (0, 0, [])
    assert world.opened == 0


def test_a_message_is_settled_when_the_log_has_it_and_not_before(log: Log, world: World) -> None:
    held: list[int] = []

    class Watched(Consumer):
        def settle(self, delivery: Delivery) -> None:
            held.append(logged(log) - sum(held))
            super().settle(delivery)

    with Running(log, world, queues={"live-0": lambda: Watched(world, delivery_rows_max=7)}) as running:
        world.broker.publish(events(7))
        running.until_loaded(7)
        running.until(lambda: held)
    assert held == [7]


def test_a_warehouse_that_is_away_stops_no_capture(log: Log, world: World) -> None:
    with Running(log, world) as running:
        with away(world.warehouse_away):
            world.broker.publish(events(30))
            running.until(lambda: world.broker.unsettled == 0 and logged(log) == 30)
            running.until(lambda: running.part("load").state == "waiting")
            running.until(lambda: running.status and running.status.lag.partitions.get("live-0", 0) >= 30)
            assert world.rows() == []
            failure = running.part("load").failure
            assert failure is not None
            assert (failure.kind, failure.message) == ("SinkUnavailableError", "The warehouse is away.")
            assert running.part("capture live-0").failures == 0
        running.until_loaded(30)
        running.until(lambda: running.part("load").state == "running")
        running.until(lambda: running.status and running.status.lag.partitions == {"live-0": 0})
        receipt = running.stop()
    assert receipt.failures >= 1
    assert sorted(world.rows()) == ids(events(30))


def test_a_broker_that_is_away_stops_no_load(log: Log, world: World) -> None:
    elsewhere = World()
    with away(world.broker_away), Running(log, world) as running:
        running.until(lambda: running.part("capture live-0").state == "waiting")
        elsewhere.broker.publish(events(10))
        with Running(log, world, queues={"other": elsewhere.queue}, sink=elsewhere.sink) as other:
            other.until(lambda: logged(log) == 10)
        # Nobody of this process told the loader: it has looked.
        running.until_loaded(10)
        assert running.part("load").failures == 0
        world.broker.publish(events(5, first=10))
        world.broker_away.clear()
        running.until_loaded(15)
        running.stop()
    assert sorted(world.rows()) == ids(events(15))


def test_the_end_commits_settles_and_loads_what_is_held(log: Log, world: World) -> None:
    with Running(log, world, age_max_s=3600.0, every_s=3600.0) as running:
        world.broker.publish(events(12))
        running.until(lambda: world.broker.deliveries == 12)
        assert logged(log) == 0
        receipt = running.stop()
    assert (receipt.captures[0].received, receipt.loaded.loaded, world.broker.unsettled) == (12, 12, 0)
    assert sorted(world.rows()) == ids(events(12))


def test_the_end_does_not_wait_for_a_warehouse_that_is_away(log: Log, world: World) -> None:
    with away(world.warehouse_away), Running(log, world) as running:
        world.broker.publish(events(8))
        running.until(lambda: logged(log) == 8)
        running.until(lambda: running.part("load").failures > 0)
        receipt = running.stop()
    assert (receipt.behind_rows, receipt.captures[0].received, receipt.late) == (8, 8, [])
    with Running(log, world) as running:
        running.until_loaded(8)
    assert world.opened == 0


def test_the_end_is_bounded_where_a_part_hangs(log: Log, world: World) -> None:
    hung, release = threading.Event(), threading.Event()

    class Hanging(Loading):
        def write(self, rows: Any) -> None:
            hung.set()
            release.wait(20)
            super().write(rows)

    with Running(log, world, sink=lambda: Hanging(world), finish_s=0.2) as running:
        world.broker.publish(events(3))
        running.until(hung.is_set)
        receipt = running.stop()
        assert (receipt.late, receipt.behind_rows) == (["load"], 3)
    release.set()
    until(lambda: world.opened == 0)
    with Running(log, world) as running:
        running.until_loaded(3)


def test_a_final_error_of_the_sink_ends_all_in_good_order(log: Log, world: World) -> None:
    class Refusing(Loading):
        def write(self, rows: Any) -> None:
            del rows
            raise SinkError("The right to insert is missing.", hint="GRANT INSERT.")

    with Running(log, world, sink=lambda: Refusing(world)) as running:
        world.broker.publish(events(4))
        running.join()
    assert isinstance(running.error, SinkError)
    assert (logged(log), world.broker.unsettled, world.opened) == (4, 0, 0)
    assert running.part("load").state == "failed"
    assert running.part("capture live-0").state == "ended"


def test_a_final_error_of_a_capture_ends_the_others_at_their_commit(log: Log, world: World) -> None:
    broken = threading.Event()

    class Breaking(Consumer):
        def receive(self, timeout_s: float) -> Delivery | None:
            if broken.wait(min(timeout_s, 0.005)):
                raise SourceError("No right to read the queue.", hint="Grant it.")
            return None

    queues: dict[str, Callable[[], QueueSource]] = {"bad": lambda: Breaking(world), "good": world.queue}
    with Running(log, world, queues=queues, age_max_s=3600.0) as running:
        world.broker.publish(events(6))
        running.until(lambda: world.broker.deliveries == 6)
        broken.set()
        running.join()
    assert isinstance(running.error, SourceError)
    assert sorted(world.rows()) == ids(events(6))
    assert world.broker.unsettled == 0


def test_an_unforeseen_error_ends_all_and_its_text_is_not_told(log: Log, world: World) -> None:
    class Odd(Consumer):
        def receive(self, timeout_s: float) -> Delivery | None:
            del timeout_s
            raise ValueError("amqp://user:hunter2@host")

    with Running(log, world, queues={"live-0": lambda: Odd(world)}) as running:
        running.join()
    assert isinstance(running.error, ValueError)
    failure = running.part("capture live-0").failure
    assert failure is not None
    assert "hunter2" not in str(failure)


def test_of_two_copies_one_holds_the_partition_and_nothing_is_doubled(log: Log, world: World) -> None:
    with Running(log, world) as first:
        world.broker.publish(events(10))
        first.until_loaded(10)
        with Running(log, world) as second:
            published = 10

            def first_ends() -> bool:
                # It learns that the newer one has claimed the partition as it wants to commit.
                nonlocal published
                world.broker.publish(events(10, first=published))
                published += 10
                return first.ended

            second.until(first_ends)
            second.until(lambda: set(world.rows()) == set(ids(events(published))))
            second.until(lambda: world.broker.unsettled == 0)
            second.stop()
    assert isinstance(first.error, FenceError)
    assert first.error.exit_code == 4
    assert len(world.rows()) == logged(log)


def test_a_loader_whose_checkpoint_was_moved_goes_on_from_there(log: Log, world: World) -> None:
    """Somebody else loads as well: the memory warehouse would refuse a row that came twice."""
    queues = {"live-0": world.queue, "live-1": world.queue}
    other: dict[str, Callable[[], QueueSource]] = {"other": World().queue}
    with Running(log, world, queues=queues) as first, Running(log, world, queues=other) as second:
        for at in range(0, 200, 10):
            world.broker.publish(events(10, first=at))
            first.until_loaded(at)
        first.until_loaded(200)
        first.stop()
        second.stop()
    assert sorted(world.rows()) == ids(events(200))


def test_a_changed_codec_is_final(log: Log, world: World) -> None:
    with Running(log, world) as running:
        world.broker.publish(events(2))
        running.until_loaded(2)

    class Another(JsonCodec):
        @property
        def fingerprint(self) -> str:
            return "another"

    with Running(log, world, codec=Another()) as running:
        world.broker.publish(events(1, first=2))
        running.join()
    assert isinstance(running.error, CodecChangedError)
    assert logged(log) + world.broker.unsettled == 3
    assert len(world.rows()) == 2


def test_a_journal_is_followed_beside_the_queue(log: Log, world: World) -> None:
    journal = MemorySource(events(7), name="journal")
    faults = [SourceUnavailableError("The journal is away.", hint="Wait.")]

    def opened() -> MemorySource:
        if faults:
            raise faults.pop()
        return journal

    with Running(log, world, journals={"journal": opened}) as running:
        world.broker.publish(events(3, first=7))
        running.until_loaded(10)
        journal.append(events(5, first=10))
        running.until_loaded(15)
        assert running.part("capture journal").failures == 1
        receipt = running.stop()
    assert {each.partition: each.received for each in receipt.captures} == {"live-0": 3, "journal": 12}
    assert sorted(world.rows()) == ids(events(15))


def test_nothing_grows_while_the_warehouse_is_away(log: Log, world: World) -> None:
    most = 0
    with away(world.warehouse_away), Running(log, world, rows_max=10) as running:
        for first in range(0, 200, 40):
            world.broker.publish(events(40, first=first))
            before = first
            until(lambda: logged(log) >= before)  # noqa: B023 - asked before the next round
            most = max(most, world.broker.in_flight())
        running.until(lambda: logged(log) == 200)
    # Held are at most `rows_max` and the delivery that reached it; all else is in the broker or in the log.
    assert 0 < most <= 10 + 5


@pytest.mark.parametrize("sources", [{"queues": {}}, {"journals": {"live-0": MemorySource}}])
def test_what_cannot_be_captured_is_refused_before_anything_starts(
    log: Log, world: World, sources: dict[str, Any]
) -> None:
    with Running(log, world, **sources) as running:
        running.join()
    assert isinstance(running.error, ConfigError)
    assert not log.exists()
