"""Broken sinks fail the sink suite, each in the test that is meant for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.testing import MemorySink, MemoryWarehouse, SinkSuite
from tests.unit.testing.biting import failing


def suite_of(broken: type[MemorySink]) -> type[Any]:
    class Suite(SinkSuite):
        def prepare(self) -> None:
            self.warehouse = MemoryWarehouse()

        def open_sink(self) -> Sink:
            return broken(self.warehouse)

        def read_events(self) -> Sequence[dict[str, Any]]:
            return [dict(row) for row in self.warehouse.events]

        def read_quarantine(self) -> Sequence[dict[str, Any]]:
            return [dict(row) for row in self.warehouse.quarantine]

    return Suite


class CommitsRowsAtOnce(MemorySink):
    def write(self, rows: pa.RecordBatch) -> None:
        super().write(rows)
        self.warehouse.events += self._events
        self._events = []


class QuarantinesOutsideTheTransaction(MemorySink):
    def quarantine(self, rows: pa.RecordBatch) -> None:
        super().quarantine(rows)
        self.warehouse.quarantine += self._quarantine
        self._quarantine = []


class CheckpointBeforeData(MemorySink):
    """The checkpoint is stored at once, the rows only when something else is called."""

    late: tuple[list[Any], list[Any]] = ([], [])

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        held = (self._events, self._quarantine)
        self._events, self._quarantine = [], []
        super().commit(checkpoint, expected=expected)
        self._flush()
        self.late = held

    def begin(self, replay_id: str) -> Checkpoint | None:
        self._flush()
        return super().begin(replay_id)

    def close(self) -> None:
        self._flush()
        super().close()

    def _flush(self) -> None:
        self.warehouse.events += self.late[0]
        self.warehouse.quarantine += self.late[1]
        self.late = ([], [])


class DataBeforeCheckpoint(CheckpointBeforeData):
    """Rows are stored at once, the checkpoint only with the next commit."""

    pending: Checkpoint | None = None

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        replay_id = self._begun()
        if self.pending is not None:
            self.warehouse.checkpoints[replay_id] = self.pending
        self.pending = None
        MemorySink.commit(self, checkpoint, expected=expected)
        if expected is None:
            del self.warehouse.checkpoints[replay_id]
        else:
            self.warehouse.checkpoints[replay_id] = expected
        self.pending = checkpoint


class ComparesNothing(MemorySink):
    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        del expected
        super().commit(checkpoint, expected=self.warehouse.checkpoints.get(self._replay_id or ""))


class ComparesOnlyPositions(MemorySink):
    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        found = self.warehouse.checkpoints.get(self._replay_id or "")
        if found is not None and expected is not None and found.position == expected.position:
            expected = found
        super().commit(checkpoint, expected=expected)


class ComparesWithWhatBeginSaw(MemorySink):
    seen: Checkpoint | None = None

    def begin(self, replay_id: str) -> Checkpoint | None:
        self.seen = super().begin(replay_id)
        return self.seen

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        if expected == self.seen:
            expected = self.warehouse.checkpoints.get(self._replay_id or "")
        super().commit(checkpoint, expected=expected)
        self.seen = checkpoint


class KeepsRowsOfARefusedCommit(MemorySink):
    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        self.warehouse.events += self._events
        self._events = []
        super().commit(checkpoint, expected=expected)


class BeginKeepsUncommitted(MemorySink):
    def begin(self, replay_id: str) -> Checkpoint | None:
        held = (self._events, self._quarantine)
        found = super().begin(replay_id)
        self._events, self._quarantine = held
        return found


class CloseCommits(MemorySink):
    def close(self) -> None:
        self.warehouse.events += self._events
        super().close()


class TakesPositionZeroForNone(MemorySink):
    def begin(self, replay_id: str) -> Checkpoint | None:
        found = super().begin(replay_id)
        return found if found is not None and found.position else None


class SkipsEmptyCommits(MemorySink):
    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        if self._events or self._quarantine:
            super().commit(checkpoint, expected=expected)


class OneCheckpointForAll(MemorySink):
    def begin(self, replay_id: str) -> Checkpoint | None:
        del replay_id
        return super().begin("the only one")


class LastBatchWins(MemorySink):
    def write(self, rows: pa.RecordBatch) -> None:
        self._events = []
        super().write(rows)


def changing(name: str, change: Any) -> type[MemorySink]:
    class Changes(MemorySink):
        def write(self, rows: pa.RecordBatch) -> None:
            at = rows.schema.get_field_index(name)
            values = pa.array(
                [change(value) for value in rows.column(at).to_pylist()], rows.schema.field(at).type
            )
            super().write(rows.set_column(at, rows.schema.field(at), values))

    return Changes


def float_amount(text: str) -> str:
    payload = json.loads(text)
    if "amount" in payload:
        payload["amount"] = str(float(payload["amount"]))
    return json.dumps(payload)


BROKEN = {
    "rows at once": (CommitsRowsAtOnce, "test_nothing_is_visible_before_commit"),
    "quarantine outside": (QuarantinesOutsideTheTransaction, "test_second_writer_loses_the_first_commit"),
    "checkpoint before data": (
        CheckpointBeforeData,
        "test_crash_after_every_step_loses_nothing_and_doubles_nothing",
    ),
    "data before checkpoint": (
        DataBeforeCheckpoint,
        "test_crash_before_every_step_loses_nothing_and_doubles_nothing",
    ),
    "compares nothing": (ComparesNothing, "test_second_writer_loses_the_first_commit"),
    "compares positions": (ComparesOnlyPositions, "test_every_field_of_the_expected_checkpoint_counts"),
    "compares at begin": (ComparesWithWhatBeginSaw, "test_interleaved_writers_one_wins"),
    "refused but kept": (KeepsRowsOfARefusedCommit, "test_expected_checkpoint_that_is_not_there"),
    "begin keeps": (BeginKeepsUncommitted, "test_begin_drops_uncommitted_rows"),
    "close commits": (CloseCommits, "test_close_drops_uncommitted_rows_and_is_idempotent"),
    "zero is none": (TakesPositionZeroForNone, "test_commit_and_resume_at_position_zero"),
    "empty skipped": (SkipsEmptyCommits, "test_commit_without_rows_moves_the_checkpoint"),
    "one checkpoint": (OneCheckpointForAll, "test_replays_do_not_see_each_other"),
    "last batch wins": (LastBatchWins, "test_many_batches_under_one_commit_keep_log_order"),
    "milliseconds": (
        changing("occurred_at", lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)),
        "test_columns_are_stored_exactly",
    ),
    "floats": (changing("payload", float_amount), "test_columns_are_stored_exactly"),
    "NUL cut": (
        changing("stream_id", lambda text: text and text.split("\x00")[0]),
        "test_hostile_texts_are_stored_exactly_or_refused",
    ),
    "null is empty": (changing("stream_id", lambda text: text or ""), "test_extremes_are_stored_exactly"),
    "hash as double": (
        changing("event_hash", lambda number: max(min(int(float(number)), 2**63 - 1), -(2**63))),
        "test_columns_are_stored_exactly",
    ),
}


def test_the_sound_sink_passes() -> None:
    assert failing(suite_of(MemorySink)) == set()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_sink_fails(name: str) -> None:
    broken, test = BROKEN[name]
    assert test in failing(suite_of(broken))
