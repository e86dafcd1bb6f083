"""The one batch interface: what conforms, what is refused, and that nothing changes on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from eventreplay.batch import (
    EVENT_SCHEMA,
    LOG_SCHEMA,
    QUARANTINE_SCHEMA,
    RAW_SCHEMA,
    REJECT_SCHEMA,
    Batch,
    conform,
)
from eventreplay.errors import InvalidEventError
from eventreplay.event import Event

MOMENT = datetime(2026, 2, 1, 0, 59, 59, 123_456, tzinfo=timezone(timedelta(hours=1)))

FULL = Event(
    event_id="e-1",
    event_type="example.v1.Happened",
    stream_id="s",
    source="urn:example",
    source_position=0,
    occurred_at=MOMENT,
    recorded_at=MOMENT.astimezone(UTC),
    content_type="application/json",
    headers={"b": "2", "a": "Zoë 🃏"},
    payload=b"\x00\xff",
)


def test_rows_and_columns_are_two_views_of_the_same_events() -> None:
    bare = Event(event_id="e-2", event_type="t", payload=b"", occurred_at=MOMENT)
    batch = Batch.from_events([FULL, bare])
    assert batch.events.schema == EVENT_SCHEMA
    assert batch.to_events() == [FULL, bare]
    assert batch.rows == 2


def test_moments_are_kept_as_instants_whatever_zone_they_were_written_in() -> None:
    column = Batch.from_events([FULL]).events.column("occurred_at")
    assert column.type == pa.timestamp("us", tz="UTC")
    assert column[0].as_py() == datetime(2026, 1, 31, 23, 59, 59, 123_456, tzinfo=UTC)


def test_a_moment_without_zone_is_refused_because_nobody_may_guess_one() -> None:
    naive = Event(event_id="e", event_type="t", payload=b"", occurred_at=MOMENT.replace(tzinfo=None))
    with pytest.raises(InvalidEventError, match="without time zone") as caught:
        Batch.from_events([naive])
    assert "timezone-aware" in caught.value.hint


def test_rejected_records_count_as_rows() -> None:
    rejected = pa.RecordBatch.from_pylist(
        [{"payload": b"x", "error_code": "c", "error_message": "m", "source_position": 1}],
        schema=REJECT_SCHEMA,
    )
    batch = Batch(Batch.from_events([FULL]).events, rejected)
    assert batch.rows == 2


def test_of_orders_columns_adds_missing_ones_and_widens() -> None:
    data = pa.record_batch(
        {
            "payload": pa.array([b"p"], pa.large_binary()),
            "source_position": pa.array([7], pa.int32()),
            "event_id": pa.array(["e"], pa.large_string()),
            "occurred_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("ms", tz="UTC")),
        }
    )
    batch = Batch.of(data)
    assert batch.events.schema == EVENT_SCHEMA
    assert batch.events.column("payload").to_pylist() == [b"p"]
    assert batch.events.column("source_position").to_pylist() == [7]
    assert batch.events.column("headers").null_count == 1


def test_of_takes_anything_that_speaks_the_arrow_interface() -> None:
    class Foreign:
        def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
            exported: tuple[object, object] = pa.record_batch({"event_id": ["e"]}).__arrow_c_array__(
                requested_schema
            )
            return exported

    assert Batch.of(Foreign()).events.column("event_id").to_pylist() == ["e"]


def test_an_unknown_column_is_refused_because_it_would_be_lost() -> None:
    with pytest.raises(InvalidEventError, match="colour") as caught:
        Batch.of(pa.record_batch({"event_id": ["e"], "colour": ["red"]}))
    assert caught.value.fields["columns"] == ["colour"]


def test_a_cast_that_would_lose_something_is_refused_and_names_the_column() -> None:
    nanoseconds = pa.array([1_700_000_000_000_000_001], pa.timestamp("ns", tz="UTC"))
    with pytest.raises(InvalidEventError, match="occurred_at") as caught:
        Batch.of(pa.record_batch({"occurred_at": nanoseconds}))
    assert caught.value.fields["column"] == "occurred_at"


def test_conform_leaves_what_conforms_as_it_is() -> None:
    events = Batch.from_events([FULL]).events
    same = conform(events, EVENT_SCHEMA)
    assert [column.buffers()[1] for column in same.columns if column.type == pa.int64()] == [
        column.buffers()[1] for column in events.columns if column.type == pa.int64()
    ]
    assert same == events


@pytest.mark.parametrize(
    "wider", [LOG_SCHEMA, QUARANTINE_SCHEMA, REJECT_SCHEMA], ids=["log", "quarantine", "reject"]
)
def test_every_shape_carries_the_event_as_it_arrived(wider: pa.Schema) -> None:
    assert [wider.field(field.name) for field in EVENT_SCHEMA] == list(EVENT_SCHEMA)


def test_raw_carries_the_envelope_and_the_hashes_that_prove_the_payload() -> None:
    kept = {field.name for field in EVENT_SCHEMA} | {
        "payload_sha256",
        "event_hash",
        "log_partition",
        "log_offset",
    }
    assert kept <= set(RAW_SCHEMA.names)
    assert not RAW_SCHEMA.field("payload_sha256").nullable
