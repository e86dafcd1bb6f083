"""The gap ledger: what is entered stands, later entries void what was never committed, repairs end alarms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from eventreplay.errors import CorruptLogError
from eventreplay.interfaces import Gaps
from eventreplay.log import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log.open(tmp_path)


def gaps(after: int, upto: int, *ranges: tuple[int, int]) -> Gaps:
    first, last = ([pair[at] for pair in ranges] for at in (0, 1))
    return Gaps(
        after=after,
        upto=upto,
        first=pa.array(first, pa.int64()),
        last=pa.array(last, pa.int64()),
        evidence={"why": "é"},
    )


def still_open(log: Log) -> list[tuple[int, int]]:
    return [
        pair
        for each in log.gaps("p").open()
        for pair in zip(each.first.to_pylist(), each.last.to_pylist(), strict=True)
    ]


def test_entries_add_up_and_stay_outside_of_the_hash(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    before = log.sha256()
    log.gaps("p").enter([gaps(-1, 10, (2, 3), (7, 7))])
    log.gaps("p").enter([gaps(10, 20, (15, 20))])
    assert still_open(log) == [(2, 3), (7, 7), (15, 20)]
    assert [each.evidence for each in log.gaps("p").entries()] == [{"why": "é"}] * 2
    assert log.sha256() == before


def test_a_later_entry_speaks_for_all_above_its_begin(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    log.gaps("p").enter([gaps(-1, 10, (2, 3), (5, 8))])
    log.gaps("p").enter([gaps(6, 12, (11, 11))])
    assert still_open(log) == [(2, 3), (5, 6), (11, 11)]


def test_what_is_repaired_is_not_looked_at_again(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    log.gaps("p").enter([gaps(-1, 10, (2, 8))])
    log.gaps("p").settle(4, 5, into="p-late")
    assert still_open(log) == [(2, 3), (6, 8)]


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    log.gaps("p").enter([gaps(-1, 10, (2, 8))])
    (file,) = (tmp_path / "gaps" / "p").iterdir()
    file.chmod(0o644)
    file.write_bytes(b"{}")
    with pytest.raises(CorruptLogError, match="gaps/p"):
        log.gaps("p").open()


def dead(after: int, upto: int, *pairs: tuple[int, int], **evidence: str) -> Gaps:
    firsts, lasts = ([pair[side] for pair in pairs] for side in (0, 1))
    return Gaps(
        after=after, upto=upto, first=pa.array(firsts, pa.int64()), last=pa.array(lasts, pa.int64()),
        evidence=evidence,
    )  # fmt: skip


def test_holes_are_told_with_their_evidence_and_what_became_of_them(log: Log) -> None:
    ledger = log.gaps("p")
    ledger.enter([dead(0, 50, (3, 9), (20, 30), why="one")])
    ledger.enter([dead(25, 90, (60, 61), why="another")])
    ledger.settle(5, 6, into="p-late-5")
    ledger.settle(60, 61, into="p-late-60")
    told = [(hole.first, hole.last, hole.captured_into, hole.evidence["why"]) for hole in ledger.holes()]
    assert told == [
        (3, 4, None, "one"),
        (5, 6, "p-late-5", "one"),
        (7, 9, None, "one"),
        (20, 25, None, "one"),
        (60, 61, "p-late-60", "another"),
    ]
    (left,) = ledger.open()
    pairs = zip(left.first.to_pylist(), left.last.to_pylist(), strict=True)
    assert list(pairs) == [(first, last) for first, last, into, _ in told if into is None]


def test_a_look_is_noted_once_a_day_and_voids_nothing(log: Log) -> None:
    old = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    ledger = log.gaps("p")
    ledger.enter([dead(0, 50, (3, 9), decided_at=old)])
    assert (len(ledger.open()), ledger.rechecks()) == (1, [])
    ledger.note_recheck(0)
    (noted,) = ledger.rechecks()
    assert (noted.found, abs(datetime.now(UTC) - noted.at) < timedelta(minutes=5)) == (0, True)
    # Another process wrote an entry behind the look; the note stands behind it and speaks for nothing.
    ledger.enter([dead(50, 90, (60, 60))])
    again = log.gaps("p")
    assert [(hole.first, hole.last) for hole in again.holes()] == [(3, 9), (60, 60)]
    (left,) = again.open()
    assert (left.first.to_pylist(), left.upto) == ([3, 60], 90)
    again.note_recheck(0)
    assert len(again.rechecks()) == 1
    assert len(list(again.entries())) == 2
    assert log.check().notes == ()


def test_what_was_just_decided_needs_no_note(log: Log) -> None:
    ledger = log.gaps("p")
    ledger.enter([dead(0, 50, (3, 9), decided_at=datetime.now(UTC).isoformat())])
    ledger.open()
    ledger.note_recheck(0)
    assert ledger.rechecks() == []
