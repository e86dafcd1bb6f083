"""Segments that are put ahead of their commit: the same log, fewer waits, and nothing a reader sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventreplay.batch import Batch
from eventreplay.errors import FenceError, LogUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.log import EncodedSegment, Log, encode_events
from eventreplay.testing.examples import example_events
from tests.unit.log.doubles import Faulty, MemoryLog, lose_reply_once

COUNT = 4


def segments() -> list[EncodedSegment]:
    return [
        encode_events(Batch.from_events(example_events(3, first=3 * at)).events, 3 * at)
        for at in range(COUNT)
    ]


def checkpoint(at: int) -> Checkpoint:
    return Checkpoint(source="live", epoch="1", position=at)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_staged_in_any_order_by_threads_it_is_the_same_log(tmp_path: Path) -> None:
    with Log.open(tmp_path / "plain").writer("live") as writer:
        for at, segment in enumerate(segments()):
            writer.commit([segment], [], checkpoint(at))
    with Log.open(tmp_path / "staged").writer("live") as writer, ThreadPoolExecutor(COUNT) as threads:
        ready = segments()
        list(threads.map(lambda segment: writer.stage([segment], []), reversed(ready)))
        for at, segment in enumerate(ready):
            writer.commit([segment], [], checkpoint(at))
        assert writer._staged == set()
    assert files(tmp_path / "staged") == files(tmp_path / "plain")


def test_what_is_staged_is_put_once_and_read_by_nobody() -> None:
    memory = MemoryLog()
    faulty = Faulty(memory.storage)
    log = Log.open("memory", storage=faulty)
    writer = log.writer("live")
    segment = segments()[0]
    writer.stage([segment], [])
    assert log.reader("live").head() is None
    assert log.check().ok
    faulty.calls.clear()
    writer.commit([segment], [], checkpoint(0))
    assert not [call for call in faulty.calls if "segment-" in call]
    assert log.check().ok


def test_who_was_fenced_stages_and_still_commits_nothing() -> None:
    memory = MemoryLog()
    first = memory.log.writer("live")
    segment = segments()[0]
    second = memory.log.writer("live")
    first.stage([segment], [])
    with pytest.raises(FenceError):
        first.commit([segment], [], checkpoint(0))
    second.commit([segment], [], checkpoint(0))
    assert memory.log.check().ok


def test_a_lost_reply_of_staging_is_no_staging() -> None:
    memory = MemoryLog()
    faulty = Faulty(memory.storage)
    writer = Log.open("memory", storage=faulty).writer("live")
    segment = segments()[0]
    lose_reply_once(faulty, "put_new")
    with pytest.raises(LogUnavailableError):
        writer.stage([segment], [])
    writer.commit([segment], [], checkpoint(0))
    assert memory.log.check().ok
