"""Which commits are meant by all, by partition, by number, by a count of events."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.errors import ConfigError, CorruptLogError
from eventreplay.log import Log
from eventreplay.prove import ranges_of
from tests.integration.prove.material import ROWS, filled


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Two commits of 12 in one partition, one of 6 in the other."""
    return filled(tmp_path / "log")


def short(log: Log, **how: object) -> list[tuple[str, int, int, int]]:
    found = ranges_of(log, **how)  # type: ignore[arg-type]
    return [(part.partition, part.after_commit, part.upto_commit, part.rows) for part in found]


def test_all_is_all(log: Log) -> None:
    assert short(log) == [("journal", 0, 2, ROWS), ("other", 0, 1, 6)]
    (journal, _) = ranges_of(log)
    first = log.reader("journal").commit(2)
    assert first is not None
    assert (journal.digest, journal.digest_before, journal.segment_rows) == (first.sha256, "", 12)


def test_numbers_count_in_each_partition_and_what_has_none_of_them_is_left_out(log: Log) -> None:
    assert short(log, first=2) == [("journal", 1, 2, 12)]
    assert short(log, upto=1) == [("journal", 0, 1, 12), ("other", 0, 1, 6)]
    assert short(log, partitions=["other"], upto=9) == [("other", 0, 1, 6)]
    (later,) = ranges_of(log, first=2)
    before = log.reader("journal").commit(1)
    assert before is not None
    assert later.digest_before == before.sha256


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (1, [("journal", 0, 1, 12)]),
        (18, [("journal", 0, 1, 12), ("other", 0, 1, 6)]),
        (23, [("journal", 0, 1, 12), ("other", 0, 1, 6)]),
        (48, [("journal", 0, 2, 24), ("other", 0, 1, 6)]),
    ],
)
def test_events_are_whole_commits_and_the_first_one_in_any_case(
    log: Log, events: int, expected: list[tuple[str, int, int, int]]
) -> None:
    assert short(log, events_max=events) == expected


@pytest.mark.parametrize(
    "how",
    [
        {"partitions": ["nobody"]}, {"first": 0}, {"first": 3, "upto": 2}, {"first": 3}, {"events_max": 0},
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(log: Log, how: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ranges_of(log, **how)  # type: ignore[arg-type]


def test_a_chain_that_does_not_hold_is_found(log: Log, tmp_path: Path) -> None:
    first = next(path for path in sorted((tmp_path / "log").rglob("*")) if "000001" in path.name)
    first.chmod(0o644)
    first.write_bytes(first.read_bytes().replace(b'"rows":12', b'"rows":13'))
    with pytest.raises(CorruptLogError):
        ranges_of(log)


def test_a_range_of_commits_is_read_under_its_own_numbers_and_offsets(log: Log) -> None:
    reader = log.between("journal", after=1, upto=2)
    (commit,) = reader.commits()
    assert (commit.number, commit.first_offset) == (2, 12)
    assert list(log.between("journal", after=0, upto=1).commits())[-1].number == 1
    head = log.between("journal", after=0, upto=1).head()
    assert head is not None
    assert head.number == 1
