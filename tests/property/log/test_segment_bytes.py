"""A segment's bytes are a function of its rows alone: how Arrow holds the rows must not show (promise P3)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.batch import EVENT_SCHEMA
from eventreplay.log import encode_events
from eventreplay.log.segment import decode_segment

MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.fixed_dictionaries(
    {
        "event_id": TEXT,
        "event_type": st.none() | st.sampled_from(["a.B", "a.C", ""]),
        "stream_id": st.none() | TEXT,
        "source": st.none() | TEXT,
        "source_position": st.none() | st.integers(-(2**63), 2**63 - 1),
        "occurred_at": st.none() | MOMENTS,
        "recorded_at": st.none() | MOMENTS,
        "content_type": st.none() | TEXT,
        "headers": st.none() | st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=3),
        "payload": st.binary(max_size=40),
    }
)
LISTS = st.lists(ROWS, min_size=1, max_size=12)


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=EVENT_SCHEMA)


def with_full_bitmaps(column: pa.Array) -> pa.Array:
    """The same values, with a validity bitmap although nothing is null."""
    if column.null_count or pa.types.is_map(column.type):
        return column
    bitmap = pa.py_buffer(b"\xff" * (len(column) // 8 + 1))
    buffers = column.buffers()
    return pa.Array.from_buffers(column.type, len(column), [bitmap, *buffers[1:]], offset=column.offset)


def with_bytes_under_nulls(column: pa.Array) -> pa.Array:
    """The same values, with other bytes in the slots of nulls."""
    if not pa.types.is_int64(column.type) or not column.null_count:
        return column
    noisy = column.fill_null(77)
    return pa.Array.from_buffers(column.type, len(column), [column.buffers()[0], noisy.buffers()[1]])


@settings(max_examples=120, deadline=None)
@given(
    rows=LISTS,
    before=st.lists(ROWS, max_size=9),
    after=st.lists(ROWS, max_size=3),
    cuts=st.lists(st.integers(0, 12), max_size=4),
)
def test_layout_in_memory_does_not_show(
    rows: list[dict[str, Any]],
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    cuts: list[int],
) -> None:
    plain = batch_of(rows)
    expected = encode_events(plain, 5)
    sliced = batch_of([*before, *rows, *after]).slice(len(before), len(rows))
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [sliced.slice(first, last - first) for first, last in pairwise(edges)]
    bitmaps = pa.RecordBatch.from_arrays([with_full_bitmaps(column) for column in plain], schema=EVENT_SCHEMA)
    noisy = pa.RecordBatch.from_arrays(
        [with_bytes_under_nulls(column) for column in plain], schema=EVENT_SCHEMA
    )
    for same in (sliced, pieces, pa.Table.from_batches(pieces), bitmaps, noisy):
        assert encode_events(same, 5).data == expected.data
        assert encode_events(same, 5).ref == expected.ref
    assert decode_segment(expected.ref, expected.data).select(EVENT_SCHEMA.names).to_pylist() == (
        plain.to_pylist()
    )


@settings(max_examples=40, deadline=None)
@given(first=LISTS, second=LISTS)
def test_other_rows_have_other_bytes(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    same = batch_of(first).equals(batch_of(second))
    assert (encode_events(batch_of(first), 0).data == encode_events(batch_of(second), 0).data) == same


def test_large_columns_cut_anywhere() -> None:
    """Past one page and one row group, where the writer's own batching could meet ours."""
    rows = 150_000
    ids = pa.array([f"id-{row:x}" for row in range(rows)])
    payload = pa.array([row.to_bytes(3, "big") * (row % 11) for row in range(rows)], pa.binary())
    headers = pa.array(
        [[("k", str(row))] if row % 3 else None for row in range(rows)], EVENT_SCHEMA.field("headers").type
    )
    whole = pa.record_batch({"event_id": ids, "headers": headers, "payload": payload})
    expected = encode_events(whole, 0)
    for size in (1, 1023, 1025, 131_071, 140_001):
        edges = [0, size, *range(size + 40_000, rows, 40_000), rows]
        pieces = [whole.slice(first, last - first) for first, last in pairwise(edges)]
        assert encode_events(pieces, 0).data == expected.data
