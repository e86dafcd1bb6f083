"""gc removes what no commit names, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from attrs import evolve

from eventreplay.errors import CorruptLogError
from eventreplay.event import Checkpoint
from eventreplay.log import Log, encode_events, encode_rejects, layout
from eventreplay.log.gc import unreferenced
from tests.unit.log.doubles import Faulty, MemoryLog

Build = Callable[[int, int], pa.RecordBatch]
At = Callable[[int], Checkpoint]
EVENTS, QUARANTINE = (layout.segment_folder(kind, "journal") for kind in (layout.EVENTS, layout.QUARANTINE))


def fill(log: Log, events: Build, rejects: Build, at: At) -> None:
    with log.writer("journal") as writer:
        for turn in range(3):
            offset = turn * 2
            writer.commit(
                [encode_events(events(offset, 2), offset)], [encode_rejects(rejects(turn, 1), turn)], at(turn)
            )


def test_only_what_no_commit_can_ever_name_goes(
    memory: MemoryLog, events: Build, rejects: Build, at: At
) -> None:
    fill(memory.log, events, rejects, at)
    before = memory.files()
    dead = [
        EVENTS + encode_events(events(50, 1), 0).ref.key,
        EVENTS + encode_events(events(50, 1), 5).ref.key,
        QUARANTINE + encode_rejects(rejects(50, 1), 2).ref.key,
    ]
    ahead = [
        EVENTS + encode_events(events(50, 1), 6).ref.key,
        EVENTS + encode_events(events(50, 1), 99).ref.key,
        QUARANTINE + encode_rejects(rejects(50, 1), 3).ref.key,
    ]
    for key in (*dead, *ahead):
        memory.put(key, b"of a crash")
    memory.put(EVENTS + "_SUCCESS", b"of another program")
    for dry_run in (True, False):
        report = memory.log.gc(dry_run=dry_run)
        assert (report.orphans, report.ahead, report.staging) == (tuple(dead), tuple(ahead), ())
        assert set(memory.files()) == {*before, *ahead, EVENTS + "_SUCCESS", *(dead if dry_run else ())}
    assert {key: memory.files()[key] for key in before} == before
    assert memory.log.check().ok


def test_a_partition_without_a_commit_has_nothing_dead(memory: MemoryLog, events: Build) -> None:
    key = EVENTS + encode_events(events(0, 1), 0).ref.key
    memory.put(layout.FORMAT_KEY, layout.FORMAT_BYTES)
    memory.put(key, b"of a crash")
    assert [note.kind for note in memory.log.check().notes] == ["orphan"]
    assert memory.log.gc().ahead == (key,)
    assert key in memory.files()


def test_a_live_writer_is_neither_fenced_nor_damaged(
    memory: MemoryLog, events: Build, rejects: Build, at: At
) -> None:
    fill(memory.log, events, rejects, at)
    writer = memory.log.writer("journal")
    segment = encode_events(events(9, 1), 6)
    memory.put(EVENTS + segment.ref.key, bytes(segment.data))  # it stands between its two steps
    assert memory.log.gc().ahead == (EVENTS + segment.ref.key,)
    writer.commit([segment], [], at(9))
    assert memory.log.check().ok


def test_what_is_committed_while_gc_looks_is_not_taken_for_dead(
    memory: MemoryLog, events: Build, rejects: Build, at: At
) -> None:
    """At whichever call a writer gets on: what it commits stays."""
    fill(memory.log, events, rejects, at)
    stale = EVENTS + encode_events(events(50, 1), 1).ref.key
    for call in range(30):
        memory.put(stale, b"of a crash")
        faulty = Faulty(memory.storage)

        def get_on(_: str, __: str, call: int = call, faulty: Faulty = faulty) -> None:
            if len(faulty.calls) == call:
                with memory.log.writer("journal") as writer:
                    offset = writer.next_offset
                    position = 10 + offset
                    writer.commit([encode_events(events(position, 1), offset)], [], at(position))

        faulty.before = get_on
        assert Log.open("memory", storage=faulty).gc().orphans == (stale,)
        assert memory.log.check().ok
        assert stale not in memory.files()


def test_a_damaged_chain_keeps_everything(memory: MemoryLog, events: Build, rejects: Build, at: At) -> None:
    fill(memory.log, events, rejects, at)
    memory.put(EVENTS + encode_events(events(50, 1), 1).ref.key, b"of a crash")
    key = layout.commit_key("journal", 2)
    whole = memory.files()[key]
    damages: list[Callable[[], None]] = [lambda: memory.put(key, whole[:-1]), lambda: memory.drop(key)]
    for damage in damages:
        damage()
        before = memory.files()
        with pytest.raises(CorruptLogError):
            memory.log.gc()
        assert memory.files() == before
        memory.put(key, whole)


def test_staging_files_go(tmp_path: Path, events: Build, rejects: Build, at: At) -> None:
    log = Log.open(tmp_path)
    fill(log, events, rejects, at)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    stale = ["", EVENTS, QUARANTINE, layout.commit_folder("journal")]
    for prefix in stale:
        (tmp_path / f"{prefix}.x.1-1.staging").write_bytes(b"half")
    report = log.gc(dry_run=True)
    assert len(report.staging) == 4
    assert sorted(note.kind for note in log.check().notes) == ["staging"] * 4
    assert log.gc().staging == report.staging
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    # A writer that takes over sweeps as well: a crash must not need an operator.
    for prefix in stale:
        (tmp_path / f"{prefix}.x.1-1.staging").write_bytes(b"half")
    log.writer("journal").close()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_merging_keys_with_refs(events: Build) -> None:
    def key(offset: int) -> str:
        return EVENTS + encode_events(events(offset, 1), offset).ref.key

    refs = [encode_events(events(offset, 1), offset).ref for offset in (2, 4, 6)]
    named = [evolve(ref, key=EVENTS + ref.key) for ref in refs]
    keys = sorted(key(offset) for offset in (0, 2, 3, 4, 7))
    assert list(unreferenced(keys, named)) == [key(0), key(3), key(7)]
    assert list(unreferenced(keys, [])) == keys
    assert list(unreferenced([], named)) == []
