"""`capture`, `replay` and what a script reads of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb

Run = Callable[..., tuple[int, str, str]]


def test_capture_balances_and_says_so(run: Run, events: Path) -> None:
    code, out, err = run("capture", events, "--log", "log", "--partition", "web")
    assert code == 0
    assert "4 received = 3 logged + 1 quarantined, in 1 commits of web, up to position 3." in out
    assert "4 events" in err


def test_json_is_all_that_stands_on_stdout(run: Run, events: Path) -> None:
    code, out, err = run("capture", f"files:{events.name}", "--log", "log", "--partition", "web", "--json")
    receipt = json.loads(out)
    assert code == 0
    assert {name: receipt[name] for name in ("received", "logged", "quarantined", "position")} == {
        "received": 4,
        "logged": 3,
        "quarantined": 1,
        "position": 3,
    }
    assert len(receipt["digest"]) == 64
    assert err


def test_capture_stops_at_upto_and_goes_on_from_there(run: Run, events: Path) -> None:
    capture = ("capture", events, "--log", "log", "--json")
    assert json.loads(run(*capture, "--upto", 0)[1])["received"] == 1
    assert json.loads(run(*capture)[1])["received"] == 3
    code, out, _ = run("capture", events, "--log", "log")
    assert (code, out) == (0, "Partition journal is up to date; nothing was captured.\n")


def test_options_reach_the_source(run: Run, events: Path) -> None:
    code, out, _ = run(
        "capture", events, "--log", "log", "-o", "name=clicks", "-o", "batch_rows_max=1", "--json"
    )
    assert code == 0
    assert json.loads(out)["source"] == "clicks"


def test_another_source_into_the_same_partition_is_refused(run: Run, log: Path) -> None:
    (log.parent / "other.jsonl").write_text((log.parent / "events.jsonl").read_text())
    code, out, err = run("capture", "other.jsonl", "--partition", "web")
    assert (code, out) == (1, "")
    assert "captured from source 'files:events.jsonl'" in err


def test_a_source_that_is_not_there(run: Run, folder: Path) -> None:
    code, out, err = run("capture", "nowhere.jsonl", "--log", "log")
    assert (code, out) == (2, "")
    assert "neither a path nor the name of a source" in err
    assert not (folder / "log").exists()


def test_replay_loads_rows_and_quarantine(run: Run, warehouse: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute("SELECT event_id, payload FROM RAW.EVENTS ORDER BY log_offset").fetchall()
        stages = connection.execute("SELECT stage, error_code FROM RAW.QUARANTINE ORDER BY ALL").fetchall()
    assert [event_id for event_id, _ in found] == ["v-1", "v-2"]
    assert found[0][1] == '{"page_id":"p","note":"Zoë"}'
    assert stages == [("capture", "event_id_missing"), ("decode", "unsupported_content_type")]
    code, out, _ = run("replay", "--sink", "duckdb:///w.duckdb")
    assert (code, out) == (0, "Replay live is up to date; nothing was loaded.\n")


def test_a_replay_says_what_it_read(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, out, _ = run("replay", "--sink", "duckdb:///w.duckdb", "--schemas", "sportscards", "--json")
    receipt = json.loads(out)
    assert code == 0
    assert (receipt["read"], receipt["loaded"], receipt["quarantined"], receipt["commits"]) == (4, 2, 2, 2)


def test_a_replay_under_other_limits_is_another_codec(run: Run, warehouse: Path) -> None:
    (warehouse.parent / "more.jsonl").write_text((warehouse.parent / "events.jsonl").read_text())
    settings = warehouse.parent / "eventreplay.toml"
    settings.write_text(settings.read_text() + "decode_elements_max = 7\n")
    code, _, err = run("replay", "--sink", "duckdb:///w.duckdb")
    assert code == 1
    assert "decoded by another codec" in err
    assert run("replay", "--sink", "duckdb:///w.duckdb", "--accept-codec-change")[0] == 0


def test_unknown_schemas_are_named(run: Run, log: Path) -> None:
    assert log.is_dir()
    code, _, err = run("replay", "--sink", "duckdb:///w.duckdb", "--schemas", "sportcards")
    assert code == 2
    assert "Did you mean 'sportscards'?" in err


def test_a_replay_of_no_log_makes_no_warehouse(run: Run, folder: Path) -> None:
    code, _, err = run("replay", "--log", "nowhere", "--sink", "duckdb:///w.duckdb")
    assert code == 2
    assert "There is no log at nowhere." in err
    assert list(folder.iterdir()) == []
