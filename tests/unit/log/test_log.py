"""The log as a whole: what it is equal to, and what it takes for a log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from eventreplay.errors import LogError
from eventreplay.event import Checkpoint
from eventreplay.log import Log, encode_events, encode_rejects, layout
from tests.unit.log.doubles import MemoryLog

Build = Callable[[int, int], pa.RecordBatch]
At = Callable[[int], Checkpoint]


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def test_opening_makes_nothing(tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    assert not log.exists()
    assert log.partitions() == []
    assert log.reader("journal").head() is None
    assert log.check().ok
    assert log.gc().orphans == ()
    assert not (tmp_path / "log").exists()


def test_a_foreign_folder_is_not_taken_for_a_log(tmp_path: Path) -> None:
    (tmp_path / layout.FORMAT_KEY).write_text("{}")
    with pytest.raises(LogError, match="version 1"):
        Log.open(tmp_path)


def test_the_same_history_is_the_same_tree_of_bytes(
    tmp_path: Path, events: Build, rejects: Build, at: At
) -> None:
    logs = [Log.open(tmp_path / name) for name in ("one", "two")]
    for log in logs:
        for start in (0, 10):
            with log.writer("journal", segment_positions=10) as writer:
                rows = [encode_events(events(start, 4), writer.next_offset)]
                refused = [encode_rejects(rejects(start + 4, 2), writer.next_quarantine_offset)]
                writer.commit(rows, refused, at(start + 9))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert logs[0].sha256() == logs[1].sha256()
    assert set(tree(tmp_path / "one")) >= {"format.json", "events/log_partition=journal", "commits/journal"}


def test_an_opened_and_closed_writer_leaves_no_file(tmp_path: Path, events: Build, at: At) -> None:
    log = Log.open(tmp_path)
    with log.writer("journal") as writer:
        writer.commit([encode_events(events(0, 1), 0)], [], at(0))
    before = tree(tmp_path)
    with log.writer("journal"):
        assert tree(tmp_path) != before
    assert tree(tmp_path) == before


def test_the_hash_of_a_log_tells_logs_apart(memory: MemoryLog, events: Build, at: At) -> None:
    log = memory.log
    seen = {log.sha256()}
    for partition in ("journal", "live-0", "live-1"):
        with log.writer(partition) as writer:
            assert log.sha256() in seen  # a claim is no content
            writer.commit([encode_events(events(0, 1), 0)], [], at(0))
        assert log.sha256() not in seen
        seen.add(log.sha256())
    with log.writer("live-0") as writer:
        writer.commit([], [], at(1))
    assert log.sha256() not in seen
    assert log.partitions() == ["journal", "live-0", "live-1"]
