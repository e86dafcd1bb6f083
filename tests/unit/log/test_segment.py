"""Segments: what stands in the file, and that no other file is ever read as it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attrs import evolve

from eventreplay.batch import EVENT_SCHEMA, LOG_SCHEMA
from eventreplay.errors import CorruptLogError, InvalidEventError
from eventreplay.log.commit import SegmentRef
from eventreplay.log.segment import (
    QUARANTINED_SCHEMA,
    ROW_GROUP_ROWS,
    decode_segment,
    encode_events,
    encode_rejects,
    positions,
)

Build = Callable[[int, int], pa.RecordBatch]


def test_events_come_back_with_offsets_and_hashes(events: Build) -> None:
    batch = events(7, 20)
    segment = encode_events(batch, 100)
    table = decode_segment(segment.ref, segment.data)
    assert table.schema.equals(LOG_SCHEMA)
    assert table.select(EVENT_SCHEMA.names).equals(pa.Table.from_batches([batch]))
    assert table.column("log_offset").to_pylist() == list(range(100, 120))
    payloads = batch.column("payload").to_pylist()
    digests = [hashlib.sha256(payload).digest() for payload in payloads]
    assert table.column("payload_sha256").to_pylist() == digests
    hashes = [
        int.from_bytes(hashlib.sha256(name.encode() + digest).digest()[:8], "big", signed=True)
        for name, digest in zip(batch.column("event_id").to_pylist(), digests, strict=True)
    ]
    assert table.column("event_hash").to_pylist() == hashes
    ref = segment.ref
    assert (ref.rows, ref.event_count, ref.event_hash_sum) == (20, 20, sum(hashes))
    assert (ref.first_offset, ref.next_offset) == (100, 120)
    assert (ref.first_position, ref.last_position) == (7, 26)
    assert (ref.bytes, ref.sha256) == (len(segment.data), hashlib.sha256(segment.data).hexdigest())
    assert ref.key == f"segment-{100:020d}-{ref.sha256[:16]}.parquet"


def test_rejects_come_back_with_the_hash_of_what_there_was(rejects: Build) -> None:
    segment = encode_rejects(rejects(4, 3), 0)
    table = decode_segment(segment.ref, segment.data)
    assert table.schema.equals(QUARANTINED_SCHEMA)
    assert table.column("payload").to_pylist() == [b"raw", None, b"raw"]
    raw, nothing = hashlib.sha256(b"raw").digest(), hashlib.sha256(b"").digest()
    assert table.column("payload_sha256").to_pylist() == [raw, nothing, raw]
    assert (segment.ref.rows, segment.ref.event_count, segment.ref.event_hash_sum) == (3, 0, 0)


def test_several_batches_and_missing_columns_are_conformed(events: Build) -> None:
    whole = encode_events(events(0, 10), 0)
    assert encode_events([events(0, 4), events(4, 6)], 0).data == whole.data
    assert encode_events(pa.Table.from_batches([events(0, 4), events(4, 6)]), 0).data == whole.data
    small = pa.record_batch({"event_id": ["a"], "payload": pa.array([b"p"], pa.binary())})
    segment = encode_events(small, 0)
    assert decode_segment(segment.ref, segment.data).column("headers").to_pylist() == [None]


@pytest.mark.parametrize("column", ["event_id", "payload"])
def test_an_event_without_identity_or_content_is_refused(events: Build, column: str) -> None:
    batch = events(0, 3)
    at = batch.schema.get_field_index(column)
    broken = batch.set_column(at, column, pa.array(["x", None, "y"], pa.string()).cast(batch.column(at).type))
    with pytest.raises(InvalidEventError):
        encode_events(broken, 0)


def test_no_rows_foreign_columns_and_null_reasons_are_refused(events: Build, rejects: Build) -> None:
    with pytest.raises(InvalidEventError, match="without rows"):
        encode_events(events(0, 0), 0)
    with pytest.raises(InvalidEventError, match="Unknown columns"):
        encode_events(events(0, 1).append_column("more", pa.array([1])), 0)
    with pytest.raises(InvalidEventError, match="error_code"):
        encode_rejects(rejects(0, 2).drop_columns(["error_code"]), 0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], (None, None)),
        ([5], (5, 5)),
        ([0, 1, 7], (0, 7)),
        ([3, 3], (None, None)),
        ([4, 3], (None, None)),
        ([1, None, 3], (None, None)),
        ([None], (None, None)),
        ([-1, 4], (None, None)),
        ([0, 2**63 - 1], (0, 2**63 - 1)),
    ],
)
def test_positions_are_a_range_only_where_they_ascend(
    given: list[int | None], expected: tuple[int | None, int | None]
) -> None:
    table = pa.table({"source_position": pa.array(given, pa.int64())})
    assert positions(table) == expected


def test_the_file_is_plain_parquet_with_chosen_encodings(events: Build) -> None:
    segment = encode_events(events(0, 50), 0)
    file = pq.ParquetFile(pa.BufferReader(segment.data))
    metadata = file.metadata
    assert metadata.metadata is None  # no serialized Arrow schema: its bytes belong to a library version
    columns = {
        metadata.row_group(0).column(at).path_in_schema: metadata.row_group(0).column(at)
        for at in range(metadata.num_columns)
    }
    dictionary = {name for name, column in columns.items() if column.has_dictionary_page}
    assert dictionary == {"event_type", "source", "content_type", "headers.key_value.key"}
    assert columns["payload"].compression == "ZSTD"
    assert columns["payload_sha256"].compression == "UNCOMPRESSED"
    assert columns["source_position"].statistics.min == 0
    assert not columns["payload"].is_stats_set
    moment = file.schema.column(list(columns).index("occurred_at"))
    assert "isAdjustedToUTC=true, timeUnit=microseconds" in str(moment.logical_type)


def test_row_groups_have_a_fixed_size() -> None:
    rows = ROW_GROUP_ROWS + 5
    batch = pa.record_batch(
        {
            "event_id": pa.array([str(row) for row in range(rows)]),
            "payload": pa.repeat(pa.scalar(b"p", pa.binary()), rows),
        }
    )
    segment = encode_events(batch, 0)
    metadata = pq.ParquetFile(pa.BufferReader(segment.data)).metadata
    groups = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    assert groups == [ROW_GROUP_ROWS, 5]
    assert decode_segment(segment.ref, segment.data).num_rows == rows


def test_another_engine_reads_it_as_it_is(events: Build, tmp_path: Path) -> None:
    folder = tmp_path / "log_partition=live-0"
    folder.mkdir()
    (folder / "segment.parquet").write_bytes(encode_events(events(0, 9), 0).data)
    query = "select log_partition, log_offset, event_id, occurred_at, headers, payload from read_parquet(?)"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(query, [f"{tmp_path}/*/*.parquet"]).fetchall()
    assert len(rows) == 9
    partition, offset, name, moment, headers, payload = rows[3]
    assert (partition, offset, name, headers, payload) == ("live-0", 3, "e-3", {"trace": "t3"}, b"\0\0\0\x03")
    assert moment == datetime(2026, 2, 1, 0, 0, 2, tzinfo=UTC)


def test_bytes_that_are_not_the_committed_ones_are_never_parsed(events: Build) -> None:
    segment = encode_events(events(0, 5), 0)
    data = bytes(segment.data)
    for damaged in (data[:-1], data + b"\0", b"", bytes([data[0] ^ 1]) + data[1:]):
        with pytest.raises(CorruptLogError) as caught:
            decode_segment(segment.ref, damaged)
        assert caught.value.fields["key"] == segment.ref.key


def test_a_commit_that_lies_about_its_segment_is_found(events: Build, rejects: Build) -> None:
    segment = encode_events(events(0, 5), 10)
    other = encode_rejects(rejects(0, 5), 10)
    not_parquet = b"PAR1 is how it starts"
    lies: list[tuple[SegmentRef, bytes | memoryview, str]] = [
        (evolve(segment.ref, rows=6, event_count=6), segment.data, "5 rows instead of 6"),
        (evolve(segment.ref, first_offset=11), segment.data, "first offset"),
        (evolve(other.ref, event_count=5), other.data, "columns"),
        (
            evolve(segment.ref, bytes=len(not_parquet), sha256=hashlib.sha256(not_parquet).hexdigest()),
            not_parquet,
            "not Parquet",
        ),
    ]
    for ref, data, detail in lies:
        with pytest.raises(CorruptLogError, match=detail):
            decode_segment(ref, data)
