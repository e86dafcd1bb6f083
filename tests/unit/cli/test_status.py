"""`status` and `plugins`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]

SINK = ("--sink", "duckdb:///w.duckdb")


def test_before_the_first_replay_everything_is_left(run: Run, log: Path) -> None:
    code, out, _ = run("status", *SINK, "--json")
    (partition,) = json.loads(out)["partitions"]
    assert code == 0
    assert partition == {
        "partition": "web",
        "commits": 2,
        "rows": 4,
        "state": "behind",
        "position": None,
        "lag_commits": 2,
        "lag_rows": 4,
        "gaps": 0,
        "updated_at": None,
    }
    assert not (log.parent / "w.duckdb").exists()


def test_after_a_replay_nothing_is_left(run: Run, warehouse: Path) -> None:
    assert warehouse.is_file()
    code, out, _ = run("status", *SINK, "--json")
    facts = json.loads(out)
    (partition,) = facts["partitions"]
    assert code == 0
    assert (partition["state"], partition["position"], partition["lag_rows"]) == ("up to date", 2, 0)
    assert facts["quarantined"] == 2


def test_what_came_since_is_the_lag(run: Run, warehouse: Path) -> None:
    with (warehouse.parent / "events.jsonl").open("a") as file:
        file.writelines((warehouse.parent / "events.jsonl").read_text().splitlines(keepends=True)[:3])
    assert run("capture", "events.jsonl", "--partition", "web")[0] == 0
    code, out, _ = run("status", *SINK, "--json")
    (partition,) = json.loads(out)["partitions"]
    assert code == 0
    assert (partition["state"], partition["lag_commits"], partition["lag_rows"]) == ("behind", 2, 3)


def test_a_checkpoint_of_another_log_fails(run: Run, warehouse: Path) -> None:
    shutil.rmtree(warehouse.parent / "log")
    lines = (warehouse.parent / "events.jsonl").read_text().splitlines(keepends=True)
    (warehouse.parent / "events.jsonl").write_text("".join(reversed(lines)))
    assert run("capture", "events.jsonl", "--partition", "web")[0] == 0
    code, out, _ = run("status", *SINK)
    assert code == 1
    assert "another log" in out


def test_a_sink_that_cannot_be_asked_is_wrong_usage(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, _, err = run("status", "--sink", "elsewhere://w")
    assert code == 2
    assert "elsewhere" in err


def test_plugins_are_listed_with_their_state(run: Run) -> None:
    code, out, _ = run("plugins", "--json")
    found = {(each["kind"], each["name"]): each for each in json.loads(out)["plugins"]}
    assert code == 0
    assert found["source", "files"]["problem"] is None
    assert found["sink", "duckdb"]["target"] == "eventreplay.sinks.duckdb:DuckDBSink"
    assert "ready" in run("plugins")[1]
