"""`log check`: whatever was changed in a log is found, and named."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve

from eventreplay.batch import LOG_SCHEMA
from eventreplay.errors import LogError, LogUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.log import CheckProgress, EncodedSegment, Log, check, encode_events, encode_rejects, layout
from eventreplay.log import commit as commit_module
from eventreplay.log import segment as segment_module
from eventreplay.log.commit import Claim, Commit, claim_bytes, commit_bytes
from tests.unit.log.doubles import Faulty, MemoryLog

Build = Callable[[int, int], pa.RecordBatch]
At = Callable[[int], Checkpoint]
KEYS = [layout.commit_key("journal", number) for number in range(1, 5)]


def fill(memory: MemoryLog, events: Build, rejects: Build, at: At) -> dict[str, bytes]:
    """Three commits: events, events and rejects, only a checkpoint."""
    with memory.log.writer("journal", segment_positions=10) as writer:
        writer.commit([encode_events(events(0, 2), 0)], [], at(9))
        writer.commit([encode_events(events(10, 1), 2)], [encode_rejects(rejects(11, 1), 0)], at(19))
        writer.commit([], [], at(29))
    return memory.files()


@pytest.fixture
def files(memory: MemoryLog, events: Build, rejects: Build, at: At) -> dict[str, bytes]:
    """The objects of the small log in `memory`."""
    return fill(memory, events, rejects, at)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For thousands of checks of a tiny log: hash rows by hashlib, and parse the same bytes once."""

    def payload_sha256(payload: pa.Array) -> pa.Array:
        return pa.array([hashlib.sha256(value).digest() for value in payload.to_pylist()], pa.binary(32))

    def event_hash(event_id: pa.Array, digests: pa.Array) -> pa.Array:
        pairs = zip(event_id.to_pylist(), digests.to_pylist(), strict=True)
        whole = [hashlib.sha256(name.encode() + digest).digest() for name, digest in pairs]
        return pa.array([int.from_bytes(value[:8], "big", signed=True) for value in whole], pa.int64())

    monkeypatch.setattr(check, "payload_sha256", payload_sha256)
    monkeypatch.setattr(check, "event_hash", event_hash)
    monkeypatch.setattr(check, "decode_segment", functools.cache(segment_module.decode_segment))
    monkeypatch.setattr(check, "parse_slot", functools.cache(commit_module.parse_slot))


