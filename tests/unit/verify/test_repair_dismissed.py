"""What somebody dismissed is compared and repaired like any other row, and stays dismissed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from eventreplay.capabilities.quarantine import Selection
from eventreplay.log import Log
from eventreplay.redrive import dismiss
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.testing import MemorySink, MemoryWarehouse, TickingClock
from eventreplay.verify import verify
from eventreplay.verify.repair import repair
from tests.unit.verify.test_repair import CODEC, grow

REFUSED = Selection(stages=("decode",))


class InMemory:
    def __init__(self, folder: Path) -> None:
        del folder
        self.warehouse = MemoryWarehouse()

    def open(self) -> MemorySink:
        return MemorySink(self.warehouse)

    def spoil(self) -> None:
        rows = self.warehouse.quarantine
        rows[:] = [row for row in rows if row["stage"] != "decode"]


class InFile:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "w.duckdb"

    def open(self) -> DuckDBSink:
        return DuckDBSink(self.path, clock=TickingClock(), threads=1)

    def spoil(self) -> None:
        with connect(self.path) as connection:
            connection.execute("DELETE FROM RAW.QUARANTINE WHERE stage = 'decode'")


@pytest.mark.parametrize("kind", [InMemory, InFile])
def test_what_was_dismissed_is_put_right_and_stays_dismissed(
    kind: Callable[[Path], Any], tmp_path: Path
) -> None:
    log = Log.open(tmp_path / "log")
    grow(log, 24)
    world = kind(tmp_path)
    with closing(world.open()) as sink:
        replay(log, sink, CODEC)
        (marked,) = dismiss(sink, evolve(REFUSED, last_offset=10), "the sender was told")
        waiting = sink.refused_count(REFUSED)
        assert verify(log, sink, codec=CODEC).ok, "a mark is no difference"
    world.spoil()
    with closing(world.open()) as sink:
        found = repair(log, sink, CODEC)
        assert (found.ok, len(found.before.missing)) == (True, marked.rows + waiting)
        assert sink.refused_count(REFUSED) == waiting > 0
        assert sink.refused_count(evolve(REFUSED, dismissed=True)) == marked.rows > 0
