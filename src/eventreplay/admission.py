"""Which events may enter the log: checks on the envelope only, column by column.

Payloads are not looked into here. What a payload means is the codec's business at replay, where a mistake
can be corrected and run again; the log keeps what arrived. An event is refused only if the log could not
address it (no id, no type, no time) or could not hold it (too large), and then it goes to the partition's
quarantine with its original bytes and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from eventreplay.batch import EVENT_SCHEMA, HEADERS, REJECT_SCHEMA, Batch

TEXT_COLUMNS = tuple(field.name for field in EVENT_SCHEMA if pa.types.is_string(field.type))
# 0001-01-01 and 9999-12-31T23:59:59.999999 in microseconds of the Unix epoch: what every warehouse can hold.
TIME_MIN_US = -62_135_596_800_000_000
TIME_MAX_US = 253_402_300_799_999_999


@frozen(kw_only=True)
class AdmissionLimits:
    """Bounds of one event. Exceeding one quarantines the event, never the batch."""

    name_bytes_max: int = 512
    headers_bytes_max: int = 65_536
    payload_bytes_max: int = 16 * 1024 * 1024


@frozen
class Admitted:
    """A batch split in two: `events` (`EVENT_SCHEMA`) and `rejects` (`REJECT_SCHEMA`), orders kept."""

    events: pa.RecordBatch
    rejects: pa.RecordBatch


def codes_of_limits() -> frozenset[str]:
    """The error codes by which an envelope is refused that other limits would let in."""
    none = pa.RecordBatch.from_pylist([], schema=EVENT_SCHEMA)
    codes = (code for _, code, _ in _checks(none, AdmissionLimits()))
    return frozenset(code for code in codes if code.endswith(("_too_long", "_too_large")))


def admit(batch: Batch, limits: AdmissionLimits) -> Admitted:
    """Split a batch into events that may enter the log and rejects with the first reason that applies.

    What the source itself rejected comes first among equals: the result is ordered by source position
    where there is one.
    """
    events, unreadable = _repair_text(batch.events)
    reasons = [(unreadable, "envelope_not_utf8", "A text attribute is not valid UTF-8.")]
    reasons += list(_checks(events, limits))
    refused = np.zeros(events.num_rows, dtype=bool)
    code = np.full(events.num_rows, -1, dtype=np.int32)
    for at, (mask, _, _) in enumerate(reasons):
        code[mask & ~refused] = at
        refused |= mask
    if not refused.any():
        rejects = _no_rejects() if batch.rejected is None else batch.rejected
        return Admitted(events, rejects)
    chosen = code[refused]
    refused_rows = events.filter(pa.array(refused))
    rejects = pa.RecordBatch.from_arrays(
        [
            *refused_rows.columns,
            pa.array([reasons[at][1] for at in chosen], pa.string()),
            pa.array([reasons[at][2] for at in chosen], pa.string()),
        ],
        schema=REJECT_SCHEMA,
    )
    if batch.rejected is not None and batch.rejected.num_rows:
        both = pa.Table.from_batches([batch.rejected, rejects]).sort_by("source_position")
        rejects = both.combine_chunks().to_batches()[0]
    return Admitted(events.filter(pa.array(~refused)), rejects)


def _no_rejects() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=REJECT_SCHEMA)


def _checks(events: pa.RecordBatch, limits: AdmissionLimits) -> Iterator[tuple[np.ndarray, str, str]]:
    """Masks of refused rows with code and message; the first that is true for a row names its reason."""
    for name in ("event_id", "event_type"):
        size = _sizes(events.column(name))
        yield size <= 0, f"{name}_missing", f"The event has no {name}."
        yield (
            size > limits.name_bytes_max,
            f"{name}_too_long",
            (f"The event's {name} is longer than {limits.name_bytes_max} bytes."),
        )
    for name in ("stream_id", "source", "content_type"):
        yield (
            _sizes(events.column(name)) > limits.name_bytes_max,
            f"{name}_too_long",
            (f"The event's {name} is longer than {limits.name_bytes_max} bytes."),
        )
    yield _is_null(events.column("occurred_at")), "occurred_at_missing", "The event has no occurred_at."
    for name in ("occurred_at", "recorded_at"):
        moment = pc.fill_null(events.column(name).cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        yield (
            (moment < TIME_MIN_US) | (moment > TIME_MAX_US),
            f"{name}_out_of_range",
            (f"The event's {name} lies outside the years 1 to 9999."),
        )
    yield (
        _header_sizes(events.column("headers")) > limits.headers_bytes_max,
        "headers_too_large",
        (f"The event's headers take more than {limits.headers_bytes_max} bytes."),
    )
    yield _is_null(events.column("payload")), "payload_missing", "The event has no payload."
    yield (
        _sizes(events.column("payload")) > limits.payload_bytes_max,
        "payload_too_large",
        (f"The payload is larger than {limits.payload_bytes_max} bytes."),
    )


def _sizes(column: pa.Array) -> np.ndarray:
    """Bytes of each value, -1 for null."""
    return np.asarray(pc.fill_null(pc.binary_length(column), -1).to_numpy(zero_copy_only=False))


def _is_null(column: pa.Array) -> np.ndarray:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _header_sizes(headers: pa.MapArray) -> np.ndarray:
    """Bytes of all header names and values of each row."""
    offsets = headers.offsets.to_numpy()
    if offsets[-1] == offsets[0]:
        return np.zeros(len(headers), dtype=np.int64)
    each = _sizes(headers.keys) + np.maximum(_sizes(headers.items), 0)
    total = np.concatenate([[0], np.cumsum(each, dtype=np.int64)])
    return np.asarray(total[offsets[1:]] - total[offsets[:-1]])


def _repair_text(events: pa.RecordBatch) -> tuple[pa.RecordBatch, np.ndarray]:
    """Find rows whose text is not UTF-8 (Arrow does not check it on the way in).

    Their text is replaced by what can be read of it, so that the row can be written to the quarantine;
    nothing but the offending rows is touched.
    """
    bad = np.zeros(events.num_rows, dtype=bool)
    columns = dict(zip(events.schema.names, events.columns, strict=True))
    for name in TEXT_COLUMNS:
        try:
            columns[name].validate(full=True)
        except pa.ArrowInvalid:
            raw = columns[name].cast(pa.binary()).to_pylist()
            bad |= np.array([not _is_utf8(value) for value in raw], dtype=bool)
            text = [None if value is None else value.decode("utf-8", "replace") for value in raw]
            columns[name] = pa.array(text, pa.string())
    unreadable = _unreadable_headers(columns["headers"])
    if unreadable is not None:
        bad |= unreadable
        # What cannot be read of headers cannot be stored as text; the payload's bytes are kept whole.
        columns["headers"] = pc.if_else(pa.array(unreadable), pa.scalar(None, HEADERS), columns["headers"])
    if not bad.any():
        return events, bad
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=EVENT_SCHEMA), bad


def _unreadable_headers(headers: pa.MapArray) -> np.ndarray | None:
    """Rows with a header name or value that is not UTF-8; None if there is none."""
    try:
        headers.validate(full=True)
    except pa.ArrowInvalid:
        sides = [side.cast(pa.binary()).to_pylist() for side in (headers.keys, headers.items)]
        fine = [_is_utf8(name) and _is_utf8(value) for name, value in zip(*sides, strict=True)]
        wrong = np.concatenate([[0], np.cumsum(~np.array(fine, dtype=bool))])
        offsets = headers.offsets.to_numpy()
        return np.asarray(wrong[offsets[1:]] > wrong[offsets[:-1]])
    return None


def _is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False
