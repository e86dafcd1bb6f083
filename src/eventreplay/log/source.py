"""A log partition as a source: the way to copy a log, to merge logs, or to filter one into another."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from eventreplay.batch import EVENT_SCHEMA, Batch
from eventreplay.event import Position
from eventreplay.log.log import Log


class LogSource:
    """`interfaces.Source` over the committed events of one partition.

    A position is a `log_offset`: the events' own `source_position` belongs to the source they came from
    and is replaced. Quarantined records are not read; they never were events.

    Args:
        log: the log to read.
        partition: which of its partitions.
        batch_rows_max: rows in a batch at most.
    """

    def __init__(self, log: Log, partition: str, *, batch_rows_max: int = 65_536) -> None:
        self._reader = log.reader(partition)
        self._partition = partition
        self._batch_rows_max = batch_rows_max

    @property
    def name(self) -> str:
        """`log:<partition>`."""
        return f"log:{self._partition}"

    def epoch(self) -> str:
        """Hash of the first commit."""
        return self._reader.epoch()

    def head(self) -> Position | None:
        """The last committed offset."""
        head = self._reader.head()
        return None if head is None or head.next_offset == 0 else Position(head.next_offset - 1)

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Events of (after, upto]; one segment in memory at a time."""
        first = 0 if after is None else after + 1
        for ref in self._reader.segments(after, upto):
            table = self._reader.read(ref)
            start = max(first - ref.first_offset, 0)
            rows = min(upto + 1, ref.next_offset) - ref.first_offset - start
            for batch in table.slice(start, rows).combine_chunks().to_batches(self._batch_rows_max):
                yield Batch(_as_events(batch))

    def close(self) -> None:
        """Nothing is held open between reads."""


def _as_events(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        batch.column("log_offset" if field.name == "source_position" else field.name)
        for field in EVENT_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA)
