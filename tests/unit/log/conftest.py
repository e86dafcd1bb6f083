"""Builders for the tests of the log: events, rejects, checkpoints; a log in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from eventreplay.batch import REJECT_SCHEMA, Batch
from eventreplay.event import Checkpoint, Event
from tests.unit.log.doubles import MemoryLog

START = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def events() -> Callable[[int, int], pa.RecordBatch]:
    """`events(first, n)`: n events at positions first, first + 1, ..."""

    def build(first: int, count: int) -> pa.RecordBatch:
        return Batch.from_events(
            Event(
                event_id=f"e-{position}",
                event_type="shop.v1.Placed" if position % 2 else "shop.v1.Paid",
                stream_id=f"order-{position % 3}",
                source="shop",
                source_position=position,
                occurred_at=START + timedelta(seconds=position),
                recorded_at=None if position % 5 == 0 else START,
                headers={} if position % 3 else {"trace": f"t{position}"},
                payload=b"\x00" * (position % 4) + bytes([position % 256]),
            )
            for position in range(first, first + count)
        ).events

    return build


@pytest.fixture
def rejects() -> Callable[[int, int], pa.RecordBatch]:
    """`rejects(first, n)`: n rejected records at positions first, first + 1, ..."""

    def build(first: int, count: int) -> pa.RecordBatch:
        rows = [
            {
                "source_position": position,
                "payload": None if position % 2 else b"raw",
                "error_code": "id_missing",
                "error_message": "The event has no id.",
            }
            for position in range(first, first + count)
        ]
        return pa.RecordBatch.from_pylist(rows, schema=REJECT_SCHEMA)

    return build


@pytest.fixture
def at() -> Callable[[int], Checkpoint]:
    """`at(position)`: a checkpoint of the source these tests read."""

    def build(position: int) -> Checkpoint:
        return Checkpoint(source="journal", epoch="epoch-1", position=position)

    return build


@pytest.fixture
def memory() -> MemoryLog:
    """A log in memory."""
    return MemoryLog()
