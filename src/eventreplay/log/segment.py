"""Rows to the bytes of a segment and back: a pure function each way.

The bytes depend on the rows alone: not on how they were cut into chunks or sliced, not on a validity
bitmap that is there though nothing is null, not on a clock. Every setting of the Parquet writer is
written down here for that reason, also where it equals the default; only `created_by`, which names the
Arrow version, comes from the library (docs/decisions/008).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import frozen

from eventreplay.batch import EVENT_SCHEMA, LOG_SCHEMA, REJECT_SCHEMA, conform
from eventreplay.errors import CorruptLogError, InvalidEventError
from eventreplay.hashing import SHA256, event_hash, hash_sum, payload_sha256
from eventreplay.log import layout
from eventreplay.log.commit import SegmentRef

QUARANTINED_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64(), nullable=False),
        *EVENT_SCHEMA,
        pa.field("payload_sha256", SHA256, nullable=False),
        pa.field("error_code", pa.string(), nullable=False),
        pa.field("error_message", pa.string(), nullable=False),
    ]
)
"""What a quarantine segment stores: `REJECT_SCHEMA`, the offset in the quarantine and the payload's hash."""

ROW_GROUP_ROWS = 131_072
PAGE_BYTES = 1024 * 1024
WRITE_BATCH_ROWS = 1024
ZSTD_LEVEL = 1
# Only what repeats: a dictionary over ids or payloads is built, outgrown and thrown away, at half the speed.
DICTIONARY_COLUMNS = ["event_type", "source", "content_type", "headers.key_value.key", "error_code"]
HEADER_COLUMNS = ["headers.key_value.key", "headers.key_value.value"]
# Hashes do not compress.
HASH_COLUMNS = ["payload_sha256", "event_hash"]
STATISTICS_COLUMNS = ["log_offset", "event_type", "source_position", "occurred_at", "recorded_at"]


@frozen(kw_only=True)
class EncodedSegment:
    """A segment ready to be committed: its bytes, and what the commit will say of it.

    `ref.key` is the bare file name until the writer's commit puts it into the partition's folder.
    """

    kind: str
    data: memoryview
    ref: SegmentRef


Rows: TypeAlias = pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch]


def encode_events(events: Rows, first_offset: int) -> EncodedSegment:
    """Make a segment of events. Pure; may run in any thread (the heavy parts let the lock go).

    Args:
        events: at least one row of `EVENT_SCHEMA`; `event_id` and `payload` are not null.
        first_offset: `log_offset` of the first row; the caller counts on from the writer's
            `next_offset` by the rows of what it has encoded.

    Raises:
        InvalidEventError: no rows, a foreign column, a null id or payload, or more than 2 GiB in one column.
    """
    table = _gather(events, EVENT_SCHEMA)
    digests = payload_sha256(_only_chunk(table, "payload"))
    hashes = event_hash(_only_chunk(table, "event_id"), digests)
    table = pa.Table.from_arrays(
        [_offsets(first_offset, table.num_rows), *table.columns, digests, hashes], schema=LOG_SCHEMA
    )
    return _encoded(table, layout.EVENTS, first_offset, (table.num_rows, hash_sum(hashes)))


def encode_rejects(rejects: Rows, first_offset: int) -> EncodedSegment:
    """Make a quarantine segment of rows of `REJECT_SCHEMA`. Pure, like `encode_events`.

    `first_offset` counts in the partition's quarantine (`next_quarantine_offset`). A null payload is
    kept as null; its `payload_sha256` is that of no bytes.
    """
    table = _gather(rejects, REJECT_SCHEMA)
    digests = payload_sha256(pc.fill_null(_only_chunk(table, "payload"), b""))
    events, errors = table.columns[: len(EVENT_SCHEMA)], table.columns[len(EVENT_SCHEMA) :]
    table = pa.Table.from_arrays(
        [_offsets(first_offset, table.num_rows), *events, digests, *errors], schema=QUARANTINED_SCHEMA
    )
    return _encoded(table, layout.QUARANTINE, first_offset, (0, 0))


