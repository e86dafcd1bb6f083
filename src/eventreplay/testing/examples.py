"""Events and rows that suites are run with: few, but each with something that has broken a system before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.event import Event

HOSTILE_TEXTS: Mapping[str, str] = {
    "quotes": 'O\'Neil "Zoë" `x`; DROP TABLE RAW.EVENTS; --',
    "path": "../../etc/passwd",
    "template": "{{ 1/0 }} {% raw %} ${HOME} %s %(x)s",
    "bidi": "\u202egnp.exe\u2066",
    "emoji": "🃏 family 👨‍👩‍👧",
    "combining": "e\u0301 vs \u00e9",
    "escape": "back\\slash \\u0041 \\",
    "control": "tab\t newline\n return\r bell\x07",
    "nul": "before\x00after",
    "separators": "\u2028\u2029\ufeff",
}
"""Names and contents that must be stored exactly or refused clearly; none may be interpreted."""

DECIMAL_TEXTS = (
    "0.0000",
    "-0.0001",
    "12345678901234567890.123456789012345678",
    "99999999999999999999999999999999999999",
    "-99999999999999999999999999999999999999",
    "0.00000000000000000000000000000000000001",
    "1.10",
)
"""Texts of decimals up to 38 digits; a system that passes them through a float changes them."""

_START = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def example_events(count: int, *, first: int = 0) -> list[Event]:
    """`count` events numbered from `first`, every third with a hostile stream and headers."""
    hostile = list(HOSTILE_TEXTS.items())
    made = []
    for number in range(first, first + count):
        name, text = hostile[number % len(hostile)]
        made.append(
            Event(
                event_id=f"event-{number:06d}",
                event_type="example.v1.Happened",
                stream_id=f"stream-{number % 7}" if number % 3 else text.replace("\x00", ""),
                source="urn:example",
                occurred_at=_START + timedelta(microseconds=number),
                recorded_at=None if number % 4 == 0 else _START + timedelta(seconds=number),
                headers={} if number % 3 else {name: text.replace("\x00", "")},
                payload=b"" if number % 11 == 0 else bytes([number % 256, 0, 255]) * (1 + number % 5),
            )
        )
    return made


def example_rows(offsets: range, *, partition: str = "journal", **changes: Any) -> pa.RecordBatch:
    """Rows of `RAW_SCHEMA` at the given log offsets; `changes` replace a column's value in every row."""
    return pa.RecordBatch.from_pylist(
        [{**_raw_row(offset, partition), **changes} for offset in offsets], schema=RAW_SCHEMA
    )


def example_quarantine(offsets: range, *, partition: str = "journal", **changes: Any) -> pa.RecordBatch:
    """Rows of `QUARANTINE_SCHEMA`, stage `decode`, at the given log offsets."""
    return pa.RecordBatch.from_pylist(
        [{**_quarantine_row(offset, partition), **changes} for offset in offsets], schema=QUARANTINE_SCHEMA
    )


def _raw_row(offset: int, partition: str) -> dict[str, Any]:
    amount = DECIMAL_TEXTS[offset % len(DECIMAL_TEXTS)]
    digest = hashlib.sha256(str(offset).encode()).digest()
    return {
        "event_id": f"event-{offset:06d}",
        "event_type": "example.v1.Happened",
        "stream_id": f"stream-{offset % 7}",
        "source": "urn:example",
        "source_position": offset,
        "occurred_at": _START + timedelta(microseconds=offset),
        "recorded_at": None if offset % 4 == 0 else _START,
        "content_type": "application/protobuf",
        "headers": '{"trace":"Zoë"}',
        "payload_type": "example.v1.Happened",
        "payload": f'{{"number":"{offset}","amount":"{amount}","name":"Zoë 🃏"}}',
        "payload_sha256": digest,
        "event_hash": int.from_bytes(digest[:8], "big", signed=True),
        "log_partition": partition,
        "log_offset": offset,
    }


def _quarantine_row(offset: int, partition: str) -> dict[str, Any]:
    payload = bytes([255, 0, offset % 256])
    return {
        "stage": "decode",
        "log_partition": partition,
        "log_offset": offset,
        "event_id": f"event-{offset:06d}",
        "event_type": "example.v1.Happened",
        "stream_id": None,
        "source": "urn:example",
        "source_position": offset,
        "occurred_at": _START,
        "recorded_at": None,
        "content_type": "application/protobuf",
        "headers": [("trace", 'Zoë "quoted"'), ("empty", "")],
        "payload": payload,
        "payload_sha256": hashlib.sha256(payload).digest(),
        "error_code": "payload_malformed",
        "error_message": "The payload ends within a field.",
        "decoder_fingerprint": "example",
    }
