"""A small log, what RAW must hold of it, and what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse, TickingClock
from tests.hex_codec import HexCodec
from tests.integration.snowflake.server import StandIn, table
from tests.records import Kind, Record

KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event", "event", "event")

Rows = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def small_log(folder: Path, records: int = 24, segment_positions: int = 8) -> Log:
    """Commits that each hold events, a payload that cannot be decoded, and two rejects."""
    log = Log.open(folder)
    made = [
        Record(KINDS[at % len(KINDS)], at, b"!" * (at % 8 == 6) + b"%d" % at).item() for at in range(records)
    ]
    capture(MemorySource(made), log, "journal", options=CaptureOptions(segment_positions=segment_positions))
    return log


def load(log: Log, settings: SnowflakeSettings, **how: Any) -> ReplayReceipt:
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        return replay(log, sink, HexCodec(), **{"transaction_rows_min": 1, **how})


def due(log: Log) -> Rows:
    """What one undisturbed replay of the log makes: the model."""
    warehouse = MemoryWarehouse()
    replay(log, MemorySink(warehouse), HexCodec())
    return comparable(warehouse.events), comparable(warehouse.quarantine)


def held(standin: StandIn, database: str) -> Rows:
    """What RAW holds, in log order."""
    events = table(standin, database, "EVENTS", RAW_SCHEMA.names)
    refused = table(standin, database, "QUARANTINE", QUARANTINE_SCHEMA.names)
    return comparable(events), comparable(refused)


def comparable(rows: Any) -> list[dict[str, Any]]:
    """JSON as values: a VARIANT keeps neither blanks nor the order of keys."""
    made = []
    for row in sorted(rows, key=lambda row: (row["log_partition"], row["log_offset"], row.get("stage", ""))):
        headers, payload = row["headers"], row["payload"]
        made.append(
            {
                **row,
                "headers": json.loads(headers) if isinstance(headers, str) else dict(headers or ()),
                "payload": json.loads(payload) if isinstance(payload, str) else payload,
            }
        )
    return made


def position(standin: StandIn, database: str) -> list[tuple[Any, ...]]:
    """Replay ids and positions of the stored checkpoints."""
    found = f'"{database}"."RAW"."CHECKPOINTS"'
    return standin.run(f'SELECT "REPLAY_ID", "POSITION" FROM {found} ORDER BY "REPLAY_ID"')


def staged(standin: StandIn, database: str) -> list[str]:
    """Files on the internal stage."""
    return [str(row[0]) for row in standin.run(f"LIST @{database}.RAW.EVENTREPLAY_STAGE")]


def empty(standin: StandIn, database: str) -> None:
    """RAW as `init` leaves it."""
    names = ("EVENTS", "QUARANTINE", "CHECKPOINTS")
    standin.run(*(f'DELETE FROM "{database}"."RAW"."{name}"' for name in names))
