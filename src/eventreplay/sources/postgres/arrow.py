"""What the driver fetched, as batches of events: whole columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA, Batch
from eventreplay.sources.postgres.columns import Selection
from eventreplay.sources.postgres.headers import maps_of

_CODE = "attribute_malformed"
_MESSAGE = "The column for headers is no JSON object of texts; the header `headers` holds its text."


def to_batches(fetched: pa.RecordBatch, selection: Selection, rows_max: int) -> Iterator[Batch]:
    """Batches of at most `rows_max` records; those with unusable headers are rejected, none is dropped."""
    columns = dict(zip(selection.fetched, fetched.columns[1:], strict=True))
    texts, malformed = columns.get("headers"), None
    if texts is not None:
        columns["headers"], malformed = maps_of(texts)
    rows = fetched.num_rows
    arrays = [_array(field, columns, selection, fetched.column(0), rows) for field in EVENT_SCHEMA]
    events = pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)
    rejected = None
    if texts is not None and malformed is not None and malformed.any():
        bad = pa.array(malformed)
        rejected = _reject(events.filter(bad), texts.filter(bad))
        events = events.filter(pc.invert(bad))
    yield from _sliced(events, rejected, rows_max)


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
    return column if column.type == field.type else column.cast(field.type)


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
