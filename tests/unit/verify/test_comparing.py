"""verify: how far it looks, what it refuses to compare, and that nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve

from eventreplay.capabilities.tally import Order, Span, Tally
from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import CodecChangedError, ConfigError, CorruptLogError, EpochError
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.log.commit import commit_bytes, parse_slot
from eventreplay.replay import replay
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from eventreplay.verify import Named, differences, verify
from tests.hex_codec import HexCodec
from tests.records import Kind, Record
from tests.unit.log.doubles import MemoryLog

CODEC = HexCodec()
KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event")


def items(count: int) -> list[Event | Rejected]:
    return [
        Record(KINDS[at % len(KINDS)], at, b"!" * (at % 7 == 3) + b"%d" % at).item() for at in range(count)
    ]


def grow(log: Log, count: int, partition: str = "journal", width: int = 8) -> None:
    capture(MemorySource(items(count)), log, partition, options=CaptureOptions(segment_positions=width))


@pytest.fixture
def memory() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def log(memory: MemoryLog) -> Log:
    """Three commits: 16 events, of which some cannot be decoded, and 8 that capture refused."""
    grow(memory.log, 24)
    return memory.log


@pytest.fixture
def warehouse(log: Log) -> MemoryWarehouse:
    made = MemoryWarehouse()
    replay(log, MemorySink(made), CODEC)
    return made


def places(named: Sequence[Named]) -> list[tuple[str, int, str | None]]:
    return [(one.order, one.offset, one.event_id) for one in named]


def at(warehouse: MemoryWarehouse, offset: int) -> int:
    """Place of an event in the warehouse's list."""
    return next(place for place, row in enumerate(warehouse.events) if row["log_offset"] == offset)


def test_three_missing_two_doubled_one_altered_are_exactly_those(
    log: Log, warehouse: MemoryWarehouse
) -> None:
    rows = warehouse.events
    ids = {row["log_offset"]: row["event_id"] for row in rows}
    gone, twice, changed = sorted(ids)[1:4], sorted(ids)[5:7], sorted(ids)[8]
    for offset in gone:
        del rows[at(warehouse, offset)]
    rows += [rows[at(warehouse, offset)] for offset in twice]
    place = at(warehouse, changed)
    rows[place] = {**rows[place], "payload": rows[place]["payload"].replace("3", "4", 1)}
    found = verify(log, MemorySink(warehouse), codec=CODEC)
    assert places(found.missing) == [("log", offset, ids[offset]) for offset in gone]
    assert places(found.doubled) == [("log", offset, ids[offset]) for offset in twice]
    assert [one.copies for one in found.doubled] == [2, 2]
    assert [
        (*place, one.detail) for place, one in zip(places(found.altered), found.altered, strict=True)
    ] == [("log", changed, ids[changed], "payload")]
    assert (found.ok, found.unknown_count) == (False, 0)
    # The sums see all of it but the payload, of which RAW keeps no hash but the log's.
    shallow = verify(log, MemorySink(warehouse))
    assert (shallow.missing, shallow.doubled, shallow.altered) == (found.missing, found.doubled, ())


def test_a_payload_in_the_quarantine_is_hashed_where_it_lies(log: Log, warehouse: MemoryWarehouse) -> None:
    place, row = next((p, r) for p, r in enumerate(warehouse.quarantine) if r["stage"] == "decode")
    warehouse.quarantine[place] = {**row, "payload": row["payload"] + b"\x00"}
    found = verify(log, MemorySink(warehouse))
    assert places(found.altered) == [("log", row["log_offset"], row["event_id"])]
    assert found.altered[0].detail == differences.CONTENT


@pytest.mark.parametrize(
    ("column", "value", "detail"),
    [
        ("event_hash", 7, differences.HASH),
        ("payload_sha256", b"x" * 32, differences.CONTENT),
        ("event_id", "other", differences.CONTENT),
    ],
)
def test_what_the_hash_of_a_row_covers_is_seen_without_reading_the_log(
    memory: MemoryLog, log: Log, warehouse: MemoryWarehouse, column: str, value: object, detail: str
) -> None:
    row = warehouse.events[4]
    warehouse.events[4] = {**row, column: value}
    (one,) = verify(log, MemorySink(warehouse)).altered
    assert (one.offset, one.event_id, one.detail) == (
        row["log_offset"],
        f"event-{row['source_position']}",
        detail,
    )
    assert memory.log is log


