"""Logs of which an old codec could not decode a part, in memory, and what codecs make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventreplay.capture import CaptureOptions, capture
from eventreplay.event import Event
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from tests.hex_codec import FixedCodec, HexCodec
from tests.records import Kind, Record
from tests.unit.log.doubles import MemoryLog

OLD, NEW = HexCodec(), FixedCodec()
KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event")


def items(count: int) -> list[Event | Rejected]:
    """Every seventh cannot be decoded by the old codec, every 21st by neither."""
    marks = [b"!?" if at % 21 == 3 else b"!" if at % 7 == 3 else b"" for at in range(count)]
    return [Record(KINDS[at % 6], at, marks[at] + b"%d" % at).item() for at in range(count)]


def grow(log: Log, count: int, partition: str = "journal") -> None:
    capture(MemorySource(items(count)), log, partition, options=CaptureOptions(segment_positions=32))


def fresh() -> Log:
    memory = MemoryLog()
    grow(memory.log, 160)
    grow(memory.log, 50, "other")
    return memory.log


def loaded(log: Log, codec: Codec = OLD) -> MemoryWarehouse:
    made = MemoryWarehouse()
    replay(log, MemorySink(made), codec)
    return made


def rows(found: Sequence[Any]) -> list[Any]:
    return sorted(found, key=lambda row: (row["log_partition"], row.get("stage", ""), row["log_offset"]))


def decode_rows(warehouse: MemoryWarehouse) -> list[Any]:
    return [row for row in warehouse.quarantine if row["stage"] == "decode"]
