"""A log partition read as a source."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from eventreplay.batch import EVENT_SCHEMA
from eventreplay.event import Checkpoint, Position
from eventreplay.interfaces import Source
from eventreplay.log import LogSource, encode_events, encode_rejects
from tests.unit.log.doubles import MemoryLog

Build = Callable[[int, int], pa.RecordBatch]
At = Callable[[int], Checkpoint]


def test_an_empty_partition(memory: MemoryLog, rejects: Build, at: At) -> None:
    source: Source = LogSource(memory.log, "journal")
    assert source.name == "log:journal"
    assert source.head() is None
    assert source.epoch() == ""
    with memory.log.writer("journal") as writer:
        writer.commit([], [encode_rejects(rejects(0, 2), 0)], at(2))
    assert source.head() is None  # a rejected record never was an event


@pytest.mark.parametrize("batch_rows_max", [1, 3, 1000])
def test_every_range_reads_the_same_events(
    memory: MemoryLog, events: Build, at: At, batch_rows_max: int
) -> None:
    with memory.log.writer("journal") as writer:
        for turn in range(4):
            writer.commit([encode_events(events(100 + turn * 5, 5), turn * 5)], [], at(turn))
    source = LogSource(memory.log, "journal", batch_rows_max=batch_rows_max)
    assert source.head() == 19
    original = pa.Table.from_batches([events(100, 20)])
    for after in range(-1, 20):
        for upto in range(after, 20):
            batches = list(source.read(None if after == -1 else Position(after), Position(upto)))
            assert all(1 <= batch.rows <= batch_rows_max for batch in batches)
            table = pa.Table.from_batches([batch.events for batch in batches], EVENT_SCHEMA)
            assert table.column("source_position").to_pylist() == list(range(after + 1, upto + 1))
            expected = original.slice(after + 1, upto - after).drop_columns("source_position")
            assert table.drop_columns("source_position").equals(expected)
    source.close()


def test_another_chain_under_the_same_name_has_another_epoch(
    memory: MemoryLog, events: Build, at: At
) -> None:
    other = MemoryLog()
    for log, start in ((memory.log, 0), (other.log, 1)):
        with log.writer("journal") as writer:
            writer.commit([encode_events(events(start, 1), 0)], [], at(start))
    first = LogSource(memory.log, "journal").epoch()
    assert first != LogSource(other.log, "journal").epoch()
    with memory.log.writer("journal") as writer:
        writer.commit([], [], at(5))
    assert LogSource(memory.log, "journal").epoch() == first
