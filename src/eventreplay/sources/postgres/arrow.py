"""What the driver fetched, as batches of events: whole columns, no row is touched by Python."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import EVENT_SCHEMA, HEADERS, REJECT_SCHEMA, Batch
from eventreplay.sources.postgres.columns import Selection

_CODE = "attribute_malformed"
_MESSAGE = "The column for headers is no JSON object of texts; the header `headers` holds its text."


def to_batches(fetched: pa.RecordBatch, selection: Selection, rows_max: int) -> Iterator[Batch]:
    """Batches of at most `rows_max` records; those with unusable headers are rejected, none is dropped."""
    columns = dict(zip(selection.fetched, _columns(fetched, selection), strict=True))
    malformed = None
    if "headers" in columns:
        malformed = fetched.column(2 + selection.fetched.index("headers"))
    rows = fetched.num_rows
    arrays = [_array(field, columns, selection, fetched.column(0), rows) for field in EVENT_SCHEMA]
    events = pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)
    rejected = None
    if malformed is not None and malformed.null_count < rows:
        bad = malformed.is_valid()
        rejected = _reject(events.filter(bad), malformed.filter(bad))
        events = events.filter(pc.invert(bad))
    yield from _sliced(events, rejected, rows_max)


def _columns(fetched: pa.RecordBatch, selection: Selection) -> Iterator[pa.Array]:
    at = 1
    for name in selection.fetched:
        yield fetched.column(at)
        at += 2 if name == "headers" else 1


def _array(
    field: pa.Field, columns: dict[str, pa.Array], selection: Selection, ids: pa.Array, rows: int
) -> pa.Array:
    if field.name == "source_position":
        return ids
    if field.name in selection.constants:
        return pa.repeat(pa.scalar(selection.constants[field.name], pa.string()), rows)
    if field.name not in columns:
        return pa.nulls(rows, field.type)
    column = columns[field.name]
    if field.name == "headers":
        return _maps(column)
    return column if column.type == field.type else column.cast(field.type)


def _maps(flat: pa.ListArray) -> pa.MapArray:
    """Lists of names and texts in turn, as maps; a row without a list has no headers."""
    if flat.null_count == len(flat):
        return pa.nulls(len(flat), HEADERS)
    flat_values = flat.flatten()
    sizes = pc.fill_null(pc.list_value_length(flat), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(sizes // 2, dtype=np.int64)]).astype(np.int32)
    names = flat_values.take(pa.array(np.arange(0, len(flat_values), 2)))
    texts = flat_values.take(pa.array(np.arange(1, len(flat_values), 2)))
    made = pa.MapArray.from_arrays(pa.array(offsets), names, texts)
    return pc.if_else(flat.is_valid(), made, pa.scalar(None, HEADERS)) if flat.null_count else made


def _reject(events: pa.RecordBatch, texts: pa.Array) -> pa.RecordBatch:
    rows = events.num_rows
    at = EVENT_SCHEMA.get_field_index("headers")
    kept = pa.MapArray.from_arrays(
        pa.array(np.arange(rows + 1, dtype=np.int32)), pa.repeat("headers", rows), texts
    )
    arrays = [*events.columns[:at], kept, *events.columns[at + 1 :]]
    return pa.RecordBatch.from_arrays(
        [*arrays, pa.repeat(_CODE, rows), pa.repeat(_MESSAGE, rows)], schema=REJECT_SCHEMA
    )


def _sliced(events: pa.RecordBatch, rejected: pa.RecordBatch | None, rows_max: int) -> Iterator[Batch]:
    if rejected is None:
        for begin in range(0, events.num_rows, rows_max):
            yield Batch(events.slice(begin, rows_max))
        return
    mine, theirs = (part.column("source_position").to_numpy() for part in (events, rejected))
    every = np.sort(np.concatenate([mine, theirs]))
    for begin in range(0, len(every), rows_max):
        piece = every[begin : begin + rows_max]
        yield Batch(_between(events, mine, piece), _between(rejected, theirs, piece))


def _between(part: pa.RecordBatch, ids: np.ndarray, piece: np.ndarray) -> pa.RecordBatch:
    low = int(np.searchsorted(ids, piece[0], side="left"))
    return part.slice(low, int(np.searchsorted(ids, piece[-1], side="right")) - low)
