"""replay, one promise at a time; what happens to it in any order is a property test."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attrs import evolve

from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import (
    CheckpointConflictError,
    CodecChangedError,
    ConfigError,
    CorruptLogError,
    EpochError,
    EventReplayError,
    LogError,
)
from eventreplay.event import Checkpoint, Event
from eventreplay.interfaces import Decoded
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.testing import (
    CrashingSink,
    MemorySink,
    MemorySource,
    MemoryWarehouse,
    SimulatedCrash,
    crash_at,
)
from tests.hex_codec import HexCodec
from tests.records import MOMENT, Kind, Record, memory_storage, open_log

KINDS: tuple[Kind, ...] = ("event", "nameless", "event", "refused", "event", "event", "nameless")


@pytest.fixture
def log() -> Log:
    """Four commits: of events and rejects, of both, of events, and of a reject alone."""
    log = open_log(memory_storage())
    fill(log, KINDS)
    return log


def fill(log: Log, kinds: tuple[Kind, ...], partition: str = "journal") -> None:
    made = [Record(kind, at, b"!" * (at == 4) + b"%d" % at).item() for at, kind in enumerate(kinds)]
    capture(MemorySource(made), log, partition, options=CaptureOptions(segment_positions=2))


def load(log: Log, warehouse: MemoryWarehouse, codec: Any = None, **how: Any) -> Any:
    return replay(log, MemorySink(warehouse), HexCodec() if codec is None else codec, **how)


def test_every_record_of_the_log_is_loaded_or_quarantined_and_the_receipt_says_so(log: Log) -> None:
    warehouse = MemoryWarehouse()
    receipt = load(log, warehouse)
    assert (receipt.read, receipt.loaded, receipt.quarantined, receipt.commits) == (7, 3, 4, 4)
    assert [(row["log_offset"], row["payload"]) for row in warehouse.events] == [
        (0, '{"hex":"30"}'), (1, '{"hex":"32"}'), (3, '{"hex":"35"}'),
    ]  # fmt: skip
    assert [
        (row["stage"], row["log_offset"], row["error_code"], row["payload"]) for row in warehouse.quarantine
    ] == [
        ("capture", 0, "event_id_missing", b"1"),
        ("capture", 1, "line_malformed", b"3"),
        ("decode", 2, "refused", b"!4"),
        ("capture", 2, "event_id_missing", b"6"),
    ]


def test_a_quarantined_event_keeps_its_bytes_its_place_and_who_refused_it(log: Log) -> None:
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    refused = next(row for row in warehouse.quarantine if row["stage"] == "decode")
    assert (refused["log_partition"], refused["source_position"], refused["event_id"]) == (
        "journal",
        4,
        "event-4",
    )
    assert (refused["decoder_fingerprint"], refused["error_message"]) == ("hex-1", "It begins with the mark.")


def test_the_checkpoint_is_the_commit_its_hash_and_the_codec(log: Log) -> None:
    warehouse = MemoryWarehouse()
    load(log, warehouse, replay_id="nightly")
    first, *_, last = log.reader("journal").commits()
    assert warehouse.checkpoints == {
        "nightly/journal": Checkpoint(
            source="journal", epoch=first.sha256, position=4, digest=last.sha256, fingerprint="hex-1"
        )
    }


def test_running_again_loads_only_what_is_new(log: Log) -> None:
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    assert load(log, warehouse).read == 0
    fill(log, (*KINDS, "event", "event"))
    assert load(log, warehouse).read == 2
    assert [row["log_offset"] for row in warehouse.events] == [0, 1, 3, 4, 5]


def test_partitions_are_loaded_each_with_a_checkpoint_of_its_own(log: Log) -> None:
    fill(log, ("event",), "catalog")
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    assert set(warehouse.checkpoints) == {"live/catalog", "live/journal"}
    assert [row["log_partition"] for row in warehouse.events] == ["catalog", "journal", "journal", "journal"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_rows_quarantine_and_checkpoint_become_visible_together(log: Log, when: Any) -> None:
    """Wherever the sink dies, what it shows is whole commits, and its checkpoint is the last of them."""
    commits = list(log.reader("journal").commits())
    for k in range(1, 100):
        warehouse, crash = MemoryWarehouse(), crash_at(k, when)
        try:
            replay(log, CrashingSink(MemorySink(warehouse), crash), HexCodec())
        except SimulatedCrash:
            known = warehouse.checkpoints.get("live/journal")
            shown = len(warehouse.events) + len(warehouse.quarantine)
            upto = None if known is None else commits[known.position - 1]
            assert shown == (0 if upto is None else upto.next_offset + upto.next_quarantine_offset)
        if not crash.fired:
            break
    assert k > 10


class Dear(MemorySink):
    """A sink that would rather have large transactions."""

    transaction_rows_min = 5


def test_commits_of_the_log_share_a_transaction_until_it_is_large_enough(log: Log) -> None:
    """The four commits hold 2, 2, 2 and 1 records."""
    for rows, positions in ((1, [1, 2, 3, 4]), (3, [2, 4]), (4, [2, 4]), (5, [3, 4]), (7, [4]), (99, [4])):
        warehouse = MemoryWarehouse()
        told: list[Any] = []

        def tell(*step: Any, told: list[Any] = told, warehouse: MemoryWarehouse = warehouse) -> None:
            told.append((warehouse.checkpoints["live/journal"].position, *step))

        receipt = load(log, warehouse, transaction_rows_min=rows, progress=tell)
        assert [position for position, _, _ in told] == positions, rows
        assert (receipt.read, receipt.commits, receipt.transactions) == (7, 4, len(positions))
        assert len(warehouse.events) + len(warehouse.quarantine) == 7
        assert load(log, warehouse, transaction_rows_min=rows).read == 0


def test_a_sink_says_how_large_its_transactions_had_better_be(log: Log) -> None:
    assert replay(log, Dear(MemoryWarehouse()), HexCodec()).transactions == 2
    assert replay(log, Dear(MemoryWarehouse()), HexCodec(), transaction_rows_min=1).transactions == 4


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("rows", [3, 99])
def test_a_shared_transaction_becomes_visible_whole_or_not_at_all(log: Log, when: Any, rows: int) -> None:
    commits = list(log.reader("journal").commits())
    for k in range(1, 100):
        warehouse, crash = MemoryWarehouse(), crash_at(k, when)
        try:
            replay(log, CrashingSink(MemorySink(warehouse), crash), HexCodec(), transaction_rows_min=rows)
        except SimulatedCrash:
            known = warehouse.checkpoints.get("live/journal")
            shown = len(warehouse.events) + len(warehouse.quarantine)
            upto = None if known is None else commits[known.position - 1]
            assert shown == (0 if upto is None else upto.next_offset + upto.next_quarantine_offset)
            assert load(log, warehouse).read == 7 - shown
        if not crash.fired:
            break
    assert k > 8


def test_a_run_overtaken_by_another_writes_nothing_of_its_commit(log: Log) -> None:
    warehouse = MemoryWarehouse()

    def overtake(read: int, _: int | None) -> None:
        if read == 2:
            load(log, warehouse)

    with pytest.raises(CheckpointConflictError) as caught:
        load(log, warehouse, progress=overtake)
    found = caught.value.fields["found"]
    assert isinstance(found, Checkpoint)
    assert found.position == 4
    assert len(warehouse.events) + len(warehouse.quarantine) == 7


def test_another_codec_is_refused_before_a_row_of_any_partition(log: Log) -> None:
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    fill(log, ("event",), "catalog")
    with pytest.raises(CodecChangedError) as caught:
        load(log, warehouse, HexCodec("hex-2"))
    assert (caught.value.fields["expected"], caught.value.fields["found"]) == ("hex-1", "hex-2")
    assert set(warehouse.checkpoints) == {"live/journal"}
    assert load(log, warehouse, HexCodec("hex-2"), accept_codec_change=True).read == 1


def test_another_log_is_refused_even_if_it_is_as_long(log: Log) -> None:
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    other = open_log(memory_storage())
    fill(other, tuple(reversed(KINDS)))
    with pytest.raises(EpochError, match="not in this log"):
        load(other, warehouse)


def test_a_log_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    fill(log, KINDS)
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    max((tmp_path / "log/commits/journal").iterdir()).unlink()
    with pytest.raises(EpochError) as caught:
        load(log, warehouse)
    assert caught.value.fields["found"] is None


def test_a_partition_emptied_under_the_sink_is_refused(tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    fill(log, KINDS)
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    for commit in (tmp_path / "log/commits/journal").iterdir():
        commit.unlink()
    with pytest.raises(EpochError):
        load(log, warehouse)


@pytest.mark.parametrize("kind", ["events", "quarantine"])
def test_bytes_that_are_not_the_committed_ones_are_never_loaded(tmp_path: Path, kind: str) -> None:
    log = Log.open(tmp_path / "log")
    fill(log, KINDS)
    damaged = max((tmp_path / "log" / kind / "log_partition=journal").iterdir())
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    warehouse = MemoryWarehouse()
    with pytest.raises(CorruptLogError, match=damaged.name):
        load(log, warehouse)
    # Rows count from the commit before: nothing of the damaged one is there.
    assert warehouse.checkpoints["live/journal"].position == 2 + (kind == "quarantine")
    assert all(row["log_offset"] < 4 for row in warehouse.events)


def test_headers_become_json_and_absent_ones_an_empty_object() -> None:
    log = open_log(memory_storage())
    headers = {'quo"te': "Zoë 🃏\n", "b": ""}
    events = [
        Event(event_id=name, event_type="t", payload=b"", occurred_at=MOMENT, headers=given)
        for name, given in (("with", headers), ("without", {}))
    ]
    capture(MemorySource(events), log, "journal")
    warehouse = MemoryWarehouse()
    load(log, warehouse)
    assert [json.loads(row["headers"]) for row in warehouse.events] == [headers, {}]


class Forgetful(HexCodec):
    """Leaves the last row of each batch out."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        decoded = super().decode(events)
        return evolve(
            decoded,
            rows=decoded.rows[:-1],
            payload_type=decoded.payload_type[:-1],
            payload=decoded.payload[:-1],
        )


