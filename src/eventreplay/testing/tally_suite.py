"""What a sink must do that offers `SupportsTally` or `SupportsComparison`; part of every `SinkSuite`."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from eventreplay.batch import RAW_SCHEMA
from eventreplay.capabilities.tally import (
    OFFSET_END,
    OFFSET_MIN,
    Order,
    Span,
    SupportsComparison,
    SupportsTally,
)
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.testing.checks import check, check_equal
from eventreplay.testing.examples import HOSTILE_TEXTS, example_quarantine, example_rows
from eventreplay.testing.memory_sink import MemorySink

_REPLAY, _PARTITION, _OTHER = "suite-tally", "journal", "other"
_FAR = (1 << 62) + 5
_SPANS = (
    Span(OFFSET_MIN, 0),
    Span(0, 1),
    Span(1, 4),
    Span(6, 9),
    Span(9, 9 + 1),
    Span(20, _FAR),
    Span(_FAR, OFFSET_END),
)
_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1
_ORDERS: tuple[Order, ...] = ("log", "capture")
_METHODS = ("partitions", "tally", "tallied")


class TallySuite(ABC):
    """Counts, sums and comparisons, held against the model in memory. The target is empty at the start."""

    @abstractmethod
    def open_sink(self) -> Sink:
        """A new sink on the same target."""

    def test_rows_are_counted_and_added_up_as_the_model_does(self) -> None:
        model = MemorySink()
        sink = self._loaded(model)
        if not isinstance(sink, SupportsTally):
            check(not any(hasattr(sink, name) for name in _METHODS), "Half of SupportsTally is none of it.")
            return
        check_equal(list(sink.partitions()), [_PARTITION, _OTHER], "Partitions")
        for partition in (_PARTITION, _OTHER, "never"):
            for order in _ORDERS:
                for spans in (_SPANS, _SPANS[2:3], (Span(OFFSET_MIN, OFFSET_END),)):
                    found, due = sink.tally(partition, order, spans), model.tally(partition, order, spans)
                    check_equal(list(found), due, f"Tallies of {partition}, {order}")
        sink.close()

    def test_rows_of_a_span_come_with_their_hashes(self) -> None:
        model = MemorySink()
        sink = self._loaded(model)
        if isinstance(sink, SupportsTally):
            for order in _ORDERS:
                for rows_max in (None, 2, 0):
                    span = Span(0, OFFSET_END)
                    found = _rows(sink, order, span, rows_max)
                    check_equal(found, _rows(model, order, span, rows_max), f"Rows of {order}")
        sink.close()

    def test_only_committed_rows_are_tallied(self) -> None:
        sink = self._loaded(MemorySink())
        if isinstance(sink, SupportsTally):
            sink.write(example_rows(range(500, 503)))
            sink.begin(_REPLAY)
            check_equal(sink.tally(_PARTITION, "log", [Span(500, 600)])[0].rows, 0, "Rows of a dropped write")
        sink.close()

    def test_rows_as_they_were_given_do_not_differ(self) -> None:
        sink = self._loaded(MemorySink())
        if isinstance(sink, SupportsComparison):
            for rows in _given():
                check_equal(dict(sink.differing(rows)), {}, f"Differences of {rows.schema.names[0]}")
        sink.close()

    def test_every_column_that_differs_is_named(self) -> None:
        sink = self._loaded(MemorySink())
        if isinstance(sink, SupportsComparison):
            for rows in _wide():
                changed, due = _each_column_changed(rows)
                found = {offset: list(names) for offset, names in sink.differing(changed).items()}
                check_equal(found, due, f"Differences of rows with {rows.schema.names[0]}")
        sink.close()

    def test_a_row_in_the_other_table_differs_and_an_absent_one_is_not_named(self) -> None:
        sink = self._loaded(MemorySink())
        if isinstance(sink, SupportsComparison):
            for rows, due in (
                (example_rows(range(10, 11)), {10: ["table"]}),
                (example_quarantine(range(1, 2)), {1: ["table"]}),
                (example_rows(range(15, 17)), {}),
                (example_quarantine(range(15, 17)), {}),
                (example_quarantine(range(6, 7), stage="capture"), {}),
            ):
                found = {offset: list(names) for offset, names in sink.differing(rows).items()}
                check_equal(found, due, f"Differences of {rows.column('log_offset').to_pylist()}")
        sink.close()

    def _loaded(self, model: MemorySink) -> Sink:
        """A sink and the model with the same committed rows."""
        sink = self.open_sink()
        checkpoint = Checkpoint(source=_PARTITION, epoch="e", position=1, digest="d", fingerprint="f")
        for each in (sink, model):
            each.begin(_REPLAY)
            for rows in _given():
                (each.write if rows.schema.equals(RAW_SCHEMA) else each.quarantine)(rows)
            each.commit(checkpoint, expected=None)
            each.begin(_REPLAY)
        return sink


def _given() -> list[pa.RecordBatch]:
    """Batches as `differing` takes them: of one table, one partition and one stage each."""
    hostile = "".join(text for name, text in HOSTILE_TEXTS.items() if name != "nul")
    empty = hashlib.sha256(b"").digest()
    return [
        example_rows(range(3)),
        # Two sums that pass 64 bits, one above and one below.
        example_rows(range(6, 8), event_hash=_GREATEST, event_id=hostile),
        example_rows(range(8, 9), event_hash=_LEAST),
        example_rows(range(4, 5), partition=_OTHER),
        example_quarantine(range(9, 11)),
        # A payload that is not the one its hash was made of.
        example_quarantine(range(5, 6), payload=b"another"),
        example_quarantine(range(11, 12), event_id=None, payload=None, payload_sha256=empty),
        example_quarantine(range(2), stage="capture", event_id=None, payload=b"", payload_sha256=empty),
        example_quarantine(range(3), stage="capture", partition=_OTHER),
        *_wide(),
        example_rows(range(12, 13), event_hash=_LEAST, log_offset=_FAR),
    ]


def _rows(sink: SupportsTally, order: Order, span: Span, rows_max: int | None) -> list[dict[str, Any]]:
    batches = sink.tallied(_PARTITION, order, span, rows_max=rows_max)
    return [row for batch in batches for row in batch.to_pylist()]


def _wide() -> list[pa.RecordBatch]:
    """As many rows as there are columns, so that each can differ in another one."""
    return [
        example_rows(range(100, 120)),
        example_quarantine(range(120, 140)),
        example_quarantine(range(140, 160), stage="capture"),
    ]


def _each_column_changed(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[int, list[str]]]:
    """Rows that each have another value in another column, and what is to be said of them."""
    names = [name for name in rows.schema.names if name not in {"log_partition", "log_offset", "stage"}]
    made, due = [], {}
    for row, name in zip(rows.to_pylist(), names, strict=False):
        made.append({**row, name: _another(rows.schema.field(name).type, name, row[name])})
        due[row["log_offset"]] = [name]
    return pa.RecordBatch.from_pylist(made, schema=rows.schema), due


def _another(kind: pa.DataType, name: str, value: Any) -> Any:
    if name == "headers":
        return '{"other":"1"}' if pa.types.is_string(kind) else [("other", "1")]
    if name == "payload" and pa.types.is_string(kind):
        return value.replace("Zoë", "Zoe")
    if pa.types.is_timestamp(kind):
        return datetime(2020, 1, 1, tzinfo=UTC)
    if pa.types.is_int64(kind):
        return 1 if value != 1 else 2
    return "other" if pa.types.is_string(kind) else b"x" * 32
