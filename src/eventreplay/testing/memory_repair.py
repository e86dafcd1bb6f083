"""Replacing rows in memory, in plain Python: the model for what a warehouse does in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from eventreplay.capabilities.tally import Order
from eventreplay.errors import CheckpointConflictError
from eventreplay.event import Checkpoint

if TYPE_CHECKING:
    from eventreplay.testing.memory_sink import MemoryWarehouse


class RepairsMemory:
    """`SupportsRepair` over the committed rows of a `MemoryWarehouse`."""

    warehouse: MemoryWarehouse

    def replace(
        self,
        replay_id: str,
        partition: str,
        places: Mapping[Order, Sequence[int]],
        rows: pa.RecordBatch,
        refused: pa.RecordBatch,
        *,
        expected: Checkpoint | None,
    ) -> int:
        """Everything or nothing."""
        found = self.warehouse.checkpoints.get(replay_id)
        if found != expected:
            raise CheckpointConflictError(
                "Another run moved this checkpoint.", hint="Compare again.", expected=expected, found=found
            )
        gone = {(order, offset) for order, offsets in places.items() for offset in offsets}

        def stays(row: Mapping[str, Any]) -> bool:
            order = "capture" if row.get("stage") == "capture" else "log"
            return row["log_partition"] != partition or (order, row["log_offset"]) not in gone

        held = self.warehouse
        before = len(held.events) + len(held.quarantine)
        held.events[:] = [row for row in held.events if stays(row)]
        held.quarantine[:] = [row for row in held.quarantine if stays(row)]
        removed = before - len(held.events) - len(held.quarantine)
        held.events += rows.to_pylist()
        held.quarantine += refused.to_pylist()
        return removed
