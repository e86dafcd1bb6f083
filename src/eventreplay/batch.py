"""The one batch interface: Arrow record batches with a fixed schema, and what must hold of them.

Everything that moves through eventreplay moves as one of four shapes, each a superset of the one above:

* `EVENT_SCHEMA`: what a source yields.
* `LOG_SCHEMA`: what the log stores; adds the offset in the partition and the two hashes.
* `RAW_SCHEMA`: what a sink stores; adds the decoded payload as canonical JSON text.
* `QUARANTINE_SCHEMA`: what could not go on, with the original bytes and the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa
from attrs import frozen

from eventreplay.errors import InvalidEventError
from eventreplay.event import Event

TIMESTAMP = pa.timestamp("us", tz="UTC")
HEADERS = pa.map_(pa.string(), pa.string())

EVENT_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("stream_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("source_position", pa.int64()),
        pa.field("occurred_at", TIMESTAMP),
        pa.field("recorded_at", TIMESTAMP),
        pa.field("content_type", pa.string()),
        pa.field("headers", HEADERS),
        pa.field("payload", pa.binary()),
    ]
)

LOG_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64(), nullable=False),
        *EVENT_SCHEMA,
        pa.field("payload_sha256", pa.binary(32), nullable=False),
        pa.field("event_hash", pa.int64(), nullable=False),
    ]
)

RAW_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("stream_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("source_position", pa.int64()),
        pa.field("occurred_at", TIMESTAMP, nullable=False),
        pa.field("recorded_at", TIMESTAMP),
        pa.field("content_type", pa.string()),
        pa.field("headers", pa.string(), nullable=False),
        pa.field("payload_type", pa.string(), nullable=False),
        pa.field("payload", pa.string(), nullable=False),
        pa.field("payload_sha256", pa.binary(32), nullable=False),
        pa.field("event_hash", pa.int64(), nullable=False),
        pa.field("log_partition", pa.string(), nullable=False),
        pa.field("log_offset", pa.int64(), nullable=False),
    ]
)

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("log_partition", pa.string(), nullable=False),
        pa.field("log_offset", pa.int64(), nullable=False),
        *EVENT_SCHEMA,
        pa.field("payload_sha256", pa.binary(32), nullable=False),
        pa.field("error_code", pa.string(), nullable=False),
        pa.field("error_message", pa.string(), nullable=False),
        pa.field("decoder_fingerprint", pa.string(), nullable=False),
    ]
)
"""`stage` is `capture` (the envelope was unusable; `log_offset` counts in the partition's quarantine)
or `decode` (the payload was; `log_offset` is that of the event in the log)."""

REJECT_SCHEMA = pa.schema(
    [
        *EVENT_SCHEMA,
        pa.field("error_code", pa.string(), nullable=False),
        pa.field("error_message", pa.string(), nullable=False),
    ]
)


class ArrowArrayExportable(Protocol):
    """Anything that speaks the Arrow PyCapsule interface (polars, duckdb, nanoarrow, ...)."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


@frozen
class Batch:
    """One record batch of events, and beside it the records the source could not make events of.

    Attributes:
        events: `EVENT_SCHEMA` exactly. In a re-readable source `source_position` is set and strictly
            ascending, across batches too.
        rejected: `REJECT_SCHEMA`, or None. Original bytes in `payload`, `source_position` set; a
            rejected record takes a position like any other, so that it is neither lost nor read twice.
    """

    events: pa.RecordBatch
    rejected: pa.RecordBatch | None = None

    @classmethod
    def of(cls, data: ArrowArrayExportable, rejected: pa.RecordBatch | None = None) -> Batch:
        """Wrap columns, conforming them to `EVENT_SCHEMA`: order, missing nullable columns, widths.

        Raises:
            InvalidEventError: a column has a type that cannot become the schema's without loss, or a
                column is unknown (it would be dropped silently otherwise).
        """
        return cls(conform(pa.record_batch(data), EVENT_SCHEMA), rejected)

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> Batch:
        """Build a batch from rows; for sources whose author has rows, and for tests."""
        rows = [_row(event) for event in events]
        return cls(pa.RecordBatch.from_pylist(rows, schema=EVENT_SCHEMA))

    @property
    def rows(self) -> int:
        """Records that arrived: events and rejected ones."""
        return int(self.events.num_rows) + (0 if self.rejected is None else int(self.rejected.num_rows))

    def to_events(self) -> list[Event]:
        """The row view, for people and tests; never on a hot path."""
        return [_event(row) for row in self.events.to_pylist()]


def conform(data: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`data` with exactly the columns of `schema`: reordered, missing nullable ones as nulls, cast safely."""
    unknown = sorted(set(data.schema.names) - set(schema.names))
    if unknown:
        raise InvalidEventError(
            f"Unknown columns in a batch: {', '.join(unknown)}.",
            hint=f"A batch has the columns {', '.join(schema.names)}; put anything else into headers.",
            columns=unknown,
        )
    return pa.RecordBatch.from_arrays([_column(data, field) for field in schema], schema=schema)


def _column(data: pa.RecordBatch, field: pa.Field) -> pa.Array:
    at = data.schema.get_field_index(field.name)
    if at < 0:
        return pa.nulls(data.num_rows, field.type)
    column = data.column(at)
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type, safe=True)
    except pa.ArrowException as error:
        raise InvalidEventError(
            f"Column {field.name} has type {column.type} and cannot become {field.type} without loss.",
            hint="Convert it in the source; timestamps are microseconds in UTC, payloads are bytes.",
            column=field.name,
        ) from error


def _row(event: Event) -> Mapping[str, object]:
    return {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "stream_id": event.stream_id,
        "source": event.source,
        "source_position": event.source_position,
        "occurred_at": _utc(event.occurred_at),
        "recorded_at": None if event.recorded_at is None else _utc(event.recorded_at),
        "content_type": event.content_type,
        "headers": list(event.headers.items()),
        "payload": event.payload,
    }


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise InvalidEventError(
            f"A timestamp without time zone: {moment.isoformat()}.",
            hint="Pass timezone-aware datetimes; the library never guesses a zone.",
        )
    return moment.astimezone(UTC)


def _event(row: Mapping[str, object]) -> Event:
    known = dict(row)
    known["headers"] = dict(known["headers"] or ())  # type: ignore[call-overload]
    return Event(**known)  # type: ignore[arg-type]
