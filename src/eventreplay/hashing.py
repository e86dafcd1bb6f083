"""The hashes every event carries, computed for whole columns at a time.

* `payload_sha256`: SHA-256 of the payload's original bytes.
* `event_hash`: the first 8 bytes, big endian, as a signed 64-bit integer, of
  SHA-256(event_id in UTF-8 || payload_sha256). It binds the identity to the content.
* `hash_sum`: the exact sum of event hashes. A sum does not depend on order or on how rows were cut into
  segments, so COUNT and SUM compare a log, a warehouse table and a journal without moving a row.

The digests come from DataFusion's `sha256` over one in-memory partition: a plain projection, which keeps
the order of rows (the tests hold this against hashlib, row by row, across its internal batches), and
which lets go of the interpreter lock, so that threads overlap. A loop over hashlib is ten times slower.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datafusion import SessionConfig, SessionContext, col
from datafusion import functions as f

from eventreplay.errors import InvalidEventError

DIGEST_BYTES = 32
SHA256 = pa.binary(DIGEST_BYTES)

_BLOCK_ROWS_MAX = 1 << 18
"""Rows joined with their digests at once: bounds the copy, and keeps 32-bit offsets from overflowing."""

_LOW_BITS = 32


def payload_sha256(payload: pa.Array) -> pa.Array:
    """SHA-256 of each value, in the same order.

    Args:
        payload: binary array without nulls; slices are fine.

    Returns:
        fixed_size_binary(32) array of the same length.

    Raises:
        InvalidEventError: a value is null (there is nothing to hash; an empty payload is not null).
    """
    if payload.null_count > 0:
        raise InvalidEventError(
            f"{payload.null_count} of {len(payload)} payloads are null.",
            hint="Give an event without content an empty payload, or reject it before it is hashed.",
            null_count=payload.null_count,
        )
    digests = np.empty(len(payload) * DIGEST_BYTES, np.uint8)
    _digest_into(digests, payload)
    return pa.Array.from_buffers(SHA256, len(payload), [None, pa.py_buffer(digests)])


def event_hash(event_id: pa.Array, payload_digest: pa.Array) -> pa.Array:
    """The 64-bit hash of each event, in the same order.

    Args:
        event_id: string array without nulls.
        payload_digest: fixed_size_binary(32) array of the same length, from `payload_sha256`.

    Returns:
        int64 array of the same length.

    Raises:
        InvalidEventError: an id is null, or the lengths differ.
    """
    if event_id.null_count > 0 or len(event_id) != len(payload_digest):
        raise InvalidEventError(
            f"{len(event_id)} ids ({event_id.null_count} null) for {len(payload_digest)} payload hashes.",
            hint="Reject events without an id before they are hashed.",
            null_count=event_id.null_count,
        )
    hashes = np.empty(len(event_id), np.int64)
    for start in range(0, len(event_id), _BLOCK_ROWS_MAX):
        ids = event_id.slice(start, _BLOCK_ROWS_MAX).cast(pa.binary())
        digests = payload_digest.slice(start, _BLOCK_ROWS_MAX).cast(pa.binary())
        rows = len(ids)
        block = np.empty(rows * DIGEST_BYTES, np.uint8)
        _digest_into(block, pc.binary_join_element_wise(ids, digests, b""))
        hashes[start : start + rows] = block.view(">i8").reshape(rows, DIGEST_BYTES // 8)[:, 0]
    return pa.Array.from_buffers(pa.int64(), len(hashes), [None, pa.py_buffer(hashes)])


def hash_sum(hashes: pa.Array | pa.ChunkedArray) -> int:
    """The exact sum of an int64 column: Python's integer, because 64 bits would wrap around.

    Sums the upper and the lower halves apart; neither can overflow below 2**31 rows a chunk.
    """
    chunks = hashes.chunks if isinstance(hashes, pa.ChunkedArray) else [hashes]
    total = 0
    for chunk in chunks:
        values = chunk.to_numpy(zero_copy_only=True)
        high = int(np.sum(values >> _LOW_BITS, dtype=np.int64))
        low = int(np.sum(values & ((1 << _LOW_BITS) - 1), dtype=np.int64))
        total += (high << _LOW_BITS) + low
    return total


def _digest_into(out: np.ndarray, values: pa.Array) -> None:
    # A context of its own each time: tables handed to a context stay registered, and in memory, with it.
    context = SessionContext(SessionConfig().with_target_partitions(1))
    table = context.from_arrow(pa.record_batch({"value": values}))
    at = 0
    for batch in table.select(f.sha256(col("value")).alias("digest")).collect():
        digests = batch.column(0)
        size = len(digests) * DIGEST_BYTES
        start = int(np.frombuffer(digests.buffers()[1], np.int32)[digests.offset])
        out[at : at + size] = np.frombuffer(digests.buffers()[2], np.uint8)[start : start + size]
        at += size
    if at != len(out):
        raise InvalidEventError(
            f"Hashed {at // DIGEST_BYTES} of {len(values)} rows.",
            hint="This is a defect of the installed datafusion; install the version the package asks for.",
        )