def test_a_whole_log(memory: MemoryLog, files: dict[str, bytes]) -> None:
    seen: list[CheckProgress] = []
    report = memory.log.check(seen.append)
    assert report.ok
    assert (report.findings, report.notes, report.partitions) == ((), (), ("journal",))
    total = report.total
    assert (total.commits, total.segments, total.events, total.quarantined) == (3, 3, 3, 1)
    assert total.bytes == sum(len(data) for key, data in files.items() if key.endswith(".parquet"))
    assert [(progress.partition, progress.commits) for progress in seen] == [
        ("journal", 1),
        ("journal", 2),
        ("journal", 3),
    ]


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.usefixtures("quick")
def test_a_flipped_byte_is_found_and_named(memory: MemoryLog, files: dict[str, bytes], stride: int) -> None:
    for number, (key, data) in enumerate(files.items()):
        for at in range(number % stride, len(data), stride):
            memory.put(key, data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
            report = memory.log.check()
            assert not report.ok, f"byte {at} of {key}"
            assert key in {finding.key for finding in report.findings}, f"byte {at} of {key}"
            assert all(finding.hint for finding in report.findings)
        memory.put(key, data)
    assert memory.log.check().ok


@pytest.mark.usefixtures("quick")
def test_every_truncation_and_extension_is_found_and_named(
    memory: MemoryLog, files: dict[str, bytes]
) -> None:
    for key, data in files.items():
        for damaged in (*(data[:size] for size in range(0, len(data), 7)), data[:-1], data + b"\0"):
            memory.put(key, damaged)
            assert key in {finding.key for finding in memory.log.check().findings}
        memory.put(key, data)


def test_every_deletion_but_that_of_the_end_is_found_and_named(
    memory: MemoryLog, files: dict[str, bytes]
) -> None:
    for key, data in files.items():
        memory.drop(key)
        report = memory.log.check()
        if key == KEYS[2]:
            # The last commit, taken away without a trace: a valid shorter log, as far as one can see
            # from inside. What remembers the hash of a head (a sink's checkpoint) finds it.
            assert report.ok
        else:
            assert [(finding.key, finding.kind) for finding in report.findings] == [(key, "missing")]
        memory.put(key, data)


def test_a_rollback_shows_by_the_segments_it_leaves(memory: MemoryLog, files: dict[str, bytes]) -> None:
    before = memory.log.sha256()
    for key in KEYS[1:3]:
        memory.drop(key)
    report = memory.log.check()
    assert report.ok
    assert sorted(note.kind for note in report.notes) == ["orphan", "orphan"]
    assert "restore" in report.notes[0].hint
    assert {note.key for note in report.notes} < set(files)
    assert memory.log.sha256() != before


def test_exchanged_objects_are_found_and_named(memory: MemoryLog, files: dict[str, bytes]) -> None:
    for one, other in itertools.combinations(files, 2):
        memory.put(one, files[other])
        memory.put(other, files[one])
        assert {finding.key for finding in memory.log.check().findings} >= {one, other}
        memory.put(one, files[one])
        memory.put(other, files[other])
    assert memory.log.check().ok


def test_all_findings_are_reported_not_only_the_first(memory: MemoryLog, files: dict[str, bytes]) -> None:
    damaged = [key for key in files if key != KEYS[1]]
    for key in damaged:
        memory.put(key, files[key] + b" ")
    report = memory.log.check()
    assert {finding.key for finding in report.findings if finding.kind != "chain"} == set(damaged)
    # What follows a damaged commit is held against the bytes that stand there now.
    assert {finding.key for finding in report.findings if finding.kind == "chain"} == {KEYS[1]}


def test_notes_are_no_findings(memory: MemoryLog, files: dict[str, bytes]) -> None:
    memory.put(KEYS[3], claim_bytes(Claim(partition="journal", number=4, token="t")))  # noqa: S106
    memory.put("README.txt", b"")
    memory.put("commits/journal/notes.txt", b"")
    memory.put("events/log_partition=Bad Name/x", b"")
    report = memory.log.check()
    assert report.ok
    assert sorted((note.kind, note.key) for note in report.notes) == [
        ("claim", KEYS[3]),
        ("foreign", "README.txt"),
        ("foreign", "commits/journal/notes.txt"),
        ("foreign", "events/log_partition=Bad Name/x"),
    ]
    assert memory.files().keys() > files.keys()


def test_a_claim_where_commits_go_on_is_found(memory: MemoryLog, files: dict[str, bytes]) -> None:
    memory.put(KEYS[1], claim_bytes(Claim(partition="journal", number=2, token="t")))  # noqa: S106
    assert (KEYS[1], "chain") in {(finding.key, finding.kind) for finding in memory.log.check().findings}
    assert files


def lying(segment: EncodedSegment, table: pa.Table, **fields: Any) -> EncodedSegment:
    """A segment whose commit is consistent, and whose rows are not what they should be."""
    made = segment_module._encoded(
        table, segment.kind, segment.ref.first_offset, (segment.ref.event_count, segment.ref.event_hash_sum)
    )
    return evolve(made, ref=evolve(made.ref, **fields))


def rows(segment: EncodedSegment) -> pa.Table:
    return segment_module.decode_segment(segment.ref, segment.data)


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), values)


def first_changed(table: pa.Table, name: str) -> pa.Table:
    values = table.column(name).to_pylist()
    first = values[0]
    values[0] = first[:-1] + b"?" if isinstance(first, bytes) else first + 1
    return with_column(table, name, pa.array(values, table.schema.field(name).type))


def no_change(table: pa.Table) -> pa.Table:
    return table


@pytest.mark.parametrize(
    ("change", "fields", "kind", "words"),
    [
        (lambda table: first_changed(table, "payload_sha256"), {}, "hash", "payload_sha256 at offset 0"),
        (lambda table: first_changed(table, "event_hash"), {}, "hash", "event_hash at offset 0"),
        (lambda table: first_changed(table, "payload"), {}, "hash", "payload_sha256 at offset 0"),
        (
            lambda table: first_changed(table, "source_position"),
            {"first_position": 0},
            "position",
            "positions",
        ),
        (no_change, {"last_position": 8}, "position", "positions"),
        (no_change, {"event_hash_sum": 1}, "hash", "sum"),
        (
            lambda table: with_column(table, "log_offset", pa.array(np.array([0, 2, 3, 4]))),
            {},
            "rows",
            "offsets",
        ),
        (
            lambda table: with_column(table, "event_id", pa.array(["a", None, "c", "d"])),
            {},
            "rows",
            "null",
        ),
    ],
)
def test_a_writer_that_lies_is_found_row_by_row(
    memory: MemoryLog,
    events: Build,
    at: At,
    change: Callable[[pa.Table], pa.Table],
    fields: dict[str, Any],
    kind: str,
    words: str,
) -> None:
    """The bytes are the committed ones; only recomputing what they say finds these."""
    segment = encode_events(events(0, 4), 0)
    with memory.log.writer("journal") as writer:
        writer.commit([lying(segment, change(rows(segment)), **fields)], [], at(9))
    findings = memory.log.check().findings
    assert findings
    assert any(finding.kind == kind and words in finding.detail for finding in findings)
    assert {finding.key for finding in findings} == {
        key for key in memory.files() if key.startswith("events/")
    }


