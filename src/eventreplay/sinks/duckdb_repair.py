"""Taking rows out of a DuckDB warehouse by their places in the log, inside of the sink's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eventreplay.capabilities.tally import Order

if TYPE_CHECKING:
    import duckdb


def removed(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    partition: str,
    places: Mapping[Order, Sequence[int]],
) -> int:
    """Delete all rows at these offsets; how many there were.

    An event's offset may have rows in EVENTS and in QUARANTINE; that of a record that capture had refused
    is another count, and has rows in QUARANTINE alone.
    """
    count = 0
    for order, offsets in places.items():
        stage = "capture" if order == "capture" else "decode"
        tables = [("QUARANTINE", f" AND stage = '{stage}'")]
        if order == "log":
            tables.append(("EVENTS", ""))
        for table, condition in tables:
            row: Any = connection.execute(
                f"DELETE FROM {schema}.{table} WHERE log_partition = $partition{condition}"
                " AND log_offset IN (SELECT unnest($offsets::BIGINT[]))",
                {"partition": partition, "offsets": list(offsets)},
            ).fetchone()
            count += int(row[0])
    return count
