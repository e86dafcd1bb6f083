"""Source to log to warehouse, disturbed and undisturbed: the same bytes and the same rows (promises P1 to
P3, P5).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.capture import CaptureOptions, capture
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.log.folder import FolderStorage
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import (
    CrashAt,
    CrashingQueue,
    CrashingSink,
    CrashingSource,
    CrashingStorage,
    ManualSeconds,
    MemoryBroker,
    MemoryQueue,
    MemorySink,
    MemorySource,
    MemoryWarehouse,
    SimulatedCrash,
    TickingClock,
    crash_at,
)
from tests.hex_codec import HexCodec
from tests.records import Kind, Record, memory_storage, open_log, records


@frozen
class Run:
    """How one run is made, and the call of all its parts at which it dies (0: none)."""

    batch_rows: int
    workers: int
    dies_at: int
    when: Literal["before", "after"]


runs = st.builds(
    Run, st.integers(1, 9), st.integers(1, 3), st.integers(0, 60), st.sampled_from(["before", "after"])
)


@settings(max_examples=14)
@given(
    history=records(at_most=40),
    width=st.integers(2, 12),
    step=st.integers(1, 3),
    disturbed=st.lists(runs, min_size=1, max_size=4),
)
def test_the_log_and_the_tables_do_not_show_how_they_came_about(
    history: list[tuple[Kind, bytes]], width: int, step: int, disturbed: list[Run]
) -> None:
    placed = [Record(kind, number, payload) for number, (kind, payload) in enumerate(history)]
    with TemporaryDirectory(prefix="eventreplay-test-") as name:
        smooth, rough = Path(name) / "smooth", Path(name) / "rough"
        for folder, ways in ((smooth, []), (rough, disturbed)):
            folder.mkdir()
            for way in ways:
                with suppress(SimulatedCrash):
                    run(folder, placed, width, step, way)
            run(folder, placed, width, step, Run(7, 1, 0, "before"))
        assert tree(rough / "log") == tree(smooth / "log")
        assert tables(rough) == tables(smooth)
        assert len(tables(smooth)[0]) + len(tables(smooth)[1]) == len(placed)


def run(folder: Path, placed: list[Record], width: int, step: int, way: Run) -> None:
    crash = CrashAt(way.dies_at or 10**9, way.when)
    storage = CrashingStorage(FolderStorage(folder / "log"), crash)
    log = Log.open(folder / "log", storage=storage)
    source = MemorySource([record.item() for record in placed], step=step, batch_rows_max=way.batch_rows)
    options = CaptureOptions(segment_positions=width, workers=way.workers)
    capture(CrashingSource(source, crash), log, "journal", options=options)
    with DuckDBSink(folder / "warehouse.duckdb", clock=TickingClock(), threads=1) as sink:
        replay(log, CrashingSink(sink, crash), HexCodec(), batch_rows_max=way.batch_rows)


def tree(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def tables(folder: Path) -> tuple[list[Any], list[Any], list[Any]]:
    moments = {"EVENTS": "inserted_at", "QUARANTINE": "quarantined_at", "CHECKPOINTS": "updated_at"}
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        events, refused, checkpoints = (
            connection.execute(f"SELECT * EXCLUDE ({moment}) FROM RAW.{table} ORDER BY rowid").fetchall()
            for table, moment in moments.items()
        )
    return events, refused, checkpoints


@settings(max_examples=25)
@given(
    payloads=st.lists(st.binary(max_size=6), min_size=1, max_size=25),
    seed=st.integers(0, 1000),
    rows_max=st.integers(1, 7),
    deaths=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["before", "after"])), max_size=4),
)
def test_however_often_the_queue_delivers_each_event_counts_once(
    payloads: list[bytes], seed: int, rows_max: int, deaths: list[tuple[int, Literal["before", "after"]]]
) -> None:
    broker, storage, clock = MemoryBroker(seed=seed, repeats_max=3), memory_storage(), ManualSeconds()
    sent = [Record("event", number, payload).item() for number, payload in enumerate(payloads)]
    events = [event for event in sent if isinstance(event, Event)]
    broker.publish(events)
    options = QueueOptions(rows_max=rows_max, idle_end_s=0.0)
    for k, when in deaths:
        crash = crash_at(k, when)
        queue = MemoryQueue(broker, delivery_rows_max=3, advance=clock.advance)
        with suppress(SimulatedCrash):
            log = open_log(CrashingStorage(storage, crash))
            capture_queue(CrashingQueue(queue, crash), log, "live-0", clock=clock, options=options)
        queue.close()
    queue = MemoryQueue(broker, delivery_rows_max=3, advance=clock.advance)
    capture_queue(queue, open_log(storage), "live-0", clock=clock, options=options)
    warehouse = MemoryWarehouse()
    receipt = replay(open_log(storage), MemorySink(warehouse), HexCodec(), batch_rows_max=3)
    stored = [*warehouse.events, *warehouse.quarantine]
    assert broker.unsettled == 0
    # RAW mirrors the log, repeats included; what it says of an id is the same each time.
    assert receipt.read == len(stored) >= len(events)
    assert Counter({row["event_id"]: 1 for row in stored}) == Counter(event.event_id for event in events)
    facts = {(row["event_id"], row["payload_sha256"]) for row in stored}
    assert facts == {(event.event_id, hashlib.sha256(event.payload).digest()) for event in events}