def test_a_lying_quarantine_is_found(memory: MemoryLog, rejects: Build, at: At) -> None:
    segment = encode_rejects(rejects(0, 4), 0)
    with memory.log.writer("journal") as writer:
        writer.commit([], [lying(segment, first_changed(rows(segment), "payload_sha256"))], at(9))
        other = encode_rejects(rejects(10, 4), 4)
        writer.commit([], [evolve(other, ref=evolve(other.ref, event_hash_sum=7))], at(19))
    assert [finding.kind for finding in memory.log.check().findings] == ["hash", "hash"]


def forged(memory: MemoryLog, number: int, **fields: Any) -> None:
    """Replace a commit by one that is sealed and chained, and says something else."""
    reader = memory.log.reader("journal")
    commits = [reader.commit(at) for at in range(1, 4)]
    previous = layout.GENESIS
    for commit in commits:
        assert isinstance(commit, Commit)
        changed = evolve(commit, previous=previous, **(fields if commit.number == number else {}))
        data = commit_bytes(changed)
        previous = hashlib.sha256(data).hexdigest()
        memory.put(layout.commit_key("journal", commit.number), data)


@pytest.mark.parametrize(
    ("number", "fields", "kind"),
    [
        (2, {"checkpoint": Checkpoint(source="journal", epoch="epoch-1", position=8)}, "checkpoint"),
        (2, {"checkpoint": Checkpoint(source="other", epoch="epoch-1", position=19)}, "checkpoint"),
        (1, {"checkpoint": Checkpoint(source="journal", epoch="epoch-1", position=0)}, "checkpoint"),
        (1, {"checkpoint": Checkpoint(source="journal", epoch="epoch-1", position=10)}, "position"),
        (3, {"segment_positions": 20}, "checkpoint"),
        (2, {"next_offset": 4}, "chain"),
        (2, {"next_quarantine_offset": 0}, "chain"),
        (2, {"segments": ()}, "chain"),
    ],
)
def test_a_forged_chain_is_held_against_what_it_must_be(
    memory: MemoryLog, files: dict[str, bytes], number: int, fields: dict[str, Any], kind: str
) -> None:
    forged(memory, number)
    assert memory.files() == files
    assert memory.log.check().ok
    forged(memory, number, **fields)
    assert kind in {finding.kind for finding in memory.log.check().findings}


def test_an_unreadable_object_is_a_finding_and_an_unreachable_store_is_none(
    memory: MemoryLog, files: dict[str, bytes]
) -> None:
    faulty = Faulty(memory.storage)
    log = Log.open("memory", storage=faulty)
    bad = next(key for key in files if key.startswith("events/"))
    error: LogError = LogError("Input/output error.")

    def fail(name: str, key: str) -> None:
        if name == "get" and key == bad:
            raise error

    faulty.before = fail
    assert bad in {finding.key for finding in log.check().findings}
    error = LogUnavailableError("The store did not answer.")
    with pytest.raises(LogUnavailableError):
        log.check()


def test_damage_in_one_partition_does_not_hide_another(
    memory: MemoryLog, files: dict[str, bytes], events: Build, at: At
) -> None:
    with memory.log.writer("live-0") as writer:
        writer.commit([encode_events(events(0, 1), 0)], [], at(0))
    memory.put(KEYS[0], files[KEYS[0]][:-1])
    second = layout.commit_key("live-0", 1)
    memory.put(second, memory.files()[second][:-1])
    assert {finding.key for finding in memory.log.check().findings} >= {KEYS[0], second}


def test_the_schema_of_the_log_has_not_drifted() -> None:
    """What segments hold is a file format: a changed column needs a new format version."""
    assert [(field.name, str(field.type), field.nullable) for field in LOG_SCHEMA] == [
        ("log_offset", "int64", False),
        ("event_id", "string", True),
        ("event_type", "string", True),
        ("stream_id", "string", True),
        ("source", "string", True),
        ("source_position", "int64", True),
        ("occurred_at", "timestamp[us, tz=UTC]", True),
        ("recorded_at", "timestamp[us, tz=UTC]", True),
        ("content_type", "string", True),
        ("headers", "map<string, string>", True),
        ("payload", "binary", True),
        ("payload_sha256", "fixed_size_binary[32]", False),
        ("event_hash", "int64", False),
    ]
