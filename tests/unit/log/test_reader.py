"""Reading: by the chain, and only what the chain vouches for."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from eventreplay.errors import CorruptLogError
from eventreplay.event import Checkpoint
from eventreplay.log import Log, encode_events, encode_rejects, layout, read_segment
from eventreplay.log.commit import Claim, claim_bytes
from tests.unit.log.doubles import Faulty, MemoryLog

Build = Callable[[int, int], pa.RecordBatch]
At = Callable[[int], Checkpoint]


def fill(log: Log, events: Build, at: At, commits: int) -> None:
    """Commits of 3, 0, 3, 0, ... events; every third one in two segments."""
    with log.writer("journal") as writer:
        for number in range(1, commits + 1):
            offset = writer.next_offset
            rows = events(offset, 3)
            segments = [] if number % 2 == 0 else [encode_events(rows, offset)]
            if number % 3 == 0 and segments:
                segments = [encode_events(rows[:1], offset), encode_events(rows[1:], offset + 1)]
            writer.commit(segments, [], at(number))


def test_before_the_first_commit(memory: MemoryLog) -> None:
    reader = memory.log.reader("journal")
    assert (reader.head(), reader.checkpoint(), reader.epoch()) == (None, None, "")
    assert list(reader.commits()) == []
    assert list(reader.segments()) == []
    assert reader.commit_covering(0) is None
    memory.log.writer("journal")  # a claim is not a commit
    assert (reader.head(), reader.commit(1), list(reader.commits())) == (None, None, [])


def test_a_reader_sees_the_log_grow(memory: MemoryLog, events: Build, at: At) -> None:
    reader = memory.log.reader("journal")
    for number in range(1, 5):
        with memory.log.writer("journal") as writer:
            assert (reader.head() is None) == (number == 1)
            writer.commit([encode_events(events(number, 1), number - 1)], [], at(number))
            head = reader.head()
            assert head is not None
            assert head.number == number
            assert reader.checkpoint() == at(number)
            assert [commit.number for commit in reader.commits()] == list(range(1, number + 1))
            assert [commit.number for commit in reader.commits(number - 1)] == [number]
            assert list(reader.commits(number)) == []
    first = reader.commit(1)
    assert first is not None
    assert reader.epoch() == first.sha256


def test_ranges_of_offsets(memory: MemoryLog, events: Build, at: At) -> None:
    fill(memory.log, events, at, 9)
    reader = memory.log.reader("journal")
    whole = [reader.read(ref) for ref in reader.segments()]
    assert [row for table in whole for row in table.column("log_offset").to_pylist()] == list(range(15))
    for after in range(-1, 17):
        for upto in (*range(-1, 17), None):
            expected = {offset for offset in range(15) if offset > after and (upto is None or offset <= upto)}
            refs = list(reader.segments(None if after == -1 else after, upto))
            held = {offset for ref in refs for offset in range(ref.first_offset, ref.next_offset)}
            assert expected <= held
            for ref in refs:  # and nothing that was not asked for
                assert expected & set(range(ref.first_offset, ref.next_offset))
    for offset in range(15):
        commit = reader.commit_covering(offset)
        assert commit is not None
        assert commit.first_offset <= offset < commit.next_offset
    assert reader.commit_covering(15) is None


def test_resuming_does_not_read_the_chain_from_its_start(memory: MemoryLog, events: Build, at: At) -> None:
    fill(memory.log, events, at, 64)
    faulty = Faulty(memory.storage)
    reader = Log.open("memory", storage=faulty).reader("journal")
    reader.head()
    faulty.calls.clear()
    assert sum(ref.rows for ref in reader.segments(after_offset=92)) == 3
    assert len([call for call in faulty.calls if call.startswith("get commits")]) < 12
    faulty.calls.clear()
    reader.head()
    assert faulty.calls == [f"keys {layout.commit_folder('journal')}"]


def test_a_reader_that_is_not_wary_lists_nothing_and_finds_the_same(
    memory: MemoryLog, events: Build, at: At
) -> None:
    fill(memory.log, events, at, 3)
    faulty = Faulty(memory.storage)
    reader, wary = Log.open("memory", storage=faulty).reader("journal"), memory.log.reader("journal")
    reader.is_wary = False
    assert reader.head() == wary.head()  # the first look lists, whatever it is
    faulty.calls.clear()
    with memory.log.writer("journal") as writer:
        for number in (4, 5):
            assert (reader.head(), list(reader.commits(3))) == (wary.head(), list(wary.commits(3)))
            offset = writer.next_offset
            writer.commit([encode_events(events(offset, 1), offset)], [], at(number))
    assert reader.head() == wary.head()
    assert [call for call in faulty.calls if call.startswith("keys")] == []
    memory.drop(layout.commit_key("journal", 4))
    for looker in (memory.log.reader("journal"), reader):
        looker.is_wary = True
        with pytest.raises(CorruptLogError, match=r"0004\.json is missing"):
            list(looker.commits(3))


def test_a_broken_chain_stops_the_reading(memory: MemoryLog, events: Build, at: At) -> None:
    fill(memory.log, events, at, 6)
    keys = [layout.commit_key("journal", number) for number in range(1, 7)]
    files = memory.files()

    def numbers() -> list[int]:
        return [commit.number for commit in memory.log.reader("journal").commits()]

    def broken(upto: int, *, head: bool) -> None:
        seen: list[int] = []
        with pytest.raises(CorruptLogError) as caught:
            seen.extend(commit.number for commit in memory.log.reader("journal").commits())
        assert caught.value.fields["key"] in keys
        if head:
            with pytest.raises(CorruptLogError):
                memory.log.reader("journal").head()
        with pytest.raises(CorruptLogError):
            list(memory.log.reader("journal").commits(upto))
        for key, data in files.items():
            memory.put(key, data)

    assert numbers() == [1, 2, 3, 4, 5, 6]
    for missing in range(1, 6):
        memory.drop(keys[missing - 1])
        broken(missing - 1, head=True)
    memory.put(keys[3], files[keys[2]])  # a commit in another's place
    broken(3, head=False)
    memory.put(keys[2], claim_bytes(Claim(partition="journal", number=3, token="t")))  # noqa: S106
    broken(2, head=False)
    # A commit that is whole by itself, of another history: sealed, but not what its successor names.
    other = MemoryLog()
    with other.log.writer("journal") as writer:
        for number in range(1, 4):
            writer.commit([encode_events(events(50, 3), writer.next_offset)], [], at(number))
    memory.put(keys[1], other.files()[keys[1]])
    broken(1, head=False)
    assert numbers() == [1, 2, 3, 4, 5, 6]


def test_an_end_that_is_cut_off_is_a_shorter_log(memory: MemoryLog, events: Build, at: At) -> None:
    """Not to be seen from inside; whoever remembers the hash of a head sees it."""
    fill(memory.log, events, at, 4)
    memory.drop(layout.commit_key("journal", 4))
    reader = memory.log.reader("journal")
    head = reader.head()
    assert head is not None
    assert head.number == 3
    assert len(list(reader.commits())) == 3


def test_segments_are_verified_before_they_are_parsed(memory: MemoryLog, events: Build, at: At) -> None:
    fill(memory.log, events, at, 1)
    reader = memory.log.reader("journal")
    (ref,) = reader.segments()
    data = memory.files()[ref.key]
    memory.put(ref.key, data[:100] + b"\xff" + data[101:])
    with pytest.raises(CorruptLogError, match="SHA-256"):
        reader.read(ref)
    memory.drop(ref.key)
    with pytest.raises(CorruptLogError, match="missing"):
        reader.read(ref)


def test_a_ref_is_enough_in_another_process(tmp_path: Path, events: Build, rejects: Build, at: At) -> None:
    log = Log.open(tmp_path / "log")
    with log.writer("journal") as writer:
        writer.commit([encode_events(events(0, 3), 0)], [encode_rejects(rejects(3, 1), 0)], at(3))
    head = log.reader("journal").head()
    assert head is not None
    for ref in (*head.segments, *head.quarantine):
        sent = pickle.loads(pickle.dumps(ref))  # noqa: S301 - our own bytes
        assert read_segment(log.url, sent).equals(log.read(ref))
    again = pickle.loads(pickle.dumps(log))  # noqa: S301
    assert again.read(head.segments[0]).num_rows == 3
    assert pickle.loads(pickle.dumps(log.reader("journal"))).head() == head  # noqa: S301


def test_a_forged_key_never_leaves_the_log(tmp_path: Path, events: Build, at: At) -> None:
    log = Log.open(tmp_path / "log")
    with log.writer("journal") as writer:
        writer.commit([encode_events(events(0, 3), 0)], [], at(3))
    slot = tmp_path / "log" / layout.commit_key("journal", 1)
    text = json.loads(slot.read_text())
    text["commit"]["segments"][0]["key"] = "../../secret"
    slot.write_text(json.dumps(text, sort_keys=True, separators=(",", ":")))
    with pytest.raises(CorruptLogError):
        log.reader("journal").head()
