"""`verify` on the command line: what is said, the exit codes, and the receipt it keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from eventreplay.log import Log
from eventreplay.receipts import Receipts
from eventreplay.sinks.duckdb_tables import connect
from tests.unit.cli.conftest import Run, write_events

SINK = ("--sink", "duckdb:///w.duckdb")


@pytest.fixture
def raw(warehouse: Path) -> Any:
    """Statements on the warehouse, each by a connection of its own: DuckDB lets one process open a file."""

    def execute(statement: str) -> list[Any]:
        connection = connect(warehouse)
        try:
            found: list[Any] = connection.execute(statement).fetchall()
            return found
        finally:
            connection.close()

    return execute


def test_equal_is_said_with_counts_and_kept_as_a_receipt(warehouse: Path, run: Run) -> None:
    assert warehouse.exists()
    code, out, _ = run("verify", *SINK)
    assert code == 0
    assert re.search(r"web +equal +2 +4 +4 +2 +0", out)
    assert "RAW holds what the log holds: the counts and hashes of 4 rows." in out
    code, out, _ = run("verify", *SINK, "--deep", "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["deep"], told["sink"], told["receipt"]) == (0, True, True, SINK[1], 4)
    receipt = Receipts(Log.open("log")).get(4)
    assert receipt is not None
    head = Log.open("log").reader("web").head()
    assert head is not None
    (part,) = receipt.facts["partitions"]
    assert (receipt.kind, receipt.facts["ok"], part["digest"]) == ("verify", True, head.sha256)
    assert part["event_hash_sum"] == str(
        sum(int(one["log_hash_sum"] or 0) for one in told["partitions"][0]["ranges"])
    )


def test_what_differs_is_named_and_the_code_is_1(raw: Any, run: Run) -> None:
    raw("DELETE FROM RAW.EVENTS WHERE log_offset = 0")
    raw("INSERT INTO RAW.QUARANTINE SELECT * FROM RAW.QUARANTINE WHERE stage = 'capture'")
    code, out, said = run("verify", *SINK)
    assert (code, "error" in said) == (1, False), said
    assert re.search(r"missing: 1\b", out)
    assert re.search(r"web +log +0 +v-1 +0", out)
    assert re.search(r"doubled: 1\b", out)
    assert re.search(r"web +capture +0 +— +2|web +capture +0 + +2", out)
    assert "RAW is not what the log holds: 1 missing, 1 doubled, 0 altered, 0 unknown." in out
    code, out, _ = run("verify", *SINK, "--limit", "0", "--json")
    told = json.loads(out)
    assert (code, told["missing"], told["missing_count"]) == (1, [], 1)


def test_only_the_deep_comparison_sees_an_altered_payload(raw: Any, run: Run) -> None:
    raw("UPDATE RAW.EVENTS SET payload = replace(payload::VARCHAR, 'Zoë', 'Zoe') WHERE event_id = 'v-1'")
    assert run("verify", *SINK)[0] == 0
    code, out, _ = run("verify", *SINK, "--deep")
    assert code == 1
    assert re.search(r"web +differs", out)
    assert re.search(r"web +log +0 +v-1 +1 +payload", out)


def test_what_is_not_loaded_yet_is_behind(warehouse: Path, run: Run) -> None:
    write_events(warehouse.parent / "more.jsonl", ({"event_id": "n-1", "payload": {}},))
    assert run("capture", "more.jsonl", "--partition", "more")[0] == 0
    code, out, _ = run("verify", *SINK)
    assert code == 0
    assert re.search(r"more +equal +0 +0 +0 +0 +1", out)


def test_a_damaged_log_has_its_own_code_and_names_the_object(warehouse: Path, run: Run) -> None:
    path = warehouse.parent / "log" / "commits" / "web" / f"{1:020d}.json"
    path.write_bytes(path.read_bytes().replace(b'"rows":', b'"rowz":'))
    code, _, said = run("verify", *SINK)
    assert code == 3
    assert path.name in said


def test_nothing_is_written_beside_the_log_if_so_wanted(warehouse: Path, run: Run) -> None:
    before = sorted((warehouse.parent / "log").rglob("*"))
    assert json.loads(run("verify", *SINK, "--no-receipt", "--json")[1])["receipt"] is None
    assert sorted((warehouse.parent / "log").rglob("*")) == before


def test_a_partition_that_is_not_there_is_an_error(warehouse: Path, run: Run) -> None:
    assert warehouse.exists()
    assert run("verify", *SINK, "--partition", "nowhere")[0] == 2
    assert run("verify", *SINK, "--partition", "web")[0] == 0
