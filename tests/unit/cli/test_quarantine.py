"""`quarantine ls|show`: every refused record, with its bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb

Run = Callable[..., tuple[int, str, str]]


def add_conflict(warehouse: Path) -> None:
    """What STAGING does when two payloads came under one id: a view over RAW."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("CREATE SCHEMA STAGING")
        connection.execute(
            "CREATE VIEW STAGING.stg_events__conflicts AS"
            " SELECT log_partition, log_offset FROM RAW.EVENTS WHERE event_id = 'v-2'"
        )


def test_counts_by_stage_code_and_type(run: Run, warehouse: Path) -> None:
    code, out, _ = run("quarantine", "ls", "--warehouse", warehouse, "--json")
    assert code == 0
    assert json.loads(out) == {
        "total": 2,
        "reasons": [
            {"stage": "capture", "error_code": "event_id_missing", "event_type": None, "count": 1},
            {
                "stage": "decode",
                "error_code": "unsupported_content_type",
                "event_type": "web.viewed",
                "count": 1,
            },
        ],
    }


def test_conflicts_of_staging_are_counted_and_shown(run: Run, warehouse: Path) -> None:
    add_conflict(warehouse)
    code, out, _ = run("quarantine", "ls", "--warehouse", warehouse)
    assert code == 0
    assert "conflicting_payload" in out
    assert "3 quarantined." in out
    code, out, _ = run("quarantine", "show", "--warehouse", warehouse, "--stage", "staging", "--json")
    (record,) = json.loads(out)["records"]
    assert (record["event_id"], record["error_code"]) == ("v-2", "conflicting_payload")
    assert record["payload"] is None  # RAW has it decoded; the log has its bytes
    assert json.loads(record["payload_json"])["page_id"] == "q\x1b[31m"
    code, out, _ = run("quarantine", "show", "--warehouse", warehouse, "--stage", "staging")
    assert "eventreplay log cat web --offset 1 --limit 1" in out
    assert "\x1b" not in out


def test_show_has_the_original_bytes(run: Run, warehouse: Path) -> None:
    code, out, _ = run("quarantine", "show", "--warehouse", warehouse, "--code", "event_id_missing", "--json")
    (record,) = json.loads(out)["records"]
    lines = (warehouse.parent / "events.jsonl").read_bytes().splitlines()
    assert code == 0
    assert bytes.fromhex(record["payload"]) == lines[2]
    assert (record["stage"], record["source_position"]) == ("capture", 2)


def test_show_in_pages(run: Run, warehouse: Path) -> None:
    pages = [
        json.loads(
            run("quarantine", "show", "--warehouse", warehouse, "--limit", 1, "--skip", skip, "--json")[1]
        )
        for skip in range(3)
    ]
    assert [len(page["records"]) for page in pages] == [1, 1, 0]
    assert pages[0]["records"] != pages[1]["records"]


def test_show_for_people(run: Run, warehouse: Path) -> None:
    code, out, _ = run("quarantine", "show", "--warehouse", warehouse)
    assert code == 0
    assert "unsupported_content_type  web offset 2  (decode)" in out
    assert "2 records." in out


def test_an_unknown_stage_is_wrong_usage(run: Run, warehouse: Path) -> None:
    code, _, err = run("quarantine", "show", "--warehouse", warehouse, "--stage", "decoding")
    assert code == 2
    assert "capture, decode, staging" in err


def test_a_warehouse_that_is_not_there_is_not_made(run: Run, folder: Path) -> None:
    code, _, err = run("quarantine", "ls", "--warehouse", folder / "w.duckdb")
    assert code == 2
    assert "There is no warehouse" in err
    assert list(folder.iterdir()) == []
