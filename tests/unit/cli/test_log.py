"""`log ls|check|gc|cat`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from eventreplay.log import Log

Run = Callable[..., tuple[int, str, str]]


def test_ls_tells_what_the_commits_say(run: Run, log: Path) -> None:
    code, out, _ = run("log", "ls", "--json")
    facts = json.loads(out)
    head = Log.open(log).reader("web").head()
    assert head is not None
    assert code == 0
    assert facts["sha256"] == Log.open(log).sha256()
    stored = sum(path.stat().st_size for path in log.rglob("*.parquet"))
    assert facts["partitions"] == [
        {
            "partition": "web",
            "commits": 2,
            "events": 3,
            "quarantined": 1,
            "bytes": stored,
            "source": "files:events.jsonl",
            "epoch": head.checkpoint.epoch,
            "position": 3,
            "head_sha256": head.sha256,
        }
    ]


def test_ls_as_a_table(run: Run, log: Path) -> None:
    code, out, _ = run("log", "ls")
    assert code == 0
    assert "web" in out
    assert Log.open(log).sha256() in out


def test_a_whole_log_passes(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, out, _ = run("log", "check")
    assert code == 0
    assert "2 commits, 3 segments, 3 events, 1 quarantined" in out
    assert "The log is whole" in out


def test_damage_is_named_with_exit_code_3(run: Run, log: Path) -> None:
    segment = min(log.glob("events/*/*.parquet"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(data)
    code, out, _ = run("log", "check")
    assert code == 3
    assert segment.name in out
    assert "The log is damaged: 1 findings." in out
    code, out, _ = run("log", "check", "--json")
    report = json.loads(out)
    assert code == 3
    assert report["ok"] is False
    assert report["findings"][0]["key"].endswith(segment.name)
    code, _, err = run("log", "cat", "web")
    assert code == 3
    assert "hint:" in err


def test_gc_says_first_and_removes_then(run: Run, log: Path) -> None:
    orphan = min(log.glob("events/*/*.parquet")).with_name(f"segment-{0:020d}-{'ab' * 8}.parquet")
    orphan.write_bytes(b"left by a crash")
    code, out, _ = run("log", "gc", "--dry-run", "--json")
    assert code == 0
    assert [Path(key).name for key in json.loads(out)["orphans"]] == [orphan.name]
    assert orphan.exists()
    code, out, _ = run("log", "gc")
    assert code == 0
    assert "1 segments and 0 half-written objects removed." in out
    assert not orphan.exists()


def test_cat_shows_the_original_bytes_and_the_exact_text(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, out, _ = run("log", "cat", "web", "--offset", 1, "--limit", 5, "--json")
    events = json.loads(out)["events"]
    assert code == 0
    assert [event["log_offset"] for event in events] == [1, 2]
    assert json.loads(bytes.fromhex(events[0]["payload"])) == {"page_id": "q\x1b[31m", "price": 1.5}
    assert json.loads(events[0]["payload_json"])["page_id"] == "q\x1b[31m"
    assert events[0]["occurred_at"] == "2026-01-31T23:59:59.123456Z"
    assert events[1]["payload_json"] is None  # no codec reads its content type


def test_cat_is_no_way_to_steer_a_terminal(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, out, _ = run("log", "cat", "web")
    assert code == 0
    assert "\x1b" not in out
    assert "v-1" in out
    assert "3 events of partition web" in out


def test_cat_behind_the_end_shows_nothing(run: Run, log: Path) -> None:
    assert log.is_dir()
    assert json.loads(run("log", "cat", "web", "--offset", 3, "--json")[1])["events"] == []


def test_an_unknown_partition_is_answered_by_the_known_ones(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, _, err = run("log", "cat", "wbe")
    assert code == 2
    assert "It has: web." in err


def test_a_misspelt_place_is_no_empty_log(run: Run, folder: Path) -> None:
    for command in ("ls", "check", "gc"):
        code, out, err = run("log", command, "--log", folder / "lgo")
        assert (code, out) == (2, "")
        assert "There is no log at" in err
