"""What every sink must do: data and checkpoint in one step, exactly what it was given, or a clear refusal."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import CheckpointConflictError, EventReplayError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.testing.checks import check, check_equal, expect_error
from eventreplay.testing.crash import CrashingSink, SimulatedCrash, crash_at
from eventreplay.testing.examples import DECIMAL_TEXTS, HOSTILE_TEXTS, example_quarantine, example_rows
from eventreplay.testing.redrive_suite import RedriveSuite
from eventreplay.testing.tally_suite import TallySuite

_REPLAY = "suite"
_SWEEP_CALLS = 13
"""Calls of `_run`: one begin, three times two writes, a quarantine and a commit."""


def checkpoint_at(position: int, *, source: str = "journal") -> Checkpoint:
    """A checkpoint as a replay would commit it."""
    return Checkpoint(source=source, epoch="e-1", position=position, digest=f"d{position}", fingerprint="f-1")


class SinkSuite(TallySuite, RedriveSuite, ABC):
    """Atomicity, compare-and-set, resume, exactness. The target is empty when a test begins."""

    @abstractmethod
    def open_sink(self) -> Sink:
        """A new sink on the same target, as after a restart; several may be open at once."""

    @abstractmethod
    def read_events(self) -> Sequence[dict[str, Any]]:
        """Committed rows with the names of `RAW_SCHEMA`, in the order the target keeps them.

        JSON columns as text, moments as aware datetimes in UTC, the hash as bytes.
        """

    @abstractmethod
    def read_quarantine(self) -> Sequence[dict[str, Any]]:
        """Committed rows with the names of `QUARANTINE_SCHEMA`; `headers` as JSON text."""

    def test_new_target_has_no_checkpoint(self) -> None:
        sink = self.open_sink()
        check(sink.begin(_REPLAY) is None, "begin() on a new target must be None: from the start.")
        check(sink.begin(_REPLAY) is None, "begin() is idempotent.")
        sink.close()

    def test_nothing_is_visible_before_commit(self) -> None:
        sink = self._begun()
        sink.write(example_rows(range(3)))
        sink.quarantine(example_quarantine(range(3, 5)))
        self._expect([], [])
        sink.commit(checkpoint_at(0), expected=None)
        self._expect(range(3), range(3, 5))
        sink.close()

    def test_commit_and_resume_at_position_zero(self) -> None:
        sink = self._begun()
        sink.write(example_rows(range(2)))
        sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        sink = self.open_sink()
        check_equal(sink.begin(_REPLAY), checkpoint_at(0), "The checkpoint after a restart")
        sink.write(example_rows(range(2, 4)))
        sink.commit(checkpoint_at(1), expected=checkpoint_at(0))
        self._expect(range(4), [])
        check_equal(sink.begin(_REPLAY), checkpoint_at(1), "The checkpoint of the second commit")
        sink.close()

    def test_commit_without_rows_moves_the_checkpoint(self) -> None:
        sink = self._begun()
        sink.write(example_rows(range(0)))
        sink.quarantine(example_quarantine(range(0)))
        sink.commit(checkpoint_at(5), expected=None)
        sink.commit(checkpoint_at(6), expected=checkpoint_at(5))
        sink.close()
        check_equal(self.open_sink().begin(_REPLAY), checkpoint_at(6), "The checkpoint of an empty commit")
        self._expect([], [])

    def test_many_batches_under_one_commit_keep_log_order(self) -> None:
        sink = self._begun()
        for first in range(0, 40, 4):
            sink.write(example_rows(range(first, first + 3)))
            sink.quarantine(example_quarantine(range(first + 3, first + 4)))
        sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        self._expect(sorted({*range(40)} - {*range(3, 40, 4)}), range(3, 40, 4))

    def test_begin_drops_uncommitted_rows(self) -> None:
        sink = self._begun()
        sink.write(example_rows(range(3)))
        sink.quarantine(example_quarantine(range(3, 4)))
        sink.begin(_REPLAY)
        sink.write(example_rows(range(10, 12)))
        sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        self._expect(range(10, 12), [])

    def test_close_drops_uncommitted_rows_and_is_idempotent(self) -> None:
        sink = self._begun()
        sink.write(example_rows(range(3)))
        sink.close()
        sink.close()
        check(self._begun() is not None, "A sink opens again after close.")
        self._expect([], [])

    def test_crash_before_every_step_loses_nothing_and_doubles_nothing(self) -> None:
        self._sweep("before")

    def test_crash_after_every_step_loses_nothing_and_doubles_nothing(self) -> None:
        self._sweep("after")

    def test_second_writer_loses_the_first_commit(self) -> None:
        first, second = self._begun(), self._begun()
        first.write(example_rows(range(2)))
        first.commit(checkpoint_at(0), expected=None)
        second.write(example_rows(range(2, 4)))
        second.quarantine(example_quarantine(range(4, 5)))
        with expect_error(CheckpointConflictError, "A second writer that expects no checkpoint"):
            second.commit(checkpoint_at(0), expected=None)
        self._expect(range(2), [])
        first.close()
        second.close()

    def test_interleaved_writers_one_wins(self) -> None:
        first, second = self._begun(), self._begun()
        first.write(example_rows(range(2)))
        second.write(example_rows(range(2, 4)))
        second.quarantine(example_quarantine(range(4, 5)))
        first.commit(checkpoint_at(0), expected=None)
        with expect_error(CheckpointConflictError, "A writer that began before the other's commit"):
            second.commit(checkpoint_at(1), expected=None)
        self._expect(range(2), [])
        check_equal(second.begin(_REPLAY), checkpoint_at(0), "What the loser finds when it begins again")
        second.write(example_rows(range(2, 4)))
        second.commit(checkpoint_at(1), expected=checkpoint_at(0))
        first.write(example_rows(range(8, 9)))
        with expect_error(CheckpointConflictError, "The first writer with its old checkpoint"):
            first.commit(checkpoint_at(1), expected=checkpoint_at(0))
        self._expect(range(4), [])
        first.close()
        second.close()

    def test_every_field_of_the_expected_checkpoint_counts(self) -> None:
        sink = self._begun()
        sink.commit(checkpoint_at(3), expected=None)
        stored = checkpoint_at(3)
        wrong = [
            None,
            checkpoint_at(4),
            Checkpoint(source="other", epoch="e-1", position=3, digest="d3", fingerprint="f-1"),
            Checkpoint(source="journal", epoch="e-2", position=3, digest="d3", fingerprint="f-1"),
            Checkpoint(source="journal", epoch="e-1", position=3, digest="", fingerprint="f-1"),
            Checkpoint(source="journal", epoch="e-1", position=3, digest="d3", fingerprint="f-2"),
        ]
        for expected in wrong:
            check_equal(sink.begin(_REPLAY), stored, "The stored checkpoint")
            sink.write(example_rows(range(1)))
            with expect_error(CheckpointConflictError, f"expected={expected}"):
                sink.commit(checkpoint_at(5), expected=expected)
            self._expect([], [])
        sink.close()

    def test_expected_checkpoint_that_is_not_there(self) -> None:
        sink = self._begun()
        sink.write(example_rows(range(1)))
        with expect_error(CheckpointConflictError, "A checkpoint expected where none is"):
            sink.commit(checkpoint_at(1), expected=checkpoint_at(0))
        self._expect([], [])
        check(sink.begin(_REPLAY) is None, "A refused commit left a checkpoint.")
        sink.close()

    def test_replays_do_not_see_each_other(self) -> None:
        first, second = self.open_sink(), self.open_sink()
        check(first.begin("suite-a") is None and second.begin("suite-b") is None, "Both begin at the start.")
        first.write(example_rows(range(2)))
        first.commit(checkpoint_at(0), expected=None)
        second.begin("suite-b")
        second.write(example_rows(range(2, 4), partition="other"))
        second.commit(checkpoint_at(9, source="other"), expected=None)
        check_equal(first.begin("suite-a"), checkpoint_at(0), "The first replay's checkpoint")
        check_equal(
            second.begin("suite-b"), checkpoint_at(9, source="other"), "The second replay's checkpoint"
        )
        first.close()
        second.close()

    def test_columns_are_stored_exactly(self) -> None:
        rows, refused = example_rows(range(len(DECIMAL_TEXTS))), example_quarantine(range(10, 13))
        sink = self._begun()
        sink.write(rows)
        sink.quarantine(refused)
        sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        check_equal(_comparable(self.read_events()), _comparable(rows.to_pylist()), "Rows stored")
        check_equal(
            _comparable(self.read_quarantine()), _comparable(refused.to_pylist()), "Quarantine stored"
        )

    def test_extremes_are_stored_exactly(self) -> None:
        extremes: list[dict[str, Any]] = [
            {"event_hash": -(2**63), "source_position": 2**63 - 1},
            {"event_hash": 2**63 - 1, "source_position": 0, "stream_id": "", "source": ""},
            {"occurred_at": datetime(1, 1, 1, tzinfo=UTC), "recorded_at": datetime(1969, 12, 31, tzinfo=UTC)},
            {"occurred_at": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "stream_id": None},
            {"source": None, "source_position": None, "content_type": None, "headers": "{}"},
            {"payload_sha256": bytes(32)},
        ]
        sink = self._begun()
        due: list[dict[str, Any]] = []
        for at, changes in enumerate(extremes):
            rows = example_rows(range(at, at + 1), **changes)
            sink.write(rows)
            due += rows.to_pylist()
        sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        check_equal(_comparable(self.read_events()), _comparable(due), "Rows with extreme values")

    def test_hostile_texts_are_stored_exactly_or_refused(self) -> None:
        known: Checkpoint | None = None
        due: list[dict[str, Any]] = []
        for at, text in enumerate(HOSTILE_TEXTS.values()):
            body = json.dumps({text: text}, ensure_ascii=False)
            rows = example_rows(
                range(at, at + 1), event_id=text, stream_id=text, source=text, headers=body, payload=body
            )
            sink = self.open_sink()
            check_equal(sink.begin(_REPLAY), known, "The checkpoint before a hostile row")
            try:
                sink.write(rows)
                sink.commit(checkpoint_at(at), expected=known)
            except EventReplayError:
                pass  # refused clearly: nothing of it may be there, which is checked below
            else:
                known = checkpoint_at(at)
                due += rows.to_pylist()
            finally:
                sink.close()
        check(len(due) >= len(HOSTILE_TEXTS) - 1, "At most NUL may be refused.")
        check_equal(_comparable(self.read_events()), _comparable(due), "Rows with hostile texts")

    def test_hostile_replay_ids_are_values(self) -> None:
        for text in HOSTILE_TEXTS.values():
            sink = self.open_sink()
            try:
                check(sink.begin(text) is None, "A replay id was taken for another.")
                sink.commit(checkpoint_at(1), expected=None)
                check_equal(sink.begin(text), checkpoint_at(1), "The checkpoint under a hostile replay id")
            except EventReplayError:
                check("\x00" in text, "Only NUL may be refused in a replay id.")
            finally:
                sink.close()
        self._expect([], [])

    def test_rows_before_begin_are_refused(self) -> None:
        sink = self.open_sink()
        with expect_error(EventReplayError, "write() before begin()"):
            sink.write(example_rows(range(1)))
            sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        self._expect([], [])

    def test_rows_of_another_schema_are_refused(self) -> None:
        sink = self._begun()
        with expect_error(EventReplayError, "A batch with a column that is unknown"):
            rows = example_rows(range(2))
            sink.write(rows.rename_columns([*rows.schema.names[:-1], "surprise"]))
        sink.begin(_REPLAY)
        with expect_error(EventReplayError, "A batch with a null where none may be"):
            sink.write(example_rows(range(2), payload=None))
            sink.commit(checkpoint_at(0), expected=None)
        sink.close()
        self._expect([], [])

    def _sweep(self, when: Any) -> None:
        """Crash a run of three commits at each of its calls and restart it: as if nothing had happened."""
        calls = 0
        while True:
            calls += 1
            # Each round has its own replay and its own offsets; what other rounds left stays untouched.
            base, replay_id = calls * 1000, f"sweep-{when}-{calls}"
            crash = crash_at(calls, when)
            try:
                _run(CrashingSink(self.open_sink(), crash), base, replay_id)
            except SimulatedCrash:
                check(crash.fired, "The crash did not happen.")
            sink = self.open_sink()
            _run(sink, base, replay_id)
            sink.close()
            self._expect_within(base)
            if not crash.fired:
                break
        check(calls > _SWEEP_CALLS, f"The sweep saw {calls - 1} calls; {_SWEEP_CALLS} are due.")

    def _expect_within(self, base: int) -> None:
        stored = sorted(
            row["log_offset"] for row in self.read_events() if base <= row["log_offset"] < base + 1000
        )
        refused = sorted(
            row["log_offset"] for row in self.read_quarantine() if base <= row["log_offset"] < base + 1000
        )
        check_equal(
            stored,
            sorted({*range(base, base + 12)} - {*range(base + 3, base + 12, 4)}),
            "Rows after a crash and a restart",
        )
        check_equal(refused, [base + at for at in range(3, 12, 4)], "Quarantine after a crash and a restart")

    def _begun(self) -> Sink:
        sink = self.open_sink()
        sink.begin(_REPLAY)
        return sink

    def _expect(self, offsets: Sequence[int], refused: Sequence[int]) -> None:
        check_equal(
            [row["log_offset"] for row in self.read_events()], list(offsets), "Log offsets stored, in order"
        )
        found = sorted(row["log_offset"] for row in self.read_quarantine())
        check_equal(found, list(refused), "Log offsets quarantined")


def _run(sink: Sink, base: int, replay_id: str) -> None:
    """Three commits of three rows and one quarantined row each, from wherever the checkpoint stands."""
    known = sink.begin(replay_id)
    for commit in range(0 if known is None else known.position + 1, 3):
        first = base + commit * 4
        sink.write(example_rows(range(first, first + 2)))
        sink.write(example_rows(range(first + 2, first + 3)))
        sink.quarantine(example_quarantine(range(first + 3, first + 4)))
        sink.commit(checkpoint_at(commit), expected=known)
        known = checkpoint_at(commit)


def _comparable(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """JSON texts as values: a warehouse may keep other blanks or key order, but no other content."""
    names = {*RAW_SCHEMA.names, *QUARANTINE_SCHEMA.names}
    made = []
    for row in sorted(rows, key=lambda row: (row["log_partition"], row["log_offset"])):
        kept = {name: value for name, value in row.items() if name in names}
        headers = kept["headers"]
        kept["headers"] = json.loads(headers) if isinstance(headers, str) else dict(headers or ())
        if isinstance(kept["payload"], str):
            kept["payload"] = json.loads(kept["payload"])
        made.append(kept)
    return made