def test_a_codec_that_loses_a_row_stops_the_run_before_anything_of_it_is_loaded(log: Log) -> None:
    warehouse = MemoryWarehouse()
    with pytest.raises(LogError, match="0 rows and 0 failures"):
        load(log, warehouse, Forgetful())
    assert (warehouse.events, warehouse.quarantine, warehouse.checkpoints) == ([], [], {})


class Deadly(HexCodec):
    """Ends the process that decodes with it, as the kernel does when memory runs out."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        os._exit(events.num_rows)


def test_a_worker_that_dies_stops_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    log, warehouse = Log.open(tmp_path / "log"), MemoryWarehouse()
    fill(log, KINDS)
    with pytest.raises(EventReplayError, match="decoding processes died") as caught:
        load(log, warehouse, Deadly(), workers=2)
    assert "fewer workers" in caught.value.hint
    assert warehouse.checkpoints == {}


def test_progress_counts_records_of_all_partitions_less_those_loaded_before(log: Log) -> None:
    told: list[tuple[int, int | None]] = []
    warehouse = MemoryWarehouse()
    load(log, warehouse, progress=lambda *step: told.append(step))
    fill(log, (*KINDS, "event"))
    load(log, warehouse, progress=lambda *step: told.append(step))
    assert told == [(2, 7), (4, 7), (6, 7), (7, 7), (1, 1)]


@pytest.mark.parametrize("setting", ["batch_rows_max", "workers", "transaction_rows_min"])
def test_a_bound_below_one_is_refused_by_name(log: Log, setting: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} is 0"):
        load(log, MemoryWarehouse(), **{setting: 0})


def test_an_empty_log_loads_nothing() -> None:
    receipt = load(open_log(memory_storage()), MemoryWarehouse())
    assert (receipt.read, receipt.commits) == (0, 0)