def test_two_changes_that_make_up_for_each_other_in_the_count_are_both_found(
    log: Log, warehouse: MemoryWarehouse
) -> None:
    refused = warehouse.quarantine
    captured = [row for row in refused if row["stage"] == "capture"]
    # Both of one commit, so of one range.
    refused.remove(captured[2])
    refused.append(captured[3])
    found = verify(log, MemorySink(warehouse))
    assert [(one.order, one.offset) for one in found.missing] == [("capture", captured[2]["log_offset"])]
    assert [(one.order, one.offset) for one in found.doubled] == [("capture", captured[3]["log_offset"])]


def test_only_doubled_records_that_capture_refused_show_by_their_number(
    log: Log, warehouse: MemoryWarehouse
) -> None:
    (row, *_) = (row for row in warehouse.quarantine if row["stage"] == "capture")
    warehouse.quarantine.append(row)
    assert places(verify(log, MemorySink(warehouse)).doubled) == [("capture", row["log_offset"], "")]


def test_what_is_not_loaded_yet_is_behind(log: Log, warehouse: MemoryWarehouse) -> None:
    grow(log, 40)
    grow(log, 6, "other")
    found = verify(log, MemorySink(warehouse))
    assert found.ok
    journal, other = found.partitions
    assert (journal.commits, journal.rows, journal.behind_commits, journal.behind_rows) == (3, 24, 2, 16)
    assert (other.commits, other.rows, other.behind_commits, other.behind_rows) == (0, 0, 1, 6)
    assert [one.last_commit for one in journal.ranges] == [1, 2, 3, 1, 2, 3]


def test_rows_beyond_the_checkpoint_and_of_no_partition_are_unknown(
    log: Log, warehouse: MemoryWarehouse
) -> None:
    row = warehouse.events[0]
    warehouse.events += [
        {**row, "log_offset": 16},
        {**row, "log_offset": (1 << 63) - 1},
        {**row, "log_offset": -(1 << 63)},
        {**row, "log_partition": "stray", "log_offset": 3},
    ]
    found = verify(log, MemorySink(warehouse))
    assert [(one.partition, one.offset) for one in found.unknown] == [
        ("journal", -(1 << 63)),
        ("journal", 16),
        ("journal", (1 << 63) - 1),
        ("stray", 3),
    ]
    assert found.unknown_count == 4
    # Of a warehouse that several logs are loaded into, one asks for the partitions of this log.
    assert verify(log, MemorySink(warehouse), partitions=["journal"]).unknown_count == 3


class LoadsMeanwhile(MemorySink):
    """A load that goes on: before each tally, something more is in the warehouse and in the checkpoint."""

    def __init__(self, warehouse: MemoryWarehouse, steps: list[Callable[[], None]]) -> None:
        super().__init__(warehouse)
        self.steps = steps

    def tally(self, partition: str, order: Order, spans: Sequence[Span]) -> list[Tally]:
        if self.steps:
            self.steps.pop(0)()
        return super().tally(partition, order, spans)


def test_a_load_that_goes_on_makes_nothing_unknown(log: Log, warehouse: MemoryWarehouse) -> None:
    def load(count: int) -> Callable[[], None]:
        def step() -> None:
            grow(log, count)
            replay(log, MemorySink(warehouse), CODEC)

        return step

    assert verify(log, LoadsMeanwhile(warehouse, [load(32), load(40), load(48)])).ok
    # A row that no load brought is still found.
    warehouse.events.append({**warehouse.events[0], "log_offset": 1_000})
    found = verify(log, LoadsMeanwhile(warehouse, [load(56), load(64)]))
    assert [one.offset for one in found.unknown] == [1_000]


def test_counts_are_exact_and_samples_bounded(log: Log, warehouse: MemoryWarehouse) -> None:
    del warehouse.events[:]
    found = verify(log, MemorySink(warehouse), samples_max=2)
    refused = sum(row["stage"] == "decode" for row in warehouse.quarantine)
    assert (found.missing_count, len(found.missing)) == (16 - refused, 2)
    assert verify(log, MemorySink(warehouse), samples_max=0).missing == ()


