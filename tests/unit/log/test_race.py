"""Two real processes race for one partition of a folder: one wins, the other is fenced, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from eventreplay.log import Log

RACER = """
import sys
from datetime import UTC, datetime
from eventreplay.batch import Batch
from eventreplay.errors import FenceError
from eventreplay.event import Checkpoint, Event
from eventreplay.log import Log, encode_events

root, name, commits = sys.argv[1], sys.argv[2], int(sys.argv[3])
moment = datetime(2026, 1, 1, tzinfo=UTC)

def rows(turn):
    event = Event(event_id=f"{name}-{turn}", event_type="t", payload=b"p", occurred_at=moment)
    return Batch.from_events([event])

segments = rows(0).events  # everything heavy is loaded before the start signal
encode_events(segments, 0)
print("ready", flush=True)
sys.stdin.readline()
writer = Log.open(root).writer("live")
print("opened", flush=True)
try:
    for turn in range(commits):
        position = 0 if writer.checkpoint is None else writer.checkpoint.position + 1
        segment = encode_events(rows(turn).events, writer.next_offset)
        writer.commit([segment], [], Checkpoint(source="queue", epoch="e", position=position))
        print(f"done {name}-{turn}", flush=True)
except FenceError:
    print("fenced", flush=True)
    try:
        writer.commit([segment], [], Checkpoint(source="queue", epoch="e", position=position + 1))
    except FenceError:
        print("still fenced", flush=True)
writer.close()
"""


def start(root: Path, name: str, commits: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RACER, str(root), name, str(commits)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(racer: subprocess.Popen[str]) -> None:
    assert racer.stdin is not None
    racer.stdin.write("\n")
    racer.stdin.flush()


def heard(racer: subprocess.Popen[str]) -> str:
    assert racer.stdout is not None
    return racer.stdout.readline().rstrip()


def test_one_wins_and_the_other_is_fenced(tmp_path: Path) -> None:
    """The first would commit for ever; only the fence ends it, in the middle of its work."""
    racers = [start(tmp_path, "first", 1_000_000), start(tmp_path, "second", 40)]
    first, second = racers
    try:
        for racer in racers:
            assert heard(racer) == "ready"
        go(first)
        lines = [heard(first) for _ in range(5)]
        assert lines == ["opened", *(f"done first-{turn}" for turn in range(4))]
        go(second)
        told = [
            [*lines, *first.communicate(timeout=120)[0].split()],
            second.communicate(timeout=120)[0].split(),
        ]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert [racer.returncode for racer in racers] == [0, 0]
    assert told[0][-3:] == ["fenced", "still", "fenced"]
    assert "fenced" not in told[1]
    log = Log.open(tmp_path)
    assert log.check().ok
    reader = log.reader("live")
    stored = [name for ref in reader.segments() for name in reader.read(ref)["event_id"].to_pylist()]
    confirmed = [word for words in told for text in words for word in text.split() if "-" in word]
    assert stored == confirmed  # nothing confirmed is lost, nothing refused is there, in this order
    assert stored[-40:] == [f"second-{turn}" for turn in range(40)]
