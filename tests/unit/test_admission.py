"""Which events may enter the log, and with which reason the others do not."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from eventreplay.admission import AdmissionLimits, admit
from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA, Batch

GOOD: dict[str, object] = {
    "event_id": "e-1",
    "event_type": "t",
    "stream_id": "s",
    "source": "src",
    "source_position": 0,
    "occurred_at": datetime(2026, 1, 2, tzinfo=UTC),
    "recorded_at": None,
    "content_type": "application/json",
    "headers": [("k", "v")],
    "payload": b"{}",
}


def batch_of(*changes: dict[str, object]) -> Batch:
    rows = [{**GOOD, "source_position": at, **change} for at, change in enumerate(changes)]
    return Batch(pa.RecordBatch.from_pylist(rows, schema=EVENT_SCHEMA))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"event_id": None}, "event_id_missing"),
        ({"event_id": ""}, "event_id_missing"),
        ({"event_id": "é" * 300}, "event_id_too_long"),
        ({"event_type": None}, "event_type_missing"),
        ({"event_type": "t" * 513}, "event_type_too_long"),
        ({"stream_id": "s" * 513}, "stream_id_too_long"),
        ({"occurred_at": None}, "occurred_at_missing"),
        ({"headers": [("k", "v" * 70_000)]}, "headers_too_large"),
        ({"payload": None}, "payload_missing"),
        ({"payload": b"x" * 1001}, "payload_too_large"),
        ({"event_id": None, "payload": None}, "event_id_missing"),
    ],
)
def test_an_unusable_envelope_is_refused_with_its_first_reason(change: dict[str, object], code: str) -> None:
    admitted = admit(batch_of({}, change, {}), AdmissionLimits(payload_bytes_max=1000))
    assert admitted.events.column("source_position").to_pylist() == [0, 2]
    assert admitted.rejects.column("source_position").to_pylist() == [1]
    assert admitted.rejects.column("error_code").to_pylist() == [code]
    assert admitted.rejects.column("payload").to_pylist() == [{**GOOD, **change}["payload"]]


def test_hostile_but_usable_envelopes_pass_unchanged() -> None:
    hostile = ["'; drop table events;--", "../../etc/passwd", "a\x00b", "\u202egnp.exe", "🃏" * 128]
    changes: list[dict[str, object]] = [
        {"event_id": name, "stream_id": name, "headers": None} for name in hostile
    ]
    batch = batch_of(*changes)
    admitted = admit(batch, AdmissionLimits())
    assert admitted.events.equals(batch.events)
    assert admitted.rejects.num_rows == 0


def test_a_time_outside_what_warehouses_hold_is_refused() -> None:
    rows = batch_of({}, {}).events.to_pydict()
    rows["occurred_at"] = pa.array([2**62, 0], pa.int64()).cast(EVENT_SCHEMA.field("occurred_at").type)
    events = pa.RecordBatch.from_pydict(rows, schema=EVENT_SCHEMA)
    admitted = admit(Batch(events), AdmissionLimits())
    assert admitted.rejects.column("error_code").to_pylist() == ["occurred_at_out_of_range"]


@pytest.mark.parametrize("column", ["event_id", "stream_id"])
def test_text_that_is_not_utf8_is_refused_and_its_payload_kept(column: str) -> None:
    batch = batch_of({}, {}, {})
    columns = dict(zip(batch.events.schema.names, batch.events.columns, strict=True))
    columns[column] = pa.array([b"ok", b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    admitted = admit(
        Batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=EVENT_SCHEMA)), AdmissionLimits()
    )
    assert admitted.rejects.column("error_code").to_pylist() == ["envelope_not_utf8"]
    assert admitted.rejects.column("payload").to_pylist() == [b"{}"]
    assert admitted.events.column("source_position").to_pylist() == [0, 2]


def test_headers_that_are_not_utf8_are_refused() -> None:
    batch = batch_of({}, {}, {})
    values = pa.array([b"v", b"\xff", b"v"], pa.binary()).view(pa.string())
    headers = pa.MapArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), pa.array(["k"] * 3), values)
    columns = dict(zip(batch.events.schema.names, batch.events.columns, strict=True)) | {"headers": headers}
    admitted = admit(
        Batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=EVENT_SCHEMA)), AdmissionLimits()
    )
    assert admitted.rejects.column("source_position").to_pylist() == [1]
    assert admitted.rejects.column("error_code").to_pylist() == ["envelope_not_utf8"]


def test_what_the_source_rejected_keeps_its_place_among_the_others() -> None:
    batch = batch_of({}, {"event_id": ""}, {})
    row = {
        **GOOD,
        "event_id": None,
        "source_position": 3,
        "payload": b"junk",
        "error_code": "x",
        "error_message": "y",
    }
    early = {**row, "source_position": -1}
    rejected = pa.RecordBatch.from_pylist([early, row], schema=REJECT_SCHEMA)
    admitted = admit(Batch(batch.events, rejected), AdmissionLimits())
    assert admitted.rejects.column("source_position").to_pylist() == [-1, 1, 3]


def test_a_slice_of_a_batch_is_judged_by_its_own_rows() -> None:
    batch = batch_of({"headers": [("k", "v" * 70_000)]}, {}, {"payload": None})
    admitted = admit(Batch(batch.events.slice(1)), AdmissionLimits())
    assert admitted.events.column("source_position").to_pylist() == [1]
    assert admitted.rejects.column("error_code").to_pylist() == ["payload_missing"]
