"""The loader: how often it loads, how much at once, and when it lets go of the sink."""

from __future__ import annotations

from typing import Any

import pytest

from eventreplay.errors import ConfigError
from eventreplay.live import LiveReceipt
from eventreplay.loader import LoadOptions
from eventreplay.log import Log
from tests.live_run import Loading, Running, World, events
from tests.records import memory_storage, open_log


@pytest.fixture
def log() -> Log:
    return open_log(memory_storage())


@pytest.fixture
def world() -> World:
    return World()


class Dear(Loading):
    """A sink whose transactions are dear."""

    transaction_rows_min = 1000


class Exclusive(Loading):
    """A sink that nobody else can read while it is open."""

    locks_others_out = True


def logged(log: Log) -> int:
    head = log.reader("live-0").head()
    return 0 if head is None else head.next_offset


def run(log: Log, world: World, batches: dict[int, int], **how: Any) -> LiveReceipt:
    """Publish so many at a time, and wait until so many rows of all are loaded; then end it."""
    with Running(log, world, **how) as running:
        for rows, loaded in batches.items():
            published = logged(log) + rows
            world.broker.publish(events(rows, first=logged(log)))
            running.until(lambda: world.broker.unsettled == 0)
            running.until_loaded(loaded)
            assert (logged(log), len(world.rows())) == (published, loaded)
        return running.stop()


def test_what_comes_after_a_silence_is_loaded_at_once_and_then_no_more_often_than_asked(
    log: Log, world: World
) -> None:
    receipt = run(log, world, {5: 5, 6: 5, 7: 5}, every_s=3600.0)
    assert (len(world.rows()), receipt.loaded.transactions) == (18, 2)
    assert receipt.loaded.commits == receipt.captures[0].commits >= 3


def test_many_rows_that_wait_are_loaded_before_their_time(log: Log, world: World) -> None:
    with Running(log, world, every_s=3600.0, rows=20) as running:
        world.broker.publish(events(5))
        running.until_loaded(5)
        world.broker.publish(events(40, first=5))
        running.until_loaded(25)


def test_a_sink_that_prefers_large_transactions_gets_them(log: Log, world: World) -> None:
    receipt = run(log, world, {5: 5, 6: 5, 7: 5}, every_s=None, sink=lambda: Dear(world))
    assert (len(world.rows()), receipt.loaded.transactions) == (18, 2)


@pytest.mark.parametrize(
    ("kind", "release", "is_open"),
    [(Loading, None, 1), (Exclusive, None, 0), (Loading, True, 0), (Exclusive, False, 1)],
)
def test_who_locks_others_out_is_let_go_between_loads(
    log: Log, world: World, kind: type[Loading], release: Any, is_open: int
) -> None:
    with Running(log, world, sink=lambda: kind(world), release=release, every_s=3600.0) as running:
        world.broker.publish(events(3))
        running.until_loaded(3)
        running.until(lambda: running.status and running.status.lag.partitions == {"live-0": 0})
        running.until(lambda: world.opened == is_open)
    assert world.opened == 0


def test_a_partition_that_is_up_to_date_costs_the_sink_nothing(log: Log, world: World) -> None:
    opened: list[int] = []

    def sink() -> Loading:
        opened.append(1)
        return Loading(world)

    with Running(log, world, sink=sink, release=True) as running:
        world.broker.publish(events(3))
        running.until_loaded(3)
        seen = len(running.statuses)
        running.until(lambda: len(running.statuses) > seen + 40)
        running.stop()
    assert len(opened) == 1


def test_what_was_loaded_before_is_not_loaded_again(log: Log, world: World) -> None:
    for first in (0, 10):
        with Running(log, world) as running:
            world.broker.publish(events(10, first=first))
            running.until_loaded(first + 10)
            assert running.stop().loaded.loaded == 10


def test_how_far_the_sink_is_behind_is_told_in_rows_commits_and_seconds(log: Log, world: World) -> None:
    world.warehouse_away.set()
    with Running(log, world, rows_max=5) as running:
        world.broker.publish(events(15))
        running.until(lambda: logged(log) == 15)
        running.until(lambda: running.status and running.status.lag.commits == 3)
        assert running.status is not None
        assert running.status.lag.partitions == {"live-0": 15}
        before_s = running.status.lag.seconds
        running.until(lambda: running.status and running.status.lag.seconds > before_s > 0)
        world.warehouse_away.clear()
        running.until(lambda: running.status and running.status.lag.seconds == 0)
        assert running.status.lag.commits == 0


def test_the_folder_of_commits_is_listed_at_the_start_and_then_seldom(world: World) -> None:
    """A day of a commit a second makes 86,400 of them: nobody may list those each time one comes."""
    storage, listed, at_first = memory_storage(), [], 0

    class Listing:
        def __getattr__(self, name: str) -> Any:
            return getattr(storage, name)

        def keys(self, prefix: str, after: str = "") -> Any:
            listed.append(prefix)
            return storage.keys(prefix, after)

    log = Log.open("memory", storage=Listing())
    with Running(log, world) as running:
        for rows in range(5, 55, 5):
            world.broker.publish(events(5, first=rows - 5))
            running.until_loaded(rows)
            running.until(lambda: running.status and running.status.lag.partitions == {"live-0": 0})
            # The writer as it begins, and the loader before it has seen a commit; then nobody.
            at_first = len(listed) if rows == 5 else at_first
        assert len(listed) == at_first > 0


@pytest.mark.parametrize("wrong", [{"every_s": -1.0}, {"rows": 0}, {"poll_s": 0.0}])
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LoadOptions(**wrong)
