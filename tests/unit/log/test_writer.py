"""The writer: one atomic step at a time, and the fence (promise P7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from attrs import evolve

from eventreplay.errors import (
    ConfigError,
    CorruptLogError,
    FenceError,
    InvalidEventError,
    LogError,
    LogUnavailableError,
)
from eventreplay.event import Checkpoint
from eventreplay.log import Log, encode_events, encode_rejects, layout
from eventreplay.log.commit import Claim, claim_bytes
from tests.unit.log.doubles import Faulty, MemoryLog, lose_reply_once

Build = Callable[[int, int], pa.RecordBatch]
At = Callable[[int], Checkpoint]


def test_commits_follow_each_other(memory: MemoryLog, events: Build, rejects: Build, at: At) -> None:
    log = memory.log
    with log.writer("journal", segment_positions=10) as writer:
        assert (writer.head, writer.checkpoint, writer.next_offset) == (None, None, 0)
        first = writer.commit([encode_events(events(0, 4), 0)], [encode_rejects(rejects(4, 2), 0)], at(9))
        assert (first.number, first.previous, first.next_offset) == (1, layout.GENESIS, 4)
        assert first.next_quarantine_offset == 2
        second = writer.commit([encode_events(events(10, 3), 4), encode_events(events(20, 3), 7)], [], at(25))
        assert (second.number, second.previous, second.first_offset) == (2, first.sha256, 4)
        third = writer.commit([], [], at(40))
        assert (third.segments, third.checkpoint, writer.head) == ((), at(40), third)
        assert writer.next_offset == 10
        assert writer.next_quarantine_offset == 2
    with log.writer("journal") as writer:
        assert writer.head == third
        assert writer.checkpoint == at(40)
        assert writer.segment_positions == 10  # the partition's own width, whatever was asked for
    assert list(log.reader("journal").commits()) == [first, second, third]
    assert log.check().ok


def test_nothing_of_the_run_stands_in_a_commit(memory: MemoryLog, events: Build, at: At) -> None:
    """No token, clock or fingerprint: a run that is started again must leave the same bytes."""
    log = memory.log
    with log.writer("journal", segment_positions=10) as writer:
        writer.commit([encode_events(events(0, 1), 0)], [], evolve(at(0), fingerprint="codec-1"))
    text = memory.files()[layout.commit_key("journal", 1)].decode()
    assert "token" not in text
    assert "codec-1" not in text
    assert set(json.loads(text)["commit"]) == {
        "checkpoint", "next_offset", "next_quarantine_offset", "number", "partition", "previous",
        "quarantine", "segment_positions", "segments", "version",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("segments", "position"),
    [
        (lambda e, _: ([encode_events(e(10, 2), 0)], []), 19),  # offsets begin again
        (lambda e, _: ([encode_events(e(10, 2), 5)], []), 19),  # a gap in the offsets
        (lambda e, _: ([encode_events(e(4, 2), 4)], []), 19),  # positions the checkpoint has passed
        (lambda e, _: ([encode_events(e(18, 4), 4)], []), 30),  # two ranges in one segment
        (lambda e, _: ([encode_events(e(10, 2), 4), encode_events(e(11, 2), 6)], []), 19),  # overlap
        (lambda e, _: ([encode_events(e(10, 9), 4)], []), 17),  # checkpoint below the data (P5)
        (lambda _, r: ([], [encode_rejects(r(10, 9), 0)]), 17),
        (lambda _, r: ([], [encode_rejects(r(10, 9), 1)]), 19),
        (lambda _e, r: ([encode_rejects(r(10, 2), 4)], []), 19),  # one kind in the place of the other
        (lambda e, _: ([], [encode_events(e(10, 2), 0)]), 19),
        (lambda _e, _r: ([], []), 3),  # the checkpoint goes back
        (lambda _e, _r: ([], []), 9),  # nothing would change
        (lambda e, _: ([_unordered(e)], []), 19),
        (lambda e, _: ([evolve(encode_events(e(10, 2), 4), data=memoryview(b""))], []), 19),
    ],
)
def test_what_does_not_follow_is_refused_before_anything_is_written(
    memory: MemoryLog,
    events: Build,
    rejects: Build,
    at: At,
    segments: Callable[[Build, Build], tuple[list[object], list[object]]],
    position: int,
) -> None:
    log = memory.log
    writer = log.writer("journal", segment_positions=10)
    writer.commit([encode_events(events(0, 4), 0)], [], at(9))
    files = memory.files()
    accepted, refused = segments(events, rejects)
    with pytest.raises(InvalidEventError):
        writer.commit(accepted, refused, at(position))  # type: ignore[arg-type]
    assert memory.files() == files
    writer.commit([encode_events(events(10, 4), 4)], [], at(19))


def _unordered(events: Build) -> object:
    return encode_events([events(12, 1), events(11, 1)], 4)


def test_checkpoints_of_another_source_or_nowhere_are_refused(memory: MemoryLog, at: At) -> None:
    log = memory.log
    writer = log.writer("journal", segment_positions=10)
    with pytest.raises(InvalidEventError):
        writer.commit([], [], at(-1))
    writer.commit([], [], at(0))  # position 0 is a position
    with pytest.raises(InvalidEventError):
        writer.commit([], [], evolve(at(5), source="other"))
    writer.commit([], [], evolve(at(0), epoch="epoch-2"))  # positions of two epochs do not compare


def test_a_queue_has_no_order_to_keep(memory: MemoryLog, events: Build, at: At) -> None:
    log = memory.log
    with log.writer("live-0") as writer:
        assert writer.segment_positions is None
        writer.commit([encode_events([events(5, 1), events(3, 2)], 0)], [], at(2))
        writer.commit([encode_events(events(1, 2), 3)], [], at(4))
    assert log.check().ok


def test_a_second_writer_fences_the_first_at_once_and_for_good(
    memory: MemoryLog, events: Build, at: At
) -> None:
    log = memory.log
    first = log.writer("journal", segment_positions=10)
    first.commit([encode_events(events(0, 4), 0)], [], at(9))
    second = log.writer("journal", segment_positions=10)
    with pytest.raises(FenceError) as caught:
        first.commit([encode_events(events(10, 4), 4)], [], at(19))
    assert caught.value.fields["partition"] == "journal"
    assert caught.value.fields["token"] == "token-0"  # noqa: S105
    assert "token-1" in str(caught.value.fields["holder"])
    second.close()
    files = memory.files()
    for _ in range(2):
        with pytest.raises(FenceError):
            first.commit([encode_events(events(10, 4), 4)], [], at(19))
    first.close()
    assert memory.files() == files


def test_a_fenced_writer_stays_fenced_when_the_other_is_gone(tmp_path: Path, events: Build, at: At) -> None:
    log = Log.open(tmp_path)  # a folder can take a claim back, so that the slot is free again
    first = log.writer("journal")
    first.commit([encode_events(events(0, 1), 0)], [], at(0))
    second = log.writer("journal")
    with pytest.raises(FenceError):
        first.commit([encode_events(events(1, 1), 1)], [], at(1))
    second.close()
    assert len(list((tmp_path / "commits" / "journal").iterdir())) == 1
    with pytest.raises(FenceError):
        first.commit([encode_events(events(1, 1), 1)], [], at(1))
    assert [commit.number for commit in log.reader("journal").commits()] == [1]


def test_a_writer_that_has_not_committed_is_fenced_too(memory: MemoryLog, events: Build, at: At) -> None:
    log = memory.log
    first = log.writer("journal", segment_positions=10)
    second = log.writer("journal", segment_positions=10)
    second.commit([encode_events(events(0, 1), 0)], [], at(9))
    for _ in range(2):
        with pytest.raises(FenceError):
            first.commit([encode_events(events(0, 1), 0)], [], at(9))  # although its bytes stand there
    second.commit([encode_events(events(10, 1), 1)], [], at(19))
    assert [commit.number for commit in log.reader("journal").commits()] == [1, 2]


def test_partitions_do_not_fence_each_other(memory: MemoryLog, events: Build, at: At) -> None:
    log = memory.log
    one, two = log.writer("live-1"), log.writer("live-2")
    for turn in range(2):
        for writer in (one, two):
            writer.commit([encode_events(events(turn, 1), turn)], [], at(turn))
    assert log.partitions() == ["live-1", "live-2"]


@pytest.mark.parametrize("lost", ["put_new", "replace"])
def test_a_lost_reply_is_not_a_lost_commit(memory: MemoryLog, events: Build, at: At, lost: str) -> None:
    faulty = Faulty(memory.storage)
    log = Log.open("memory", storage=faulty)
    writer = log.writer("journal", segment_positions=10)
    segment = [encode_events(events(0, 4), 0)]
    lose_reply_once(faulty, lost)
    with pytest.raises(LogUnavailableError):
        writer.commit(segment, [], at(9))
    commit = writer.commit(segment, [], at(9))
    assert [found.sha256 for found in log.reader("journal").commits()] == [commit.sha256]
    assert log.check().findings == ()


def test_after_a_lost_commit_reply_the_writer_may_not_be_the_writer(
    memory: MemoryLog, events: Build, at: At
) -> None:
    """Another writer may have committed the very same bytes, and be at work now."""
    faulty = Faulty(memory.storage)
    log = Log.open("memory", storage=faulty)
    first = log.writer("journal", segment_positions=10)
    segment = [encode_events(events(0, 4), 0)]

    def fail(name: str, _: str) -> None:
        if name == "replace":
            faulty.before = lambda _name, _key: None
            raise LogUnavailableError("Nothing arrived.")

    faulty.before = fail
    with pytest.raises(LogUnavailableError):
        first.commit(segment, [], at(9))
    second = log.writer("journal", segment_positions=10)
    done = second.commit(segment, [], at(9))
    assert first.commit(segment, [], at(9)) == done
    for _ in range(2):
        with pytest.raises(LogUnavailableError, match="another writer"):
            first.commit([encode_events(events(10, 4), 4)], [], at(19))
    second.commit([encode_events(events(10, 4), 4)], [], at(19))


def test_a_takeover_in_the_middle_of_a_commit(memory: MemoryLog, events: Build, at: At) -> None:
    """At whichever call of its commit the first writer is stopped: the second one wins."""
    stops = 0
    for stop in range(20):
        memory.__init__()  # type: ignore[misc]
        plain = memory.log
        faulty = Faulty(memory.storage)
        first = Log.open("memory", storage=faulty, token_source=lambda: "first").writer(
            "journal", segment_positions=10
        )
        first.commit([encode_events(events(0, 4), 0)], [], at(9))
        seen = len(faulty.calls)
        second = []

        def take_over(_: str, __: str, stop: int = stop, seen: int = seen) -> None:
            if len(faulty.calls) == seen + stop + 1:  # noqa: B023
                second.append(plain.writer("journal", segment_positions=10))  # noqa: B023

        faulty.before = take_over
        try:
            first.commit([encode_events(events(10, 4), 4)], [], at(19))
        except FenceError:
            assert second
            stops += 1
            assert second[0].next_offset == 4
            second[0].commit([encode_events(events(10, 4), 4)], [], at(19))
        else:
            if second:
                assert second[0].next_offset == 8
        assert [commit.next_offset for commit in plain.reader("journal").commits()] == [4, 8]
        assert plain.check().ok
        if not second:
            break
    assert stops == 3  # at its claim, its segment and its commit


def test_an_orphan_of_a_crash_is_taken_up(memory: MemoryLog, events: Build, at: At) -> None:
    faulty = Faulty(memory.storage)
    log = Log.open("memory", storage=faulty)
    writer = log.writer("journal", segment_positions=10)

    def die(name: str, _: str) -> None:
        if name == "replace":
            raise LogUnavailableError("The process dies here.")

    faulty.before = die
    with pytest.raises(LogUnavailableError):
        writer.commit([encode_events(events(0, 4), 0)], [], at(9))
    faulty.before = lambda _name, _key: None
    assert len(log.gc().ahead) == 1  # left alone: it is what the next run is about to write
    with log.writer("journal", segment_positions=10) as again:
        again.commit([encode_events(events(0, 4), 0)], [], at(9))
    assert log.gc(dry_run=True).ahead == ()
    assert log.check().notes == ()


def test_a_damaged_orphan_is_repaired(memory: MemoryLog, events: Build, at: At) -> None:
    """Its name says what its bytes must be, and no commit names it yet."""
    segment = encode_events(events(0, 4), 0)
    key = layout.segment_folder(layout.EVENTS, "journal") + segment.ref.key
    memory.put(key, bytes(segment.data)[:-1] + b"?")
    with memory.log.writer("journal", segment_positions=10) as writer:
        writer.commit([segment], [], at(9))
    assert memory.files()[key] == bytes(segment.data)
    assert memory.log.check().ok


def test_a_closed_writer_says_so(memory: MemoryLog, events: Build, at: At) -> None:
    writer = memory.log.writer("journal")
    writer.close()
    writer.close()
    with pytest.raises(LogError, match="closed"):
        writer.commit([encode_events(events(0, 1), 0)], [], at(0))


def test_close_survives_a_store_that_is_gone(memory: MemoryLog) -> None:
    faulty = Faulty(memory.storage)
    writer = Log.open("memory", storage=faulty).writer("journal")

    def fail(_: str, __: str) -> None:
        raise LogUnavailableError("Gone.")

    faulty.before = fail
    writer.close()


def test_a_store_that_lies_about_replace_is_not_trusted(
    memory: MemoryLog, events: Build, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = Faulty(memory.storage)
    writer = Log.open("memory", storage=faulty).writer("journal")
    monkeypatch.setattr(faulty, "replace", lambda *_: False)
    with pytest.raises(LogUnavailableError, match="nobody else"):
        writer.commit([encode_events(events(0, 1), 0)], [], at(0))


def test_the_end_of_a_chain_is_not_overwritten_when_it_is_damaged(
    memory: MemoryLog, events: Build, at: At
) -> None:
    log = memory.log
    with log.writer("journal") as writer:
        for turn in range(2):
            writer.commit([encode_events(events(turn, 1), turn)], [], at(turn))
    key = layout.commit_key("journal", 2)
    whole = memory.files()[key]
    memory.put(key, whole[:-1])
    with pytest.raises(CorruptLogError):
        log.writer("journal")
    assert memory.storage.get(key) == whole[:-1]
    memory.put(key, whole)
    memory.drop(layout.commit_key("journal", 1))
    with pytest.raises(CorruptLogError, match="missing"):
        log.writer("journal")


def test_another_s_claim_of_a_dead_writer_is_replaced(memory: MemoryLog, events: Build, at: At) -> None:
    log = memory.log
    key = layout.commit_key("journal", 1)
    memory.put(layout.FORMAT_KEY, layout.FORMAT_BYTES)
    memory.put(key, claim_bytes(Claim(partition="journal", number=1, token="dead")))  # noqa: S106
    assert log.reader("journal").head() is None
    with log.writer("journal") as writer:
        writer.commit([encode_events(events(0, 1), 0)], [], at(0))
    assert log.reader("journal").head() is not None


def test_format_is_guarded(memory: MemoryLog, at: At) -> None:
    log = memory.log
    with log.writer("journal") as writer:
        writer.commit([], [], at(0))
    memory.drop(layout.FORMAT_KEY)
    with pytest.raises(CorruptLogError, match="missing"):
        log.writer("journal")
    memory.put(layout.FORMAT_KEY, b'{"format":"eventreplay-log","version":2}')
    with pytest.raises(LogError, match="version 1"):
        log.writer("journal")
    with pytest.raises(LogError, match="version 1"):
        Log.open("memory", storage=memory.storage)


def test_a_store_that_says_the_mark_is_there_and_has_it_not_is_not_believed(memory: MemoryLog) -> None:
    faulty = Faulty(memory.storage)
    faulty.after = lambda name, key: memory.drop(key) if name == "put_new" else None
    with pytest.raises(LogUnavailableError, match="does not find it"):
        Log.open("memory", storage=faulty).writer("journal")
    assert memory.files() == {}


def test_settings_are_checked(memory: MemoryLog) -> None:
    for name, width in (("../x", None), ("journal", 0)):
        with pytest.raises(ConfigError):
            memory.log.writer(name, segment_positions=width)
    assert memory.files() == {}
