"""Broken sources fail the source suite, each in the test that is meant for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.batch import Batch
from eventreplay.event import Event, Position
from eventreplay.interfaces import Source
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySource
from eventreplay.testing.examples import example_events
from eventreplay.testing.source_suite import GrowingSourceSuite, ReplaceableSourceSuite
from tests.unit.testing.biting import failing

REFUSED = Rejected(source_position=0, payload=b"?", error_code="json_malformed", error_message="Not JSON.")
_numbers = count()


def suite_of(broken: type[MemorySource]) -> type[Any]:
    class Suite(GrowingSourceSuite, ReplaceableSourceSuite):
        rejects_min = 1

        def prepare(self) -> None:
            self.items: list[Any] = [*example_events(6), REFUSED, *example_events(2, first=6)]
            self.sources: list[MemorySource] = []

        def make_source(self, *, batch_rows_max: int = 64) -> Source:
            source = broken(self.items, batch_rows_max=batch_rows_max)
            self.sources.append(source)
            return source

        def append(self, events: Sequence[Event]) -> None:
            self.items += events
            for source in self.sources:
                source.append(events)

        def make_replaced_source(self) -> Source:
            return broken(self.items, epoch="2")

    return Suite


class IncludesAfter(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        return super().read(None if after is None or after == 0 else Position(after - 1), upto)


class TakesPositionZeroForNone(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        return super().read(after or None, upto)


class ExcludesUpto(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        return super().read(after, Position(upto - 1))


class SkipsTheFirst(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        batches = list(super().read(after, upto))
        return iter(batches[1:] if after is not None else batches)


class DropsRejected(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        return (Batch(batch.events) for batch in super().read(after, upto))


class ReadsOnce(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        yield from super().read(after, upto)
        self._items = []


class ForgetsOnRestart(MemorySource):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, first_position=next(_numbers), **keywords)


class Unordered(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        return iter(list(super().read(after, upto))[::-1])


class IgnoresBatchRows(MemorySource):
    def __init__(self, *arguments: Any, batch_rows_max: int = 1, **keywords: Any) -> None:
        super().__init__(*arguments, batch_rows_max=batch_rows_max + 1, **keywords)


class LosesTheLastPartialBatch(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        return (batch for batch in super().read(after, upto) if batch.rows in (1, self._batch_rows_max))


class HeadIsBehind(MemorySource):
    def head(self) -> Position | None:
        head = super().head()
        return None if head is None else Position(head - 1)


class HeadGoesBack(MemorySource):
    asked = 0

    def head(self) -> Position | None:
        head = super().head()
        HeadGoesBack.asked += 1
        return head if head is None or HeadGoesBack.asked % 2 else Position(head - 1)


class EpochByObject(MemorySource):
    def epoch(self) -> str:
        return str(id(self))


class EpochByContent(MemorySource):
    def epoch(self) -> str:
        return str(len(self._items))


class EpochNever(MemorySource):
    def epoch(self) -> str:
        return "always"


class WrongSchema(MemorySource):
    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        for batch in super().read(after, upto):
            yield Batch(
                batch.events.append_column("surprise", pa.nulls(batch.events.num_rows)), batch.rejected
            )


class ClosesOnce(MemorySource):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class OneCursor(MemorySource):
    cursor: Iterator[Batch] | None = None

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        if self.cursor is None:
            self.cursor = super().read(after, upto)
        yield from self.cursor
        self.cursor = None


class GrowsAtTheFront(MemorySource):
    def append(self, items: Any) -> None:
        held, self._items, self._next_position = list(self._items), [], 0
        super().append([*items, *held])


BROKEN = {
    IncludesAfter: "test_resumes_after_every_position",
    TakesPositionZeroForNone: "test_after_none_and_after_position_zero_differ",
    ExcludesUpto: "test_reads_up_to_every_position_inclusive",
    SkipsTheFirst: "test_resumes_after_every_position",
    DropsRejected: "test_gives_enough_records_to_be_tested",
    ReadsOnce: "test_same_range_twice_is_equal",
    ForgetsOnRestart: "test_same_range_twice_is_equal",
    Unordered: "test_positions_ascend_strictly_across_batches",
    IgnoresBatchRows: "test_batch_size_has_no_influence",
    LosesTheLastPartialBatch: "test_batch_size_has_no_influence",
    HeadIsBehind: "test_growth_leaves_history_alone",
    HeadGoesBack: "test_head_is_safe_and_does_not_go_back",
    EpochByObject: "test_epoch_and_name_are_stable",
    EpochByContent: "test_growth_leaves_history_alone",
    EpochNever: "test_epoch_changes_when_replaced",
    WrongSchema: "test_batches_have_the_exact_schema",
    ClosesOnce: "test_close_is_idempotent",
    OneCursor: "test_abandoned_read_leaves_nothing_behind",
    GrowsAtTheFront: "test_a_range_once_announced_does_not_change",
}


def test_the_sound_source_passes() -> None:
    assert failing(suite_of(MemorySource)) == set()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_broken_source_fails(broken: type[MemorySource]) -> None:
    assert BROKEN[broken] in failing(suite_of(broken))
