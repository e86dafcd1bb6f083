"""Every run that changed something keeps a receipt; one that found nothing to do keeps none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from eventreplay.cli.jobs import receipts as job
from eventreplay.errors import LogUnavailableError, SinkError
from eventreplay.log import Log
from eventreplay.log.receipts import ReceiptBook, receipt_key
from eventreplay.receipts import Receipt, Receipts
from eventreplay.sinks.duckdb import DuckDBSink
from tests.unit.cli.conftest import RECORDS, Run, write_events

SINK = ("--sink", "duckdb:///w.duckdb")


def kept(log: Path) -> tuple[Receipt, ...]:
    found = Receipts(Log.open(log))
    assert found.verify_chain() == len(found.list())
    return found.list()


def test_a_capture_and_a_replay_keep_one_each_and_idle_runs_none(log: Path, run: Run) -> None:
    (captured,) = kept(log)
    assert (captured.kind, captured.facts["settings"]["segment_positions"]) == ("capture", 2)
    (part,) = captured.facts["partitions"]
    assert (part["partition"], part["received"], part["logged"], part["quarantined"]) == ("web", 4, 3, 1)
    head = Log.open(log).reader("web").head()
    assert head is not None
    assert (part["after_commit"], part["upto_commit"], part["digest"]) == (0, head.number, head.sha256)
    code, out, _ = run("capture", "events.jsonl", "--partition", "web", "--json")
    assert (code, json.loads(out)["receipt"]) == (0, None)
    code, out, _ = run("replay", *SINK, "--json")
    assert (code, json.loads(out)["receipt"]) == (0, 2)
    assert json.loads(run("replay", *SINK, "--json")[1])["receipt"] is None
    first, loaded = kept(log)
    assert first == captured
    facts = loaded.facts
    assert (loaded.kind, facts["sink"], facts["replay_id"]) == ("replay", "duckdb:///w.duckdb", "live")
    assert (facts["read"], facts["loaded"], facts["quarantined"]) == (4, 2, 2)
    (range_,) = facts["partitions"]
    assert range_["event_hash_sum"] == part["event_hash_sum"]
    assert (range_["digest"], range_["upto_commit"]) == (head.sha256, head.number)
    assert re.fullmatch(r"[0-9a-f]{64}", facts["codec"])
    assert facts["seconds"] > 0
    assert run("log", "check")[0] == 0


def test_what_comes_later_is_a_range_behind_the_first(log: Path, run: Run) -> None:
    assert run("replay", *SINK)[0] == 0
    more = {"event_id": "v-9", "payload": {"page_id": "z"}}
    write_events(log.parent / "events.jsonl", (*RECORDS, more))
    assert run("capture", "events.jsonl", "--partition", "other")[0] == 0
    assert run("replay", *SINK)[0] == 0
    first, second = (each.facts["partitions"] for each in kept(log) if each.kind == "replay")
    assert [part["partition"] for part in first] == ["web"]
    assert [(part["partition"], part["after_commit"]) for part in second] == [("other", 0)]


def test_a_run_that_an_error_ends_keeps_what_it_had_done(
    log: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = DuckDBSink.commit
    done: list[int] = []

    def fail_at_the_second(self: DuckDBSink, *args: Any, **how: Any) -> None:
        if done:
            raise SinkError("The disk is gone.")
        done.append(1)
        commit(self, *args, **how)

    monkeypatch.setattr(DuckDBSink, "commit", fail_at_the_second)
    assert run("replay", *SINK)[0] == 1
    (loaded,) = (each for each in kept(log) if each.kind == "replay")
    assert (loaded.facts["error"], loaded.facts["commits"]) == ("SinkError", 1)
    assert loaded.facts["partitions"][0]["upto_commit"] == 1


def test_attempts_add_up_to_one_receipt(log: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = DuckDBSink.commit
    calls: list[int] = []

    def fail_once(self: DuckDBSink, *args: Any, **how: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise LogUnavailableError("The network is gone.")
        commit(self, *args, **how)

    monkeypatch.setattr(DuckDBSink, "commit", fail_once)
    assert run("replay", *SINK)[0] == 0
    (loaded,) = (each for each in kept(log) if each.kind == "replay")
    (part,) = loaded.facts["partitions"]
    assert (part["after_commit"], part["upto_commit"], loaded.facts["commits"]) == (0, 2, 2)
    assert loaded.facts["read"] == part["loaded"] + part["quarantined"] == 4


def test_a_receipt_that_cannot_be_kept_is_told_and_the_work_stays(
    log: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LogUnavailableError("No answer.", hint="Look at the store.")

    monkeypatch.setattr(ReceiptBook, "add", fail)
    code, _, said = run("replay", *SINK)
    assert code == 1
    assert "The replay is done and stays; its receipt could not be kept: No answer." in said
    monkeypatch.undo()
    code, out, _ = run("replay", "--log", log, "--sink", f"duckdb:///{log.parent}/w.duckdb", "--json")
    assert (code, json.loads(out)["commits"]) == (0, 0)


def test_they_are_listed_and_shown(warehouse: Path, run: Run) -> None:
    assert warehouse.exists()
    code, out, _ = run("receipts", "ls")
    assert code == 0
    assert re.search(r"1 +capture .*4 received.* \(web\)", out)
    assert re.search(r"2 +replay .*4 read, 2 loaded, 2 quarantined \(web\)", out)
    code, out, _ = run("receipts", "ls", "--kind", "replay", "--json")
    assert [each["number"] for each in json.loads(out)["receipts"]] == [2]
    code, out, _ = run("receipts", "show", "2")
    assert "facts.partitions[0].upto_commit: 2" in out
    assert "The chain of 2 receipts holds." in out
    shown = json.loads(run("receipts", "show", "2", "--json")[1])
    assert shown["receipt"]["previous"] == Receipts(Log.open("log")).list()[0].sha256
    assert shown["chain"] == 2


def test_what_is_not_there_is_said_and_damage_has_its_own_code(warehouse: Path, run: Run) -> None:
    assert run("receipts", "show", "9")[0] == 2
    assert run("receipts", "ls", "--kind", "party")[0] == 2
    path = warehouse.parent / "log" / receipt_key(1)
    path.write_bytes(path.read_bytes().replace(b'"web"', b'"wob"'))
    code, _, said = run("receipts", "show", "2")
    assert code == 3
    assert receipt_key(1) in said
    assert run("log", "check")[0] == 3


def test_a_summary_needs_no_counts() -> None:
    assert job._summary({}) == ""
    assert job._summary({"error": "SinkError"}) == "ended by SinkError"
