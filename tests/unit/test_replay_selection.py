"""replay of a part: up to stated commits, and of chosen rows; everything that was read is accounted for."""

from __future__ import annotations

import importlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import ConfigError, LogError
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.raw_rows import raw_rows
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.selection import Selection
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from tests.hex_codec import HexCodec
from tests.records import MOMENT, memory_storage, open_log

DAY = timedelta(days=1)


def _event(at: int) -> Event:
    return Event(
        event_id=f"event-{at}",
        event_type=("a.Made", "a.Sold")[at % 2],
        stream_id=f"s{at % 3}",
        source="" if at % 4 == 0 else "till",
        occurred_at=MOMENT + DAY * at,
        recorded_at=None if at % 5 == 0 else MOMENT + DAY * (at + 1),
        payload=b"!" if at == 7 else b"%d" % at,
    )


@pytest.fixture
def log() -> Log:
    """Twelve events and a record that capture refused, in commits of three positions."""
    made = open_log(memory_storage())
    refused = Rejected(
        source_position=0, payload=b"x", error_code="line_malformed", error_message="No event."
    )
    items: list[Event | Rejected] = [_event(at) for at in range(12)]
    items.insert(4, refused)
    capture(MemorySource(items), made, "journal", options=CaptureOptions(segment_positions=3))
    return made


def load(log: Log, warehouse: MemoryWarehouse, **how: object) -> ReplayReceipt:
    return replay(log, MemorySink(warehouse), HexCodec(), **how)  # type: ignore[arg-type]


def offsets(warehouse: MemoryWarehouse) -> list[int]:
    return [row["log_offset"] for row in warehouse.events]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(types=["a.Sold"]), {1, 3, 5, 7, 9, 11}),
        (Selection(types=["a.Sold", "a.Made"]), set(range(12))),
        (Selection(streams=["s1"], types=["a.Made"]), {4, 10}),
        (Selection(sources=["till"]), {1, 2, 3, 5, 6, 7, 9, 10, 11}),
        # Events 0, 5 and 10 were recorded by nobody, and happened a day earlier than they would have been.
        (Selection(since=MOMENT + DAY * 6), {6, 7, 8, 9, 10, 11}),
        (Selection(since=MOMENT + DAY * 5), {4, 5, 6, 7, 8, 9, 10, 11}),
        (Selection(since=MOMENT + DAY * 5, types=["a.Made"]), {4, 6, 8, 10}),
        (Selection(types=["none"]), set()),
        (Selection(streams=["s1' OR '1'='1"]), set()),
    ],
)
def test_the_rows_that_belong_are_loaded_and_the_others_counted(
    log: Log, selection: Selection, expected: set[int]
) -> None:
    warehouse = MemoryWarehouse()
    receipt = load(log, warehouse, selection=selection)
    assert set(offsets(warehouse)) == expected - {7}
    assert [row["log_offset"] for row in warehouse.quarantine] == sorted(expected & {7})
    loaded = len(expected - {7})
    assert (receipt.read, receipt.loaded, receipt.quarantined) == (13, loaded, len(expected & {7}))
    assert receipt.left_out == 13 - len(expected)
    assert [part.left_out for part in receipt.partitions] == [receipt.left_out]
    head = log.reader("journal").head()
    assert head is not None
    assert warehouse.checkpoints["live/journal"].position == head.number
    assert load(log, warehouse, selection=selection).read == 0


def test_all_is_no_selection(log: Log) -> None:
    assert Selection().is_all
    assert not Selection(since=MOMENT).is_all
    warehouse = MemoryWarehouse()
    assert (load(log, warehouse, selection=Selection()).left_out, len(warehouse.quarantine)) == (0, 2)


def test_a_moment_is_one_in_any_zone_and_none_without(log: Log) -> None:
    east = Selection(since=(MOMENT + DAY * 5).astimezone(timezone(timedelta(hours=9))))
    assert east == Selection(since=MOMENT + DAY * 5)
    assert Selection.from_json(east.to_json()) == east
    with pytest.raises(ConfigError, match="no time zone"):
        Selection(since=datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose
    assert Selection(types=["b", "a", "b"]).types == ("a", "b")
    assert Selection.from_json(Selection(streams=["x"]).to_json()) == Selection(streams=["x"])
    assert log.exists()


def test_rows_that_get_lost_on_the_way_stop_the_run(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("eventreplay.replay")
    whole = raw_rows

    def losing(table: pa.Table, *given: object, **more: object) -> object:
        return whole(table.slice(1), *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "raw_rows", losing)
    warehouse = MemoryWarehouse()
    with pytest.raises(LogError, match=r"3 records; 1 were decoded, 0 refused, 1 left out"):
        load(log, warehouse, selection=Selection(types=["a.Made"]))
    assert not warehouse.checkpoints


def test_up_to_a_commit_and_then_on(log: Log) -> None:
    warehouse = MemoryWarehouse()
    seen: list[tuple[int, int | None]] = []
    receipt = load(log, warehouse, upto={"journal": 2}, progress=lambda *at: seen.append(at))
    assert (receipt.read, receipt.commits, seen[-1]) == (6, 2, (6, 6))
    assert warehouse.checkpoints["live/journal"].position == 2
    # Behind where it is already: nothing.
    assert load(log, warehouse, upto={"journal": 1}).read == 0
    assert load(log, warehouse, upto={"journal": 0}).read == 0
    assert load(log, warehouse, upto={}).read == 0
    assert load(log, warehouse, upto={"journal": 4}).read == 6
    assert load(log, warehouse).read == 1
    assert offsets(warehouse) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]


def test_a_receipt_adds_up_over_slices(log: Log) -> None:
    warehouse = MemoryWarehouse()
    receipt = ReplayReceipt(replay_id="live", fingerprint="hex-1")
    for upto in (1, 3, 5):
        load(log, warehouse, upto={"journal": upto}, receipt=receipt)
    assert (receipt.read, receipt.commits, len(receipt.partitions)) == (13, 5, 1)
    assert (receipt.partitions[0].after_commit, receipt.partitions[0].upto_commit) == (0, 5)


def test_processes_leave_out_the_same(tmp_path: Path) -> None:
    folder = Log.open(tmp_path / "log")
    capture(MemorySource([_event(at) for at in range(12)]), folder, "journal")
    warehouse = MemoryWarehouse()
    receipt = load(folder, warehouse, workers=2, selection=Selection(types=["a.Made"]))
    assert (receipt.read, receipt.left_out, offsets(warehouse)) == (12, 6, [0, 2, 4, 6, 8, 10])
