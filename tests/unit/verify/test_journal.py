"""journal <-> log: any source that can be read again, its ranges in several partitions, and late arrivals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from attrs import evolve

from eventreplay.capture import CaptureOptions, capture, capture_late
from eventreplay.errors import ConfigError, CorruptLogError
from eventreplay.event import Event
from eventreplay.interfaces import Gaps
from eventreplay.log import Log
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySource
from eventreplay.verify import journal as module
from eventreplay.verify.journal import JournalVerification, NamedPosition, capture_missing, verify_journal
from tests.records import Kind, Record

KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event")
WIDTH = CaptureOptions(segment_positions=8)


class Journal(MemorySource):
    """A journal whose records somebody may change, and that can be asked for single positions."""

    def __init__(self, count: int, name: str = "memory") -> None:
        super().__init__([Record(KINDS[at % 6], at, b"%d" % at).item() for at in range(count)], name=name)

    @property
    def rows(self) -> list[Event | Rejected]:
        return self._items  # type: ignore[return-value]

    def delete(self, *positions: int) -> None:
        self._items = [row for row in self.rows if row.source_position not in positions]

    def alter(self, position: int) -> None:
        self._items = [
            evolve(row, payload=b"other") if row.source_position == position else row for row in self.rows
        ]

    def only(self, positions: Sequence[str]) -> Journal:
        wanted = {
            at
            for first, _, last in (text.partition("-") for text in positions)
            for at in range(int(first), int(last or first) + 1)
        }
        made = Journal(0, f"memory?positions={','.join(positions)}")
        made._items = [row for row in self.rows if row.source_position in wanted]
        return made


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log.open(tmp_path / "log")


@pytest.fixture
def journal(log: Log) -> Journal:
    """Captured in two ranges and a partition that follows; four records are beyond."""
    made = Journal(100)
    for partition, first, upto in (("a", 0, 31), ("b", 32, 59), ("live", 60, 95)):
        capture(made, log, partition, first=first, upto=upto, options=WIDTH)
    return made


def at(named: Sequence[NamedPosition]) -> list[int]:
    return [one.position for one in named]


def kinds(found: JournalVerification) -> list[list[int]]:
    return [at(getattr(found, kind)) for kind in ("missing", "gone", "doubled", "altered")]


def test_ranges_in_several_partitions_are_one_series(journal: Journal, log: Log) -> None:
    seen: list[tuple[int, int | None]] = []
    found = verify_journal(journal, log, progress=lambda done, total: seen.append((done, total)))
    assert found.ok
    assert [(each.partition, each.first, each.upto) for each in found.partitions] == [
        ("a", 0, 31),
        ("b", 32, 59),
        ("live", 60, 95),
    ]
    assert (found.upto, found.behind, sum(one.rows for one in found.ranges)) == (95, 4, 96)
    assert seen[-1] == (96, 96)
    # Ranges end where commits do, so that no segment is read.
    assert [(one.first, one.last) for one in found.ranges][:4] == [(0, 7), (8, 15), (16, 23), (24, 31)]


def test_three_deleted_one_altered_one_more_are_named(journal: Journal, log: Log) -> None:
    journal.delete(3, 33, 90)
    journal.alter(61)
    journal.alter(4)  # one that its source could make no event of
    found = verify_journal(journal, log)
    assert kinds(found) == [[], [3, 33, 90], [], [4, 61]]
    assert [(one.event_id, one.partitions) for one in found.gone] == [
        ("event-3", ("a",)),
        ("event-33", ("b",)),
        ("event-90", ("live",)),
    ]
    assert [one.detail for one in found.altered] == [module.ANOTHER] * 2
    assert [one["equal"] for one in found.to_json()["ranges"]].count(False) == 4
    assert verify_journal(journal, log, partitions=["b"], first=32).gone_count == 1


def test_what_is_not_in_the_log_is_captured_exactly(journal: Journal, log: Log) -> None:
    whole = list(journal.rows)
    other = Log.open(log.url + "-2")
    journal.delete(17, 18, 70)
    for partition, first, upto in (("a", 0, 31), ("live", 48, 95)):
        capture(journal, other, partition, first=first, upto=upto, options=WIDTH)
    other.gaps("a").enter(
        [Gaps(after=10, upto=31, first=pa.array([17]), last=pa.array([18]), evidence={"why": "rolled back"})]
    )
    journal._items = list(whole)
    before = other.sha256()
    found = verify_journal(journal, other)
    assert at(found.missing) == [17, 18, *range(32, 48), 70]
    assert [one.detail for one in found.missing][:3] == [module.TAKEN_FOR_DEAD] * 2 + [module.UNCAPTURED]
    assert (found.missing[-1].detail, found.missing[-1].partitions) == ("", ("live",))
    assert other.sha256() == before, "comparing changes nothing"
    receipts = capture_missing(journal, other, found)
    assert [(one.partition, one.received) for one in receipts] == [("a-late-17", 2), ("live-late-70", 1)]
    assert other.gaps("a").open() == []
    left = verify_journal(journal, other)
    # What no partition has come to is left to the capture that is on its way.
    assert kinds(left) == [list(range(32, 48)), [], [], []]
    assert left.late == ("a-late-17", "live-late-70")
    capture(journal, other, "b", first=32, upto=47, options=WIDTH)
    assert verify_journal(journal, other).ok


def test_a_repair_that_was_killed_goes_on(journal: Journal, log: Log) -> None:
    whole = list(journal.rows)
    other = Log.open(log.url + "-2")
    journal.delete(17)
    capture(journal, other, "a", options=WIDTH)
    journal._items = list(whole)
    found = verify_journal(journal, other)
    # Captured, but killed before the ledger knew.
    capture(journal.only(["17"]), other, "a-late-17")
    again = verify_journal(journal, other)
    assert at(again.missing) == [17]
    capture_missing(journal, other, found)
    assert verify_journal(journal, other).ok


def test_captured_twice_is_said(journal: Journal, log: Log) -> None:
    capture(journal, log, "twice", first=90, upto=92, options=WIDTH)
    found = verify_journal(journal, log)
    assert kinds(found) == [[], [], [90, 91, 92], []]
    assert [(one.in_journal, one.in_log, one.detail) for one in found.doubled] == [
        (1, 2, module.TWICE_IN_LOG)
    ] * 3
    assert found.doubled[0].partitions == ("live", "twice")


def test_whole_ranges_are_counted_without_looking_at_each_record(journal: Journal, log: Log) -> None:
    journal.delete(*range(16, 64))
    found = verify_journal(journal, log, samples_max=5)
    assert (found.gone_count, len(found.gone)) == (48, 5)
    assert set(at(found.gone)) < set(range(16, 64))
    assert capture_missing(journal, log, found) == ()


def test_it_is_drilled_down_by_ever_smaller_ranges(
    journal: Journal, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAF_ROWS", 2)
    monkeypatch.setattr(module, "RANGES_MAX", 2)
    monkeypatch.setattr(module, "PARTS", 2)
    journal.delete(3, 33)
    journal.alter(61)
    assert kinds(verify_journal(journal, log)) == [[], [3, 33], [], [61]]


def test_another_epoch_or_no_capture_is_refused(journal: Journal, log: Log) -> None:
    with pytest.raises(ConfigError, match="No partition"):
        verify_journal(Journal(3, "never"), log)
    journal.replace_epoch("2")
    with pytest.raises(ConfigError, match="No partition"):
        verify_journal(journal, log)


def test_more_than_a_repair_takes_is_refused(journal: Journal, log: Log) -> None:
    other = Log.open(log.url + "-2")
    capture(journal, other, "tail", first=60, upto=95, options=WIDTH)
    found = verify_journal(journal, other, samples_max=10)
    with pytest.raises(ConfigError, match="60 records are missing, 10 of them by name"):
        capture_missing(journal, other, found)
    assert verify_journal(journal, other, first=60).ok
    with pytest.raises(ConfigError, match="single positions"):
        capture_missing(MemorySource(), other, found)


def test_a_damaged_log_is_compared_with_nothing(journal: Journal, log: Log) -> None:
    victim = min((Path(log.url) / "commits" / "b").iterdir())
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes().replace(b'"rows":', b'"rows" :', 1))
    with pytest.raises(CorruptLogError):
        verify_journal(journal, log)


def test_late_ones_of_an_earlier_repair_count_once(log: Log) -> None:
    journal = Journal(40)
    whole = list(journal.rows)
    journal.delete(5)
    capture(journal, log, "journal", options=WIDTH)
    journal._items = list(whole)
    capture_late(journal.only(["5"]), log, "journal", ["5"], into="journal-late")
    assert verify_journal(journal, log).ok
    journal.alter(5)
    (one,) = verify_journal(journal, log).altered
    assert (one.position, one.partitions) == (5, ("journal-late",))
