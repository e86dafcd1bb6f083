"""What every re-readable source must do. Inherit it, say how to make your source, run pytest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA, Batch
from eventreplay.event import Event, Position
from eventreplay.interfaces import Source
from eventreplay.testing.checks import check, check_equal
from eventreplay.testing.examples import example_events

_LARGE_ROWS = 10_000
_RECORDS_MIN = 5


class SourceSuite(ABC):
    """Resume, repeatability, order, bounds. Your data: 5 to 200 records, position 0 first if you can.

    Attributes:
        rejects_min: how many of your records are meant to be rejected; the suite insists on them.
    """

    rejects_min: ClassVar[int] = 0

    @abstractmethod
    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        """A new source over the same data, as after a restart. Never more rows in a batch than asked."""

    def test_gives_enough_records_to_be_tested(self) -> None:
        records = self._all()
        check(len(records) >= _RECORDS_MIN, f"The suite needs at least {_RECORDS_MIN} records.")
        rejected = sum("error_code" in record for record in records)
        check(rejected >= self.rejects_min, f"{rejected} rejected records, {self.rejects_min} were due.")

    def test_batches_have_the_exact_schema(self) -> None:
        for batch in self._batches(self.make_source(), None, None):
            check(isinstance(batch, Batch), "read() yields Batch objects.")
            check(batch.events.schema.equals(EVENT_SCHEMA), "Batch.events must have EVENT_SCHEMA exactly.")
            batch.events.validate(full=True)
            if batch.rejected is not None:
                check(
                    batch.rejected.schema.equals(REJECT_SCHEMA),
                    "Batch.rejected must have REJECT_SCHEMA exactly.",
                )
                batch.rejected.validate(full=True)

    def test_positions_ascend_strictly_across_batches(self) -> None:
        last = -1
        for batch in self._batches(self.make_source(batch_rows_max=2), None, None):
            for part in (batch.events, batch.rejected):
                positions = [] if part is None else part.column("source_position").to_pylist()
                check(None not in positions, "Every record of a re-readable source has a position.")
                check(positions == sorted(set(positions)), "Positions within a batch do not ascend strictly.")
            together = [record["source_position"] for record in _records(batch)]
            check(together == sorted(set(together)), "An event and a rejected record share a position.")
            check(
                not together or together[0] > last, "A batch begins at or before the end of the one before."
            )
            last = together[-1] if together else last

    def test_rejected_records_keep_code_and_place(self) -> None:
        for record in self._all():
            if "error_code" in record:
                check(record["error_code"], "A rejected record has an error code.")
                check(record["error_message"], "A rejected record has a message.")
                check(record["source_position"] >= 0, "A rejected record has a position.")

    def test_same_range_twice_is_equal(self) -> None:
        source = self.make_source()
        first = self._read(source, None, None)
        check_equal(self._read(source, None, None), first, "The same range read again by the same source")
        check_equal(self._read(self.make_source(), None, None), first, "The same range read after a restart")

    def test_resumes_after_every_position(self) -> None:
        every = self._all()
        for at, record in enumerate(every):
            position = record["source_position"]
            check_equal(
                self._read(self.make_source(), position, None),
                every[at + 1 :],
                f"What comes after position {position}",
            )

    def test_reads_up_to_every_position_inclusive(self) -> None:
        every = self._all()
        source = self.make_source()
        for at, record in enumerate(every):
            position = record["source_position"]
            check_equal(
                self._read(source, None, position), every[: at + 1], f"What comes up to position {position}"
            )

    def test_every_single_step_gives_one_record(self) -> None:
        every = self._all()
        source = self.make_source()
        after: int | None = None
        for record in every:
            step = self._read(source, after, record["source_position"])
            check_equal(step, [record], f"What lies in ({after}, {record['source_position']}]")
            after = record["source_position"]

    def test_after_none_and_after_position_zero_differ(self) -> None:
        every = self._all()
        if every[0]["source_position"] == 0:
            check_equal(self._read(self.make_source(), 0, None), every[1:], "What comes after position 0")
        check_equal(self._read(self.make_source(), None, None), every, "What comes after nothing")

    def test_empty_range_is_empty(self) -> None:
        source = self.make_source()
        head = self._head(source)
        check_equal(self._read(source, head, head), [], "What lies in (head, head]")

    def test_head_is_safe_and_does_not_go_back(self) -> None:
        source = self.make_source()
        head = self._head(source)
        last = self._all()[-1]["source_position"]
        check(head >= last, f"head() is {head}, but a record stands at {last}.")
        check(self._head(source) >= head, "head() went back.")
        check(self._head(self.make_source()) >= head, "head() went back over a restart.")

    def test_batch_size_has_no_influence(self) -> None:
        expected = self._all()
        for rows in (1, 2, 3, 7, _LARGE_ROWS):
            source = self.make_source(batch_rows_max=rows)
            batches = list(self._batches(source, None, None))
            check(all(batch.rows <= rows for batch in batches), f"A batch has more than {rows} rows.")
            found = [record for batch in batches for record in _records(batch)]
            check_equal(found, expected, f"Records with batch_rows_max={rows}")

    def test_epoch_and_name_are_stable(self) -> None:
        source, again = self.make_source(), self.make_source()
        check(source.epoch(), "epoch() is a text that is not empty.")
        check_equal(again.epoch(), source.epoch(), "The epoch after a restart")
        self._read(source, None, None)
        check_equal(source.epoch(), again.epoch(), "The epoch after reading")
        check(source.name, "name is a text that is not empty.")
        check_equal(again.name, source.name, "The name after a restart")

    def test_abandoned_read_leaves_nothing_behind(self) -> None:
        source = self.make_source(batch_rows_max=1)
        head = self._head(source)
        abandoned = source.read(None, Position(head))
        next(abandoned)
        check_equal(self._read(source, None, None), self._all(), "Records after an abandoned read")

    def test_close_is_idempotent(self) -> None:
        source = self.make_source(batch_rows_max=1)
        reading = source.read(None, Position(self._head(source)))
        next(reading)
        source.close()
        source.close()
        self.make_source().close()

    def _all(self) -> list[dict[str, Any]]:
        source = self.make_source()
        records = self._read(source, None, None)
        source.close()
        return records

    def _head(self, source: Source) -> int:
        head = source.head()
        if head is None:
            raise AssertionError("head() is None, but the suite needs a source with records.")
        return int(head)

    def _batches(self, source: Source, after: int | None, upto: int | None) -> Iterator[Batch]:
        end = self._head(source) if upto is None else upto
        return iter(source.read(None if after is None else Position(after), Position(end)))

    def _read(self, source: Source, after: int | None, upto: int | None) -> list[dict[str, Any]]:
        return [record for batch in self._batches(source, after, upto) for record in _records(batch)]


class GrowingSourceSuite(SourceSuite):
    """For a source that more can arrive in: what was there stays where it was."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> None:
        """Let these events arrive behind what is there, for every source made so far or later."""

    def test_growth_leaves_history_alone(self) -> None:
        source = self.make_source()
        before, head, epoch = self._read(source, None, None), self._head(source), source.epoch()
        arrived = example_events(3, first=900_000)
        self.append(arrived)
        for grown in (source, self.make_source()):
            check_equal(grown.epoch(), epoch, "The epoch after growth")
            check(self._head(grown) > head, "head() did not grow.")
            check_equal(self._read(grown, None, head), before, "The range that was there before")
            found = [record["event_id"] for record in self._read(grown, head, None)]
            check_equal(found, [event.event_id for event in arrived], "What comes after the old head")

    def test_a_range_once_announced_does_not_change(self) -> None:
        source = self.make_source()
        head = self._head(source)
        before = self._read(source, None, head)
        self.append(example_events(1, first=910_000))
        check_equal(self._read(source, None, head), before, "The range up to the head announced before")


class ReplaceableSourceSuite(SourceSuite):
    """For a source that can be replaced by another under the same name (restored, failed over)."""

    @abstractmethod
    def make_replaced_source(self) -> Source:
        """A source under the same name whose positions mean something else."""

    def test_epoch_changes_when_replaced(self) -> None:
        before = self.make_source().epoch()
        after = self.make_replaced_source()
        check(after.epoch() != before, "The epoch stayed, though the positions mean something else now.")
        check_equal(after.name, self.make_source().name, "The name of the replaced source")


def _records(batch: Batch) -> list[dict[str, Any]]:
    """Events and rejected records of a batch as dicts, in order of position; any moment as microseconds."""
    parts = [batch.events] if batch.rejected is None else [batch.events, batch.rejected]
    records = [record for part in parts for record in _plain(part).to_pylist()]
    return sorted(
        records, key=lambda record: -1 if record["source_position"] is None else record["source_position"]
    )


def _plain(part: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in part.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=part.schema.names)
