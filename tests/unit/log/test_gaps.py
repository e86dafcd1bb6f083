"""The gap ledger: what is entered stands, later entries void what was never committed, repairs end alarms."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from eventreplay.errors import CorruptLogError
from eventreplay.interfaces import Gaps
from eventreplay.log import Log


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
