"""Batches for the codecs' tests, and their outcomes by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

PROTOBUF = "application/protobuf"
JSON = "application/json"


def events(*rows: tuple[str | None, str | None, bytes | None]) -> pa.RecordBatch:
    """Rows of (event_type, content_type, payload)."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.record_batch(
        {
            "event_type": pa.array(columns[0], pa.string()),
            "content_type": pa.array(columns[1], pa.string()),
            "payload": pa.array(columns[2], pa.binary()),
        }
    )


def of_type(
    event_type: str, payloads: Sequence[bytes | None], content_type: str = PROTOBUF
) -> pa.RecordBatch:
    return events(*((event_type, content_type, payload) for payload in payloads))


def outcome(codec: Any, batch: pa.RecordBatch) -> list[str]:
    """Each row's text, or `!code`."""
    found = codec.decode(batch)
    rows = [""] * batch.num_rows
    for row, text in zip(found.rows.to_pylist(), found.payload.to_pylist(), strict=True):
        rows[row] = text
    for row, code in zip(found.failed.to_pylist(), found.error_code.to_pylist(), strict=True):
        rows[row] = f"!{code}"
    assert sorted([*found.rows.to_pylist(), *found.failed.to_pylist()]) == list(range(batch.num_rows))
    return rows
