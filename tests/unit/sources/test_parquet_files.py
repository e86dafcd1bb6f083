"""Parquet of events as a file source: columns all the way, and clear about what is none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventreplay.batch import EVENT_SCHEMA, LOG_SCHEMA, Batch
from eventreplay.errors import EventReplayError, SourceError
from eventreplay.event import Position
from eventreplay.sources.files import FileSource
from eventreplay.testing.examples import example_events


def test_parquet_of_a_log_and_with_other_types(tmp_path: Path) -> None:
    events = Batch.from_events(example_events(5)).events
    table = pa.Table.from_batches([events]).append_column("log_offset", pa.array(range(5), pa.int64()))
    table = table.append_column("event_hash", pa.array(range(5), pa.int64()))
    large = table.set_column(
        table.schema.get_field_index("payload"), "payload", table.column("payload").cast(pa.large_binary())
    )
    pq.write_table(large, tmp_path / "a.parquet", row_group_size=2)
    assert set(LOG_SCHEMA.names) > set(EVENT_SCHEMA.names)
    batches = list(FileSource(tmp_path).read(None, Position(4)))
    found = [event for batch in batches for event in batch.to_events()]
    assert [event.payload for event in found] == [event.payload for event in example_events(5)]
    assert [event.source_position for event in found] == list(range(5))
    assert all(batch.rejected is None for batch in batches)


def test_parquet_that_is_not_events_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    events = pa.Table.from_batches([Batch.from_events(example_events(3)).events])
    naive = events.column("occurred_at").cast(pa.timestamp("us"))
    at = events.schema.get_field_index("occurred_at")
    cases: list[tuple[pa.Table, str]] = [
        (events.drop_columns("payload"), "payload"),
        (events.set_column(at, "occurred_at", naive), "time zone"),
        (events.append_column("surprise", pa.nulls(3)), "surprise"),
        (events.set_column(0, "event_id", pa.array([[1], [2], [3]])), "event_id"),
    ]
    for table, named in cases:
        pq.write_table(table, path)
        with pytest.raises(EventReplayError, match=named):
            list(FileSource(path).read(None, Position(2)))
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(SourceError, match="Parquet"):
        FileSource(path).head()
