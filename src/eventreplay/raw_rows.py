"""What replay makes of a segment of the log: rows of RAW, and rows of RAW.QUARANTINE. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from attrs import frozen

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.canonical import json_text
from eventreplay.errors import LogError
from eventreplay.interfaces import Codec


@frozen
class RawRows:
    """Rows for a sink: `rows` of RAW_SCHEMA and `refused` of QUARANTINE_SCHEMA."""

    rows: pa.RecordBatch
    refused: pa.RecordBatch


def raw_rows(
    table: pa.Table, partition: str, codec: Codec, batch_rows_max: int, *, rejects: bool
) -> Iterator[RawRows]:
    """Decode one segment, a batch at a time; every row of it comes out once, in order.

    Args:
        table: the segment, of events or of records that capture had refused.
        partition: whose it is.
        codec: decodes the payloads of events.
        batch_rows_max: rows decoded at a time.
        rejects: whether the segment is of the partition's quarantine.

    Raises:
        LogError: the codec does not account for every row.
    """
    table = table.combine_chunks()
    for begin in range(0, table.num_rows, batch_rows_max):
        for rows in table.slice(begin, batch_rows_max).to_batches():
            if rejects:
                yield RawRows(no_rows(RAW_SCHEMA), _capture_refused(rows, partition))
            else:
                yield _decoded_chunk(rows, partition, codec)


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of `schema` without rows."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def _decoded_chunk(rows: pa.RecordBatch, partition: str, codec: Codec) -> RawRows:
    decoded = codec.decode(rows)
    if len(decoded.rows) + len(decoded.failed) != rows.num_rows:
        raise LogError(
            f"The codec made {len(decoded.rows)} rows and {len(decoded.failed)} failures of {rows.num_rows}.",
            hint="Nothing of this commit was loaded. A codec accounts for every row: tell its author.",
        )
    fine = rows if not len(decoded.failed) else rows.take(decoded.rows)
    made = {
        "headers": _header_text(fine.column("headers")),
        "payload_type": decoded.payload_type,
        "payload": decoded.payload,
        "log_partition": _repeated(partition, fine.num_rows),
    }
    raw = [made[name] if name in made else fine.column(name) for name in RAW_SCHEMA.names]
    refused = no_rows(QUARANTINE_SCHEMA)
    if len(decoded.failed):
        failed = rows.take(decoded.failed)
        codes, messages = decoded.error_code, decoded.error_message
        refused = _refused(failed, "decode", partition, codes, messages, codec.fingerprint)
    return RawRows(pa.RecordBatch.from_arrays(raw, schema=RAW_SCHEMA), refused)


def _header_text(headers: pa.Array) -> pa.Array:
    """Headers as JSON text; absent ones as an empty object."""
    if headers.null_count == len(headers):
        return _repeated("{}", len(headers))
    return json_text(headers).fill_null("{}")


def _capture_refused(rows: pa.RecordBatch, partition: str) -> pa.RecordBatch:
    return _refused(rows, "capture", partition, rows.column("error_code"), rows.column("error_message"), "")


def _refused(
    rows: pa.RecordBatch, stage: str, partition: str, codes: pa.Array, messages: pa.Array, fingerprint: str
) -> pa.RecordBatch:
    made = {
        "stage": _repeated(stage, rows.num_rows),
        "log_partition": _repeated(partition, rows.num_rows),
        "error_code": codes,
        "error_message": messages,
        "decoder_fingerprint": _repeated(fingerprint, rows.num_rows),
    }
    columns = [made[name] if name in made else rows.column(name) for name in QUARANTINE_SCHEMA.names]
    return pa.RecordBatch.from_arrays(columns, schema=QUARANTINE_SCHEMA)


def _repeated(value: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), rows)
