"""What a sink must do that offers `SupportsQuarantine` and `SupportsRedrive`; part of every `SinkSuite`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from attrs import evolve

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.quarantine import Selection, SupportsQuarantine, SupportsRedrive
from eventreplay.errors import CheckpointConflictError, EventReplayError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.testing.checks import check, check_equal, expect_error
from eventreplay.testing.examples import HOSTILE_TEXTS, example_quarantine, example_rows
from eventreplay.testing.memory_sink import MemorySink

_REPLAY = "live/journal"
_CHECKPOINT = Checkpoint(source="journal", epoch="e-1", position=7, digest="d7", fingerprint="f-1")
_METHODS = ("settle", "dismiss", "undismiss")
_COLUMNS = (
    "stage", "log_partition", "log_offset", "event_id", "event_type", "payload", "payload_sha256",
    "error_code", "error_message", "decoder_fingerprint", "dismissed_reason",
)  # fmt: skip
_SELECTIONS = (
    Selection(),
    Selection(dismissed=None),
    Selection(dismissed=True),
    Selection(stages=("capture",)),
    Selection(codes=("payload_malformed", "never")),
    Selection(types=("it's another",)),
    Selection(partitions=("other",), dismissed=None),
    Selection(fingerprints=("example",), first_offset=11, last_offset=13),
)
_NO_ROWS = example_quarantine(range(0))


class RedriveSuite(ABC):
    """Looking into the quarantine, moving out of it and marking, held against the model in memory."""

    @abstractmethod
    def open_sink(self) -> Sink:
        """A new sink on the same target."""

    @abstractmethod
    def read_events(self) -> Sequence[dict[str, Any]]:
        """Committed rows with the names of `RAW_SCHEMA`."""

    @abstractmethod
    def read_quarantine(self) -> Sequence[dict[str, Any]]:
        """Committed rows with the names of `QUARANTINE_SCHEMA`."""

    def test_the_quarantine_is_shown_as_the_model_shows_it(self) -> None:
        model = MemorySink()
        sink = self._filled(model)
        if not isinstance(sink, SupportsQuarantine):
            return
        for selection in _SELECTIONS:
            due = model.refused_count(selection)
            check_equal(sink.refused_count(selection), due, f"Records of {selection}")
            check_equal(
                list(sink.refused_groups(selection, groups_max=100)),
                model.refused_groups(selection, groups_max=100),
                f"Groups of {selection}",
            )
            for skip, limit in ((0, 100), (1, 2)):
                found = sink.refused_page(selection, limit_rows=limit, skip_rows=skip)
                model_page = model.refused_page(selection, limit_rows=limit, skip_rows=skip)
                check_equal(_shown(found), _shown(model_page), f"Page of {selection}")
            for after, most in ((None, 100), (10, 2)):
                places = sink.refused_places("journal", "decode", selection, after=after, rows_max=most)
                again = model.refused_places("journal", "decode", selection, after=after, rows_max=most)
                check_equal(places.to_pylist(), again.to_pylist(), f"Places of {selection}")
        sink.close()

    def test_what_passes_moves_once_and_nothing_else_changes(self) -> None:
        model = MemorySink()
        sink = self._filled(model)
        if not isinstance(sink, SupportsRedrive):
            check(not any(hasattr(sink, name) for name in _METHODS), "Half of SupportsRedrive is none of it.")
            return
        # Of these 3 is in EVENTS, 4 in both, 11 in the quarantine twice, 40 nowhere; 14 is refused again.
        passed = pa.concat_batches([example_rows(range(at, at + 1)) for at in (3, 4, 10, 11, 13, 40)])
        again = example_quarantine(range(14, 15), error_code="now", decoder_fingerprint="today")
        for refused in (_NO_ROWS, again):
            found = sink.settle(_REPLAY, passed, refused, expected=_CHECKPOINT)
            due = model.settle(_REPLAY, passed, refused, expected=_CHECKPOINT)
            check_equal(found.moved.to_pylist(), due.moved.to_pylist(), "Offsets that moved")
            check_equal(found.restated, due.restated, "Records that were restated")
            self._expect_as(model)
        check_equal(sink.begin(_REPLAY), _CHECKPOINT, "The checkpoint after a redrive")
        nothing = sink.settle(_REPLAY, example_rows(range(0)), _NO_ROWS, expected=_CHECKPOINT)
        check_equal(nothing.moved.to_pylist(), [], "Offsets that moved of none")
        sink.close()

    def test_a_checkpoint_that_is_another_keeps_everything_as_it_is(self) -> None:
        model = MemorySink()
        sink = self._filled(model)
        if not isinstance(sink, SupportsRedrive):
            return
        for expected in (
            evolve(_CHECKPOINT, source="x"),
            evolve(_CHECKPOINT, epoch="e-2"),
            evolve(_CHECKPOINT, fingerprint="f-2"),
            evolve(_CHECKPOINT, position=8),
        ):
            with expect_error(CheckpointConflictError, f"A redrive that expects {expected}"):
                sink.settle(_REPLAY, example_rows(range(10, 11)), _NO_ROWS, expected=expected)
        with expect_error(CheckpointConflictError, "A redrive of a replay that never was"):
            sink.settle("never", example_rows(range(10, 11)), _NO_ROWS, expected=_CHECKPOINT)
        self._expect_as(model)
        behind = evolve(_CHECKPOINT, position=3, digest="d3")
        moved = sink.settle(_REPLAY, example_rows(range(10, 11)), _NO_ROWS, expected=behind).moved
        check_equal(moved.to_pylist(), [10], "Offsets that moved after a load went on")
        sink.close()

    def test_marks_are_made_once_with_their_reason_and_taken_back(self) -> None:
        model = MemorySink()
        sink = self._filled(model)
        if not isinstance(sink, SupportsRedrive):
            return
        for number, text in enumerate(HOSTILE_TEXTS.values()):
            one = Selection(stages=("decode",), first_offset=10 + number, last_offset=10 + number)
            try:
                found = sink.dismiss(one, text)
            except EventReplayError:
                check("\x00" in text, "Only NUL may be refused in a reason.")
                continue
            check_equal(list(found), model.dismiss(one, text), "What was marked")
            check_equal(list(sink.dismiss(one, "another")), [], "What was marked again")
        everything = Selection(dismissed=None)
        check_equal(
            _shown(sink.refused_page(everything, limit_rows=100)),
            _shown(model.refused_page(everything, limit_rows=100)),
            "Reasons",
        )
        some = Selection(last_offset=12)
        check_equal(list(sink.undismiss(some)), model.undismiss(some), "What was freed")
        check_equal(list(sink.undismiss(some)), [], "What was freed again")
        check_equal(sink.refused_count(Selection()), model.refused_count(Selection()), "What is left")
        self._expect_as(model)
        sink.close()

    def _filled(self, model: MemorySink) -> Sink:
        """Events 0 to 4, refused ones from 10 on in two partitions, two doubled, and two of capture."""
        batches: list[pa.RecordBatch] = [
            example_quarantine(range(10, 20)),
            pa.concat_batches([example_quarantine(range(at, at + 1)) for at in (11, 4)]),
            example_quarantine(range(20, 22), event_type="it's another", error_code="other_code"),
            example_quarantine(range(10, 12), partition="other"),
            example_quarantine(range(2), stage="capture", event_type=None, decoder_fingerprint=""),
        ]
        sink = self.open_sink()
        if isinstance(sink, MemorySink):
            del batches[1]  # which takes no row twice
        sink.begin(_REPLAY)
        sink.write(example_rows(range(5)))
        for batch in batches:
            sink.quarantine(batch)
        sink.commit(_CHECKPOINT, expected=None)
        model.warehouse.events += example_rows(range(5)).to_pylist()
        for batch in batches:
            model.warehouse.quarantine += batch.to_pylist()
        model.warehouse.checkpoints[_REPLAY] = _CHECKPOINT
        for one in (sink, model):
            if isinstance(one, SupportsRedrive):
                one.dismiss(Selection(codes=("other_code",)), "known and of no use")
        return sink

    def _expect_as(self, model: MemorySink) -> None:
        for found, due, schema in (
            (self.read_events(), model.warehouse.events, RAW_SCHEMA),
            (self.read_quarantine(), model.warehouse.quarantine, QUARANTINE_SCHEMA),
        ):
            check_equal(_plain(found, schema), _plain(due, schema), "Rows")


def _plain(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> list[list[Any]]:
    """Rows but for what a warehouse writes its own way, JSON; in an order of their own."""
    names = [name for name in schema.names if name not in {"headers", "payload"}]
    return sorted([[_text(row[name]) for name in names] for row in rows])


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(_value(value))


def _shown(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _value(row[name]) for name in _COLUMNS} for row in rows]


def _value(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value
