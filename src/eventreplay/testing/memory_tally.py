"""Counting and comparing rows in memory, in plain Python: the model for what a warehouse does in SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from eventreplay.batch import RAW_SCHEMA
from eventreplay.capabilities.tally import TALLIED_SCHEMA, DayTally, Order, Span, Tally

if TYPE_CHECKING:
    from eventreplay.testing.memory_sink import MemoryWarehouse

_HASH_BYTES = 8


class TalliesMemory:
    """`SupportsTally` and `SupportsComparison` over the committed rows of a `MemoryWarehouse`."""

    warehouse: MemoryWarehouse

    def partitions(self) -> list[str]:
        """Names of partitions that any row is of."""
        rows = (*self.warehouse.events, *self.warehouse.quarantine)
        return sorted({row["log_partition"] for row in rows})

    def tally(self, partition: str, order: Order, spans: Sequence[Span]) -> list[Tally]:
        """Count and add up, row by row."""
        return [_tally(self._rows(partition, order, span)) for span in spans]

    def tallied(
        self, partition: str, order: Order, span: Span, *, rows_max: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a span with their hashes."""
        found = sorted(self._rows(partition, order, span), key=lambda row: int(row["log_offset"]))[:rows_max]
        names = TALLIED_SCHEMA.names
        rows = [{name: row[name] for name in names} for row in found]
        yield pa.RecordBatch.from_pylist(rows, schema=TALLIED_SCHEMA)

    def days(self, partition: str, end: int) -> list[DayTally]:
        """Count and add up by day, row by row."""
        found: dict[date, list[int]] = {}
        for row in self.warehouse.events:
            if row["log_partition"] == partition and row["log_offset"] < end:
                found.setdefault(row["occurred_at"].date(), []).append(row["event_hash"])
        return [DayTally(day=day, rows=len(found[day]), hashes=sum(found[day])) for day in sorted(found)]

    def differing(self, rows: pa.RecordBatch) -> Mapping[int, Sequence[str]]:
        """Compare every column, value by value."""
        are_events = rows.schema.equals(RAW_SCHEMA)
        here, there = self.warehouse.events, self.warehouse.quarantine
        if not are_events:
            here, there = there, here
        found: dict[int, list[str]] = {}
        for due in rows.to_pylist():
            held = [row for row in here if _same_place(row, due)]
            names = [name for name in due if any(row[name] != due[name] for row in held)]
            if due.get("stage") != "capture" and any(_same_place(row, due) for row in there):
                names.append("table")
            if names:
                found[due["log_offset"]] = names
        return found

    def _rows(self, partition: str, order: Order, span: Span) -> list[dict[str, Any]]:
        made = []
        if order == "log":
            for row in self.warehouse.events:
                computed = _hash(row["event_id"], row["payload_sha256"])
                made.append({**row, "claimed": row["event_hash"], "computed": computed, "refused": 0})
        for row in self.warehouse.quarantine:
            if (row["stage"] == "capture") == (order == "capture"):
                event_id = (row["event_id"] or "") if order == "log" else ""
                claimed = _hash(event_id, row["payload_sha256"])
                computed = _hash(event_id, hashlib.sha256(row["payload"] or b"").digest())
                made.append({**row, "claimed": claimed, "computed": computed, "refused": 1})
        return [
            row
            for row in made
            if row["log_partition"] == partition and span.first <= row["log_offset"] < span.end
        ]


def _tally(rows: Sequence[Mapping[str, Any]]) -> Tally:
    return Tally(
        rows=len(rows),
        offsets=len({row["log_offset"] for row in rows}),
        refused=sum(row["refused"] for row in rows),
        claimed=sum(row["claimed"] for row in rows),
        computed=sum(row["computed"] for row in rows),
        last=max((row["log_offset"] for row in rows), default=None),
    )


def _hash(event_id: str, payload_digest: bytes) -> int:
    digest = hashlib.sha256(event_id.encode() + payload_digest).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "big", signed=True)


def _same_place(row: Mapping[str, Any], due: Mapping[str, Any]) -> bool:
    where = ("log_partition", "log_offset")
    # A row of EVENTS and one that decoding refused have offsets of the same order.
    capture = row.get("stage") == "capture", due.get("stage") == "capture"
    return capture[0] == capture[1] and all(row[name] == due[name] for name in where)
