"""The quarantine of a `MemoryWarehouse`, in plain Python: the model for what a warehouse does in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from attrs import evolve

from eventreplay.capabilities.quarantine import (
    PLACES_SCHEMA,
    Marked,
    RefusedGroup,
    Selection,
    Settled,
    Stage,
    goes_on_from,
)
from eventreplay.errors import CheckpointConflictError
from eventreplay.event import Checkpoint

if TYPE_CHECKING:
    from eventreplay.testing.memory_sink import MemoryWarehouse

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class RedrivesMemory:
    """`SupportsQuarantine` and `SupportsRedrive` over the committed rows of a `MemoryWarehouse`."""

    warehouse: MemoryWarehouse

    def refused_count(self, selection: Selection) -> int:
        """Row by row."""
        return len(self._chosen(selection))

    def refused_groups(self, selection: Selection, *, groups_max: int) -> list[RefusedGroup]:
        """Row by row."""
        counts = Counter(
            (row["stage"], row["error_code"], row["event_type"], _key(row) in self.warehouse.dismissed)
            for row in self._chosen(selection)
        )
        ordered = sorted(counts, key=lambda key: (key[0], key[1], key[2] is None, key[2] or "", key[3]))
        return [
            RefusedGroup(stage=stage, error_code=code, event_type=kind, dismissed=dismissed, rows=rows)
            for (stage, code, kind, dismissed), rows in ((key, counts[key]) for key in ordered[:groups_max])
        ]

    def refused_page(
        self, selection: Selection, *, limit_rows: int, skip_rows: int = 0
    ) -> list[Mapping[str, Any]]:
        """Rows with what is known of their marks."""
        made: list[Mapping[str, Any]] = []
        for row in self._chosen(selection)[skip_rows : skip_rows + limit_rows]:
            reason = self.warehouse.dismissed.get(_key(row))
            more = {"quarantined_at": _MOMENT, "payload_json": None, "dismissed_reason": reason}
            made.append({**row, **more, "dismissed_at": None if reason is None else _MOMENT})
        return made

    def refused_places(
        self, partition: str, stage: Stage, selection: Selection, *, after: int | None, rows_max: int
    ) -> pa.RecordBatch:
        """Rows behind `after`; all that share the last one's offset."""
        rows = [
            {**row, "dismissed": _key(row) in self.warehouse.dismissed}
            for row in self._chosen(selection)
            if (row["log_partition"], row["stage"]) == (partition, stage)
            and (after is None or row["log_offset"] > after)
        ]
        if len(rows) > rows_max:
            last = rows[rows_max - 1]["log_offset"]
            rows = [row for row in rows if row["log_offset"] <= last]
        names = PLACES_SCHEMA.names
        return pa.RecordBatch.from_pylist(
            [{name: row[name] for name in names} for row in rows], schema=PLACES_SCHEMA
        )

    def settle(
        self, replay_id: str, passed: pa.RecordBatch, refused: pa.RecordBatch, *, expected: Checkpoint
    ) -> Settled:
        """Everything or nothing."""
        found = self.warehouse.checkpoints.get(replay_id)
        if not goes_on_from(found, expected):
            raise CheckpointConflictError(
                "RAW is no longer what it was.", hint="Start again.", expected=expected, found=found
            )
        loaded = {_place(row) for row in self.warehouse.events}
        waiting = {_place(row) for row in self.warehouse.quarantine if row["stage"] == "decode"} - loaded
        moved = [row for row in passed.to_pylist() if _place(row) in waiting]
        gone = {_place(row) for row in moved}
        due = {_place(row): row for row in refused.to_pylist()}
        kept, restated = [], 0
        for row in self.warehouse.quarantine:
            if row["stage"] == "decode" and _place(row) in gone:
                continue
            again = due.get(_place(row)) if row["stage"] == "decode" else None
            restated += again is not None
            names = ("error_code", "error_message", "decoder_fingerprint")
            kept.append(row if again is None else {**row, **{name: again[name] for name in names}})
        self.warehouse.quarantine[:] = kept
        self.warehouse.events += moved
        return Settled(
            moved=pa.array(sorted(row["log_offset"] for row in moved), pa.int64()), restated=restated
        )

    def dismiss(self, selection: Selection, reason: str) -> list[Marked]:
        """Mark those without a mark."""
        rows = self._chosen(evolve(selection, dismissed=False))
        self.warehouse.dismissed.update({_key(row): reason for row in rows})
        return _marked(rows)

    def undismiss(self, selection: Selection) -> list[Marked]:
        """Free those with a mark."""
        rows = self._chosen(evolve(selection, dismissed=True))
        for row in rows:
            self.warehouse.dismissed.pop(_key(row), None)
        return _marked(rows)

    def _chosen(self, selection: Selection) -> list[Mapping[str, Any]]:
        made = []
        for row in self.warehouse.quarantine:
            named = (
                (selection.stages, "stage"),
                (selection.codes, "error_code"),
                (selection.types, "event_type"),
                (selection.partitions, "log_partition"),
                (selection.fingerprints, "decoder_fingerprint"),
            )
            least, most = selection.first_offset, selection.last_offset
            if (
                all(not names or row[name] in names for names, name in named)
                and (least is None or row["log_offset"] >= least)
                and (most is None or row["log_offset"] <= most)
                and selection.dismissed in {None, _key(row) in self.warehouse.dismissed}
            ):
                made.append(row)
        return sorted(made, key=_key)


def _place(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["log_partition"], row["log_offset"]


def _key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["log_partition"], row["stage"], row["log_offset"]


def _marked(rows: Sequence[Mapping[str, Any]]) -> list[Marked]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        key = (row["log_partition"], row["stage"], row["error_code"])
        groups.setdefault(key, []).append(row["log_offset"])
    return [
        Marked(
            partition=partition,
            stage=stage,
            error_code=code,
            rows=len(offsets),
            first_offset=min(offsets),
            last_offset=max(offsets),
        )
        for (partition, stage, code), offsets in sorted(groups.items())
    ]
