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


SIX = """
    DELETE FROM RAW.EVENTS WHERE event_id = 'v-1';
    INSERT INTO RAW.QUARANTINE SELECT * FROM RAW.QUARANTINE WHERE stage = 'capture';
    UPDATE RAW.EVENTS SET payload = '{"page_id":"evil"}' WHERE event_id = 'v-2';
"""


def test_repair_puts_right_what_differs_says_so_and_keeps_a_receipt(raw: Any, run: Run) -> None:
    for statement in SIX.strip().split(";\n"):
        raw(statement)
    code, out, _ = run("verify", *SINK, "--deep", "--repair", "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["repair"]["stale"]) == (0, True, True)
    before = told["repair"]["before"]
    assert (before["missing_count"], before["doubled_count"], before["altered_count"]) == (1, 1, 1)
    assert [(one["removed"], one["written"]) for one in told["repair"]["replaced"]] == [(3, 3)]
    receipt = Receipts(Log.open("log")).get(told["receipt"])
    assert receipt is not None
    assert (receipt.kind, receipt.facts["ok"]) == ("repair", True)
    assert [row["event_id"] for row in receipt.facts["repair"]["before"]["missing"]] == ["v-1"]
    assert run("verify", *SINK, "--deep")[0] == 0
    raw("DELETE FROM RAW.EVENTS WHERE event_id = 'v-1'")
    code, out, _ = run("verify", *SINK, "--repair")
    assert code == 0
    assert "Before: 1 missing, 0 doubled, 0 altered, 0 unknown." in out
    assert "web: 0 rows taken out and 1 put in at 1 places, in 1 transactions." in out


def test_unknown_rows_are_removed_only_when_told(raw: Any, run: Run) -> None:
    raw("INSERT INTO RAW.EVENTS SELECT * REPLACE (99 AS log_offset) FROM RAW.EVENTS WHERE event_id = 'v-1'")
    assert run("verify", *SINK, "--repair")[0] == 1
    code, _, said = run("verify", *SINK, "--remove-unknown")
    assert (code, "--repair" in said) == (2, True)
    assert run("verify", *SINK, "--repair", "--remove-unknown")[0] == 0


@pytest.mark.parametrize("kind", ["events", "commits"])
def test_a_damaged_log_is_refused_and_nothing_changes(raw: Any, run: Run, kind: str) -> None:
    raw("DELETE FROM RAW.EVENTS WHERE event_id = 'v-1'")
    victim = min(path for path in Path("log", kind).rglob("*") if path.is_file())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(bytes(data))
    code, _, said = run("verify", *SINK, "--repair", "--deep")
    assert (code, victim.name in said) == (3, True)
    assert raw("SELECT count(*) FROM RAW.EVENTS WHERE event_id = 'v-1'") == [(0,)]


@pytest.mark.usefixtures("warehouse")
def test_a_journal_of_files_is_compared_with_the_log(run: Run) -> None:
    code, out, _ = run("verify", "--no-raw", "--journal", "events.jsonl", "--json")
    told = json.loads(out)
    assert (code, told["journal"]["ok"], "partitions" in told) == (0, True, False)
    assert sum(one["rows"] for one in told["journal"]["ranges"]) == 4
    code, out, _ = run("verify", *SINK, "--journal", "events.jsonl")
    assert code == 0
    assert "The log holds what the journal holds up to position" in out
    code, _, said = run("verify", "--no-raw")
    assert (code, "Nothing is to be compared" in said) == (2, True)


def test_two_ways_are_compared_event_by_event(folder: Path, run: Run) -> None:
    def event(number: int, day: int, page: str = "p") -> dict[str, object]:
        return {
            "event_id": f"e-{number}", "payload": {"page_id": page},
            "occurred_at": f"2026-01-{day:02}T12:00:00Z",
        }  # fmt: skip

    both = [event(10 * day + at, day) for day in range(1, 6) for at in range(3)]
    write_events(folder / "journal.jsonl", tuple(one for one in both if one["event_id"] != "e-30"))
    rest = [one for one in both if one["event_id"] != "e-31"][:-1]
    write_events(folder / "live.jsonl", (event(31, 3, "other"), *rest))
    for name in ("journal", "live"):
        assert run("capture", f"{name}.jsonl", "--log", "log", "--partition", f"{name}-0")[0] == 0
    assert run("replay", "--log", "log", *SINK, "--schemas", "sportscards")[0] == 0
    code, out, _ = run("verify", "--log", "log", *SINK, "--no-raw", "--ways", "live,journal", "--json")
    told = json.loads(out)["ways"]
    assert (code, told["ok"]) == (1, False)
    assert [one["event_id"] for one in told["only_first"]] == ["e-30"]
    assert (told["only_second"], [one["event_id"] for one in told["other_payload"]]) == ([], ["e-31"])
    # The first and the last day may be there in part: what differs on those is shown, and not judged.
    days = {one["day"]: (one["judged"], one["only_second"]) for one in told["days"]}
    assert (days["2026-01-05"], days["2026-01-03"]) == ((False, 1), (True, 0))
    code, out, _ = run("verify", "--log", "log", *SINK, "--ways", "live,journal", "--limit", "0")
    assert (code, "On 1 of 3 days the ways differ." in out) == (1, True)
    code, _, said = run("verify", "--log", "log", *SINK, "--no-raw", "--ways", "live,live-0")
    assert (code, "could be of both" in said) == (2, True)