def test_a_range_of_one_commit_is_searched_by_its_segment(
    memory: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differences, "LEAF_ROWS", 3)
    grow(memory.log, 200, width=1_000)
    warehouse = MemoryWarehouse()
    replay(memory.log, MemorySink(warehouse), CODEC)
    offsets = [row["log_offset"] for row in warehouse.events]
    first, middle, last = offsets[0], offsets[len(offsets) // 2], offsets[-1]
    for offset in (first, middle, last):
        del warehouse.events[at(warehouse, offset)]
    assert [one.offset for one in verify(memory.log, MemorySink(warehouse)).missing] == [first, middle, last]


def test_nothing_to_compare_is_equal(memory: MemoryLog) -> None:
    found = verify(memory.log, MemorySink())
    assert (found.ok, found.partitions) == (True, ())
    grow(memory.log, 0)
    assert verify(memory.log, MemorySink()).ok


def test_no_segment_is_read_where_all_is_equal(
    log: Log, warehouse: MemoryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("A segment was read.")

    monkeypatch.setattr(Log, "read", refuse)
    assert verify(log, MemorySink(warehouse)).ok
    with pytest.raises(AssertionError, match="segment"):
        verify(log, MemorySink(warehouse), codec=CODEC)


def test_a_forged_commit_is_found_by_the_chain_and_nothing_is_compared(
    memory: MemoryLog, log: Log, warehouse: MemoryWarehouse
) -> None:
    key = "commits/journal/00000000000000000001.json"
    commit: Any = parse_slot(key, memory.files()[key])
    memory.put(key, commit_bytes(commit).replace(b'"position":7', b'"position":6'))
    with pytest.raises(CorruptLogError):
        verify(log, MemorySink(warehouse))
    # Sealed again, it is sound by itself; the commit behind it names another one.

    memory.put(key, commit_bytes(evolve(commit, checkpoint=evolve(commit.checkpoint, epoch="forged"))))
    with pytest.raises(CorruptLogError, match="does not follow"):
        verify(log, MemorySink(warehouse))


def test_the_last_commit_forged_is_found_by_the_checkpoint(
    memory: MemoryLog, log: Log, warehouse: MemoryWarehouse
) -> None:

    key = "commits/journal/00000000000000000003.json"
    commit: Any = parse_slot(key, memory.files()[key])
    memory.put(key, commit_bytes(evolve(commit, checkpoint=evolve(commit.checkpoint, epoch="forged"))))
    with pytest.raises(EpochError, match="not in this log"):
        verify(log, MemorySink(warehouse))


def test_another_log_and_a_rolled_back_one_are_refused(log: Log, warehouse: MemoryWarehouse) -> None:
    other = MemoryLog()
    grow(other.log, 16)
    with pytest.raises(EpochError, match="not in this log"):
        verify(other.log, MemorySink(warehouse))
    assert verify(log, MemorySink(warehouse)).ok


def test_a_damaged_segment_stops_the_deep_comparison(
    memory: MemoryLog, log: Log, warehouse: MemoryWarehouse
) -> None:
    key = next(key for key in memory.files() if key.startswith("events/"))
    data = memory.files()[key]
    memory.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    assert verify(log, MemorySink(warehouse)).ok
    with pytest.raises(CorruptLogError) as caught:
        verify(log, MemorySink(warehouse), codec=CODEC)
    assert caught.value.fields["key"] == key


def test_rows_of_another_codec_are_not_compared_by_column(log: Log, warehouse: MemoryWarehouse) -> None:
    with pytest.raises(CodecChangedError):
        verify(log, MemorySink(warehouse), codec=HexCodec(fingerprint="hex-2"))


def test_what_cannot_be_verified_is_said(log: Log, warehouse: MemoryWarehouse) -> None:
    class Plain:
        begin = write = quarantine = commit = close = MemorySink.begin

    with pytest.raises(ConfigError, match="cannot be verified"):
        verify(log, Plain())  # type: ignore[arg-type] # a sink without tallies
    with pytest.raises(ConfigError, match="no partition 'nowhere'"):
        verify(log, MemorySink(warehouse), partitions=["nowhere"])
    with pytest.raises(ConfigError, match="samples_max"):
        verify(log, MemorySink(warehouse), samples_max=-1)


def test_progress_ends_at_all_rows(log: Log, warehouse: MemoryWarehouse) -> None:
    told: list[tuple[int, int | None]] = []
    for codec, total in ((None, 24), (CODEC, 48)):
        told.clear()
        verify(log, MemorySink(warehouse), codec=codec, progress=lambda done, of: told.append((done, of)))
        assert told[-1] == (total, total)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
