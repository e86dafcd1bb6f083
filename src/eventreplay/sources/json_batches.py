"""From records of JSON text to batches: columns for what is plain, one by one for what is not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from attrs import define, field

from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA, TIMESTAMP, Batch
from eventreplay.sources.json_columns import NotPlain, plain_events
from eventreplay.sources.json_marks import Places
from eventreplay.sources.json_record import Refused, event_row
from eventreplay.sources.json_spans import LongRecord, Spans, long_record

_HALVED_ROWS_MIN = 32
"""Below so many records a block with a bad one in it is no longer halved, but read one by one."""

_ALONE_BYTES = 262_144
"""A record above this is read alone: finding all its marks would take up to 40 times its size."""

_ROW_SCHEMA = pa.schema(
    [
        pa.field(column.name, pa.int64() if column.type == TIMESTAMP else column.type)
        for column in EVENT_SCHEMA
    ]
)


@define
class _Parts:
    """What became of some records: columns with the places of their rows, single rows, rejects."""

    columns: list[tuple[Places, pa.RecordBatch]] = field(factory=list)
    rows: list[dict[str, object]] = field(factory=list)
    rejects: list[dict[str, object]] = field(factory=list)


def batches(spans: Spans, base: int, *, rows_max: int, record_bytes_max: int) -> Iterator[Batch]:
    """Batches of at most `rows_max` records; record n gets position `base` + n. Blank ones are skipped."""
    for low in range(0, len(spans.begins), rows_max):
        begins, ends = spans.begins[low : low + rows_max], spans.ends[low : low + rows_max]
        parts = _Parts()
        _convert(spans.block, begins, ends, base + spans.first + low, record_bytes_max, parts)
        yield _batch(parts)


def long_batch(record: LongRecord, base: int) -> Batch:
    """A record that was too long to be held, as a reject that refers to it."""
    parts = _Parts()
    parts.rejects.append(_reject_long(record, base + record.number))
    return _batch(parts)


def _convert(block: bytes, begins: Places, ends: Places, first: int, bytes_max: int, parts: _Parts) -> None:
    data = np.frombuffer(block, np.uint8)
    sizes = ends - begins
    # A record that does not begin with a brace is blank or bad, and marks of a large one take much memory.
    usual = (sizes > 0) & (sizes <= min(bytes_max, _ALONE_BYTES))
    usual[usual] = data[begins[usual]] == ord("{")
    positions = first + np.arange(len(begins))
    for at in np.flatnonzero(~usual):
        text = block[begins[at] : ends[at]]
        if len(text) > bytes_max:
            parts.rejects.append(_reject_long(long_record(int(positions[at]), text), int(positions[at])))
        else:
            _one(text, int(positions[at]), parts)
    _halve(block, begins[usual], ends[usual], positions[usual], parts)


def _halve(block: bytes, begins: Places, ends: Places, positions: Places, parts: _Parts) -> None:
    """All at once if possible; else each half by itself, until the bad record is found."""
    if not len(begins):
        return
    try:
        text, low, high = _contiguous(block, begins, ends)
        taken, rows = plain_events(text, low, high)
    except NotPlain:
        middle = len(begins) // 2
        if middle >= _HALVED_ROWS_MIN:
            _halve(block, begins[:middle], ends[:middle], positions[:middle], parts)
            _halve(block, begins[middle:], ends[middle:], positions[middle:], parts)
            return
        taken, rows = np.zeros(len(begins), dtype=np.bool_), None
    if rows is not None and rows.num_rows:
        parts.columns.append((positions[taken], rows))
    for at in np.flatnonzero(~taken):
        _one(block[begins[at] : ends[at]], int(positions[at]), parts)


def _contiguous(block: bytes, begins: Places, ends: Places) -> tuple[bytes, Places, Places]:
    """The records as a text of their own, with nothing but one separator between them."""
    if ((begins[1:] - ends[:-1]) == 1).all() and (
        np.frombuffer(block, np.uint8)[ends[:-1]] == ord("\n")
    ).all():
        low = int(begins[0])
        return block[low : int(ends[-1])], begins - low, ends - low
    sizes = ends - begins
    text = b"\n".join([block[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)])
    stops = np.cumsum(sizes + 1) - 1
    return text, stops - sizes, stops


def _one(text: bytes, position: int, parts: _Parts) -> None:
    if not text.strip(b" \t\r\n"):
        return
    try:
        parts.rows.append({**event_row(text), "source_position": position})
    except Refused as reason:
        parts.rejects.append(_reject(position, text, reason.code, reason.message, []))


def _reject_long(record: LongRecord, position: int) -> dict[str, object]:
    return _reject(
        position,
        record.begin,
        "record_too_long",
        f"The record has {record.length_bytes} bytes. Its begin is kept here; the file still has all of it.",
        [("record_bytes", str(record.length_bytes)), ("record_sha256", record.sha256)],
    )


def _reject(
    position: int, payload: bytes, code: str, message: str, headers: list[tuple[str, str]]
) -> dict[str, object]:
    return {
        "source_position": position,
        "headers": headers,
        "payload": payload,
        "error_code": code,
        "error_message": message,
    }


def _batch(parts: _Parts) -> Batch:
    tables = [_with_positions(rows, positions) for positions, rows in parts.columns]
    if parts.rows:
        rows = pa.RecordBatch.from_pylist(parts.rows, schema=_ROW_SCHEMA)
        moments = [
            column.view(TIMESTAMP) if wanted.type == TIMESTAMP else column
            for column, wanted in zip(rows.columns, EVENT_SCHEMA, strict=True)
        ]
        tables.append(pa.RecordBatch.from_arrays(moments, schema=EVENT_SCHEMA))
    events = pa.Table.from_batches(tables, EVENT_SCHEMA)
    if len(tables) > 1:
        events = events.sort_by("source_position")
    whole = events.combine_chunks().to_batches()
    rejected = None
    if parts.rejects:
        ordered = sorted(parts.rejects, key=_position)
        rejected = pa.RecordBatch.from_pylist(ordered, schema=REJECT_SCHEMA)
    return Batch(whole[0] if whole else pa.RecordBatch.from_pylist([], schema=EVENT_SCHEMA), rejected)


def _with_positions(rows: pa.RecordBatch, positions: Places) -> pa.RecordBatch:
    columns = [
        pa.array(positions, pa.int64()) if column.name == "source_position" else rows.column(column.name)
        for column in EVENT_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA)


def _position(reject: dict[str, object]) -> int:
    position = reject["source_position"]
    return position if isinstance(position, int) else -1
