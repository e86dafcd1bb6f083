"""A sink in memory that is stricter than any warehouse: the model that verbs are tested against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pyarrow as pa

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import CheckpointConflictError, InvalidEventError, SinkError
from eventreplay.event import Checkpoint
from eventreplay.testing.memory_redrive import RedrivesMemory
from eventreplay.testing.memory_repair import RepairsMemory
from eventreplay.testing.memory_tally import TalliesMemory

Row = Mapping[str, Any]


class MemoryWarehouse:
    """What outlives a sink: committed rows and checkpoints. Nothing uncommitted is ever in here.

    Attributes:
        events: committed rows of `RAW_SCHEMA`, in the order they were written.
        quarantine: committed rows of `QUARANTINE_SCHEMA`, likewise.
        checkpoints: by replay id.
        dismissed: the reason, by partition, stage and offset.
    """

    def __init__(self) -> None:
        self.events: list[Row] = []
        self.quarantine: list[Row] = []
        self.checkpoints: dict[str, Checkpoint] = {}
        self.dismissed: dict[tuple[str, str, int], str] = {}
        self._log_rows: set[tuple[str, int]] = set()
        self._capture_rows: set[tuple[str, int]] = set()

    def apply(self, replay_id: str, events: list[Row], quarantine: list[Row], checkpoint: Checkpoint) -> None:
        """Everything or nothing.

        Raises:
            InvalidEventError: a row of the log is there already; RAW mirrors the log row for row.
        """
        log_rows = _keys(events) + _keys([row for row in quarantine if row["stage"] == "decode"])
        capture_rows = _keys([row for row in quarantine if row["stage"] == "capture"])
        for name, new, there in (
            ("log", log_rows, self._log_rows),
            ("capture", capture_rows, self._capture_rows),
        ):
            if len(set(new)) != len(new) or not there.isdisjoint(new):
                raise InvalidEventError(
                    f"A {name} row was loaded twice.", hint="Exactly once: resume at begin()."
                )
        self._log_rows.update(log_rows)
        self._capture_rows.update(capture_rows)
        self.events += events
        self.quarantine += quarantine
        self.checkpoints[replay_id] = checkpoint


def _keys(rows: list[Row]) -> list[tuple[str, int]]:
    return [(row["log_partition"], row["log_offset"]) for row in rows]


class MemorySink(RepairsMemory, TalliesMemory, RedrivesMemory):
    """A `Sink` over a `MemoryWarehouse` that refuses whatever a verb must not do.

    It insists on the exact schema, on nulls only where they may be, on payloads that are JSON, on log
    order within a partition, and on checkpoints that never go back.
    """

    def __init__(self, warehouse: MemoryWarehouse | None = None) -> None:
        self.warehouse = MemoryWarehouse() if warehouse is None else warehouse
        self._replay_id: str | None = None
        self._events: list[Row] = []
        self._quarantine: list[Row] = []
        self._closed = False

    def begin(self, replay_id: str) -> Checkpoint | None:
        """Drop what was not committed."""
        if self._closed or not replay_id:
            raise SinkError("The sink is closed, or the replay id is empty.", hint="Open a new sink.")
        self._events, self._quarantine = [], []
        self._replay_id = replay_id
        return self.warehouse.checkpoints.get(replay_id)

    def write(self, rows: pa.RecordBatch) -> None:
        """Hold rows until the commit."""
        self._begun()
        new = _rows(rows, RAW_SCHEMA)
        for row in new:
            _check_json(row["payload"])
            _check_json(row["headers"])
        _check_order([*self._events[-1:], *new])
        self._events += new

    def quarantine(self, rows: pa.RecordBatch) -> None:
        """Hold quarantined rows until the commit."""
        self._begun()
        new = _rows(rows, QUARANTINE_SCHEMA)
        if any(row["stage"] not in ("capture", "decode") for row in new):
            raise InvalidEventError("A quarantine stage is neither capture nor decode.")
        self._quarantine += new

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        """Apply rows and checkpoint, if the stored checkpoint is `expected`."""
        replay_id = self._begun()
        found = self.warehouse.checkpoints.get(replay_id)
        events, quarantine = self._events, self._quarantine
        self._events, self._quarantine = [], []
        if found != expected:
            self._replay_id = None
            raise CheckpointConflictError(
                "Another run moved this checkpoint.", hint="Begin again.", expected=expected, found=found
            )
        if found is not None and checkpoint.source == found.source and checkpoint.position < found.position:
            raise SinkError("A checkpoint went back.", hint="Positions only grow.", expected=found.position)
        self.warehouse.apply(replay_id, events, quarantine, checkpoint)

    def close(self) -> None:
        """Drop what was not committed. Idempotent."""
        self._events, self._quarantine = [], []
        self._closed = True

    def _begun(self) -> str:
        if self._closed or self._replay_id is None:
            raise SinkError("The sink is closed, or no replay has begun.", hint="Call begin first.")
        return self._replay_id


def _rows(rows: pa.RecordBatch, schema: pa.Schema) -> list[Row]:
    if not rows.schema.equals(schema):
        raise InvalidEventError("Rows have another schema than the sink's.", hint="Use conform().")
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid:
        raise InvalidEventError("Rows are malformed: text that is not UTF-8.") from None
    for field in schema:
        if not field.nullable and rows.column(field.name).null_count:
            raise InvalidEventError(f"Column {field.name} has nulls.", column=field.name)
    try:
        return list(rows.to_pylist())
    except (OverflowError, ValueError):
        # A quarantined moment may lie outside what Python's datetime can hold: keep its microseconds.
        columns = [
            column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
            for column in rows.columns
        ]
        return list(pa.RecordBatch.from_arrays(columns, names=rows.schema.names).to_pylist())


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        raise InvalidEventError("A payload or headers text is not JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _check_order(rows: list[Row]) -> None:
    for first, second in pairwise(rows):
        if first["log_partition"] == second["log_partition"] and first["log_offset"] >= second["log_offset"]:
            raise InvalidEventError("Rows are not in log order.", position=second["log_offset"])
