"""`quarantine explain|redrive|drop` on the command line: what is said, the exit codes, the receipts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventreplay.cli.jobs import redrive as job
from eventreplay.log import Log
from eventreplay.receipts import Receipts
from eventreplay.sinks.duckdb_tables import connect
from tests.hex_codec import REFUSED, FixedCodec
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_quarantine import add_conflict

SINK = ("--sink", "duckdb:///w.duckdb")
FIXED = FixedCodec("fixed-1", still=REFUSED)


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's code decodes everything."""
    monkeypatch.setattr(job, "codec_of", lambda *_: FIXED)


def rows(warehouse: Path, query: str) -> list[tuple[object, ...]]:
    with connect(warehouse, read_only=True) as connection:
        found: list[tuple[object, ...]] = connection.execute(query).fetchall()
    return found


def test_by_the_same_code_nothing_passes(warehouse: Path, run: Run) -> None:
    code, out, err = run("quarantine", "explain", *SINK)
    assert code == 0
    assert "1 still fail as before" in out
    assert "1 refused by their source or for what no limit decides" in out
    assert "explain: 2 records" in err
    code, out, _ = run("quarantine", "redrive", *SINK)
    assert (code, "0 moved + 1 still failing" in out) == (0, True)
    assert [receipt.kind for receipt in Receipts(Log.open("log")).list()] == ["capture", "replay"]
    assert warehouse.exists()


@pytest.mark.usefixtures("fixed")
def test_what_passes_is_told_moved_and_kept_as_a_receipt(warehouse: Path, run: Run) -> None:
    for command in (("explain",), ("redrive", "--dry-run")):
        code, out, _ = run("quarantine", *command, *SINK, "--json")
        told = json.loads(out)
        assert (code, told["passes"], told["loaded_by"]["web"] != told["codec"]) == (0, 1, True)
    code, out, _ = run("quarantine", "redrive", *SINK)
    assert code == 0
    assert "1 examined = 1 moved + 0 still failing" in out
    assert "stops there with CodecChangedError" in out
    assert rows(warehouse, "SELECT event_id, log_offset FROM RAW.EVENTS ORDER BY log_offset") == [
        ("v-1", 0), ("v-2", 1), ("v-3", 2),
    ]  # fmt: skip
    receipt = Receipts(Log.open("log")).list()[-1]
    (part,) = receipt.facts["partitions"]
    ((event_hash,),) = rows(warehouse, "SELECT event_hash FROM RAW.EVENTS WHERE log_offset = 2")
    assert (receipt.kind, receipt.facts["action"], receipt.facts["moved"]) == ("redrive", "redrive", 1)
    assert (part["partition"], part["moved"], part["event_hash_sum"]) == ("web", 1, str(event_hash))
    assert receipt.facts["codes_before"] == {"unsupported_content_type": 1}
    assert (part["ranges"][0]["first_offset"], part["ranges"][0]["last_offset"]) == (2, 2)
    assert run("verify", *SINK)[0] == 0
    code, out, _ = run("quarantine", "redrive", *SINK, "--json")
    again = json.loads(out)
    assert (code, again["moved"], again["receipt"]) == (0, 0, None)


@pytest.mark.usefixtures("fixed", "warehouse")
def test_a_codec_that_changes_more_is_not_adopted(run: Run) -> None:
    code, _, err = run("quarantine", "redrive", *SINK, "--adopt")
    assert code == 1
    assert "are not what today's codec gives" in err
    assert "rebuild" in err


def test_a_record_is_put_aside_with_a_reason_and_taken_back(warehouse: Path, run: Run) -> None:
    reason = "Robert'); DROP TABLE RAW.EVENTS; -- \x1b[31m"
    which = ("--code", "unsupported_content_type")
    code, out, _ = run("quarantine", "drop", *SINK, *which, "--reason", reason)
    assert (code, "1 records put aside." in out) == (0, True)
    assert rows(warehouse, "SELECT log_partition, log_offset, stage, reason FROM RAW.DISMISSED") == [
        ("web", 2, "decode", reason)
    ]
    assert json.loads(run("quarantine", "ls", *SINK, "--json")[1])["total"] == 1
    both = json.loads(run("quarantine", "ls", *SINK, "--all", "--json")[1])
    assert (both["total"], [one["dismissed"] for one in both["reasons"]]) == (2, [False, True])
    assert "put aside" in run("quarantine", "ls", "--warehouse", warehouse, "--all")[1]
    code, out, _ = run("quarantine", "show", *SINK, "--all", *which)
    assert "Robert'); DROP TABLE RAW.EVENTS; --" in out
    assert "\x1b" not in out
    assert "0 records." in run("quarantine", "show", *SINK, *which)[1]
    assert "1 put aside for good" in run("quarantine", "explain", *SINK)[1]
    code, out, _ = run("quarantine", "drop", *SINK, *which, "--undo", "--json")
    assert (code, json.loads(out)["records"]) == (0, 1)
    assert json.loads(run("quarantine", "ls", *SINK, "--json")[1])["total"] == 2
    facts = [one.facts for one in Receipts(Log.open("log")).list(kind="redrive")]
    assert [(one["action"], one["records"]) for one in facts] == [("drop", 1), ("undo", 1)]
    assert facts[0]["reason"] == reason


@pytest.mark.usefixtures("warehouse")
def test_wrong_usage_says_what_to_do(run: Run) -> None:
    for arguments, match in (
        (("drop", "--code", "x"), "No reason is given"),
        (("drop", "--reason", "x"), "Nothing says which records"),
        (("drop", "--code", "x", "--reason", "y", "--undo"), "to take something back"),
        (("redrive", "--code", "x", "--adopt"), "whole partitions"),
        (("explain", "--stage", "decoding"), "no stage"),
        (("explain", "--warehouse", "other.duckdb"), "Both --warehouse and --sink"),
    ):
        code, _, err = run("quarantine", *arguments, *SINK)
        assert (code, match in err) == (2, True), err


def test_a_warehouse_that_is_not_there_is_not_made(log: Path, run: Run) -> None:
    for command in (("explain",), ("redrive",), ("drop", "--code", "x", "--reason", "y")):
        code, _, err = run("quarantine", *command, "--sink", "duckdb:///typo.duckdb")
        assert (code, "There is no warehouse" in err) == (2, True)
    assert not (log.parent / "typo.duckdb").exists()


def test_conflicts_of_staging_never_pass_and_can_be_put_aside(warehouse: Path, run: Run) -> None:
    add_conflict(warehouse)
    code, out, _ = run("quarantine", "explain", *SINK)
    assert (code, "1 share their id with an earlier event: they never pass" in out) == (0, True)
    code, out, _ = run("quarantine", "drop", *SINK, "--stage", "staging", "--reason", "seen", "--json")
    assert json.loads(out)["marked"][0]["error_code"] == "conflicting_payload"
    told = json.loads(run("quarantine", "explain", *SINK, "--stage", "staging", "--json")[1])
    assert (told["conflict"], told["dismissed"], told["records"]) == (0, 1, 1)
    assert run("verify", *SINK)[0] == 0


def test_a_record_that_is_not_what_the_log_holds_ends_with_1(warehouse: Path, run: Run) -> None:
    with connect(warehouse) as connection:
        connection.execute("UPDATE RAW.QUARANTINE SET event_id = 'forged' WHERE stage = 'decode'")
    for command in ("explain", "redrive"):
        code, out, _ = run("quarantine", command, *SINK)
        assert code == 1
        assert "not what the log holds" in out
