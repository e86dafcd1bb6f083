"""capture from a first position on: for a partition that is to hold a range of a journal."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pytest

from eventreplay.capture import capture
from eventreplay.errors import ConfigError
from eventreplay.event import Position
from eventreplay.interfaces import Gaps
from eventreplay.log import Log
from eventreplay.testing import MemorySource
from tests.records import Record, logged_events, memory_storage, open_log


@pytest.fixture
def log() -> Log:
    return open_log(memory_storage())


def events(count: int) -> list[Record]:
    return [Record("event", number, b"payload %d" % number) for number in range(count)]


def source(records: list[Record]) -> MemorySource:
    return MemorySource([record.item() for record in records])


class Holed(MemorySource):
    """Positions 1, 4 and 7 are dead, and it says so once it was told where to begin."""

    after = -1

    def resume(self, after: Position | None) -> None:
        self.after = -1 if after is None else int(after)

    def gaps(self) -> list[Gaps]:
        dead = pa.array([hole for hole in (1, 4, 7) if hole > self.after], pa.int64())
        return [Gaps(after=self.after, upto=9, first=dead, last=dead, evidence={"proof": "none can come"})]

    def late(self, gaps: Iterable[Gaps]) -> list[int]:
        del gaps
        return []


def test_a_range_is_taken_from_its_first_position_to_its_last(log: Log) -> None:
    told: list[tuple[int, int | None]] = []
    receipt = capture(
        source(events(9)), log, "journal", first=3, upto=6, progress=lambda *step: told.append(step)
    )
    assert (receipt.received, receipt.position) == (4, 6)
    assert [row[2] for row in logged_events(log)] == [f"event-{number}" for number in range(3, 7)]
    assert told == [(4, 4)]


@pytest.mark.parametrize("first", [None, 0, 3, 7])
def test_what_was_begun_at_a_position_goes_on_behind_its_checkpoint(log: Log, first: int | None) -> None:
    capture(source(events(9)), log, "journal", first=3, upto=6)
    assert capture(source(events(9)), log, "journal", first=first).received == 2
    assert [row[2] for row in logged_events(log)] == [f"event-{number}" for number in range(3, 9)]


def test_a_first_position_behind_a_hole_is_refused(log: Log) -> None:
    capture(source(events(9)), log, "journal", upto=6)
    before = log.sha256()
    with pytest.raises(ConfigError, match="would leave a hole") as caught:
        capture(source(events(12)), log, "journal", first=8)
    assert caught.value.fields == {"partition": "journal", "position": 6}
    assert log.sha256() == before


def test_a_first_position_beyond_the_head_takes_nothing_until_it_is_there(log: Log) -> None:
    receipt = capture(source(events(5)), log, "journal", first=7)
    assert (receipt.received, receipt.position, log.exists()) == (0, None, False)
    assert capture(source(events(8)), log, "journal", first=7).received == 1


@pytest.mark.parametrize(("first", "upto"), [(-1, None), (4, 3)])
def test_a_range_that_is_none_is_refused(log: Log, first: int, upto: int | None) -> None:
    with pytest.raises(ConfigError):
        capture(source(events(5)), log, "journal", first=first, upto=upto)


@pytest.mark.parametrize(("first", "entered"), [(None, [1, 4, 7]), (3, [4, 7]), (4, [4, 7]), (5, [7])])
def test_holes_below_the_first_position_are_none_of_this_partition(
    log: Log, first: int | None, entered: list[int]
) -> None:
    capture(Holed([record.item() for record in events(10)]), log, "journal", first=first)
    found = [hole for gaps in log.gaps("journal").open() for hole in gaps.first.to_pylist()]
    assert found == entered