def decode_segment(ref: SegmentRef, data: bytes | memoryview) -> pa.Table:
    """The rows of a segment, after its bytes were held against the commit.

    Returns:
        table of `LOG_SCHEMA` or `QUARANTINED_SCHEMA`.

    Raises:
        CorruptLogError: size, hash, schema, row count or first offset is not what the commit says.
    """
    if len(data) != ref.bytes:
        raise _damaged(ref, f"it has {len(data)} bytes instead of {ref.bytes}")
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise _damaged(ref, "its SHA-256 is not the committed one")
    schema = LOG_SCHEMA if ref.event_count > 0 else QUARANTINED_SCHEMA
    try:
        # One thread: whoever wants more reads several segments at once.
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(ref, "its bytes are the committed ones, but not Parquet that can be read") from error
    if not table.schema.equals(schema):
        raise _damaged(ref, "its columns are not those of a segment")
    if table.num_rows != ref.rows:
        raise _damaged(ref, f"it has {table.num_rows} rows instead of {ref.rows}")
    if table.column("log_offset")[0].as_py() != ref.first_offset:
        raise _damaged(ref, "its first offset is not the committed one")
    return table


def positions(table: pa.Table) -> tuple[int | None, int | None]:
    """First and last source position, if all are set and strictly ascend; otherwise (None, None).

    A queue's events have no order of their own, and a range of positions would claim one.
    """
    column = table.column("source_position")
    if column.null_count > 0 or len(column) == 0:
        return None, None
    values = column.to_numpy()
    if values[0] < 0 or not bool(np.all(values[1:] > values[:-1])):
        return None, None
    return int(values[0]), int(values[-1])


def _gather(rows: Rows, schema: pa.Schema) -> pa.Table:
    """All rows as one chunk a column, in exactly `schema`."""
    if isinstance(rows, pa.Table):
        batches = rows.to_batches()
    elif isinstance(rows, pa.RecordBatch):
        batches = [rows]
    else:
        batches = list(rows)
    table = pa.Table.from_batches(
        [conform(batch, schema) for batch in batches], schema=schema
    ).combine_chunks()
    if table.num_rows == 0:
        raise InvalidEventError("A segment without rows.", hint="Commit without a segment instead.")
    for field in schema:
        if not field.nullable and table.column(field.name).null_count > 0:
            raise InvalidEventError(
                f"The column {field.name} has nulls.", hint="Give every row a value.", column=field.name
            )
    return table


def _only_chunk(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    if column.num_chunks != 1:
        raise InvalidEventError(
            f"The column {name} holds more than 2 GiB.",
            hint="Close segments earlier: lower the bound on a segment's bytes.",
            column=name,
        )
    return column.chunk(0)


def _offsets(first_offset: int, rows: int) -> pa.Array:
    return pa.array(np.arange(first_offset, first_offset + rows, dtype=np.int64))


def _encoded(table: pa.Table, kind: str, first_offset: int, events: tuple[int, int]) -> EncodedSegment:
    for name in table.schema.names:
        _only_chunk(table, name)
    sink = pa.BufferOutputStream()
    names = [*(name for name in table.schema.names if name != "headers"), *HEADER_COLUMNS]
    with pq.ParquetWriter(
        sink,
        table.schema,
        version="2.6",
        compression={name: "none" if name in HASH_COLUMNS else "zstd" for name in names},
        compression_level={name: ZSTD_LEVEL for name in names if name not in HASH_COLUMNS},
        use_dictionary=[name for name in DICTIONARY_COLUMNS if name in names],
        dictionary_pagesize_limit=PAGE_BYTES,
        write_statistics=STATISTICS_COLUMNS,
        data_page_version="1.0",
        data_page_size=PAGE_BYTES,
        write_batch_size=WRITE_BATCH_ROWS,
        use_compliant_nested_type=True,
        store_schema=False,
        write_page_index=False,
        write_page_checksum=False,
        use_content_defined_chunking=False,
    ) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    # A view, not a copy: copying costs a sixth of the whole encoding.
    data = memoryview(sink.getvalue()).cast("B")
    sha256 = hashlib.sha256(data).hexdigest()
    first_position, last_position = positions(table)
    ref = SegmentRef(
        key=layout.segment_name(first_offset, sha256),
        rows=table.num_rows,
        bytes=len(data),
        sha256=sha256,
        first_offset=first_offset,
        first_position=first_position,
        last_position=last_position,
        event_count=events[0],
        event_hash_sum=events[1],
    )
    return EncodedSegment(kind=kind, data=data, ref=ref)


def _damaged(ref: SegmentRef, detail: str) -> CorruptLogError:
    return CorruptLogError(
        f"{ref.key} is damaged: {detail}.",
        hint="Run `eventreplay log check`, then restore this object from a copy.",
        key=ref.key,
        detail=detail,
    )
