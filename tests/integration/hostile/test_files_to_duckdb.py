"""Hostile strings from a file and from Python into a folder and DuckDB: exact, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from attrs import evolve

from eventreplay import Log, capture, replay
from eventreplay.cli import main
from eventreplay.codecs.json import JsonCodec
from eventreplay.errors import InvalidEventError
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import MemorySource
from eventreplay.testing.hostile import unstorable
from tests.integration.hostile.corpus import canary, cases, seen


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a canary in it."""
    monkeypatch.chdir(tmp_path)
    canary(tmp_path)
    return tmp_path


def rows(warehouse: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Table and row of every event in the warehouse, by the case that its payload names."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for table in ("EVENTS", "QUARANTINE"):
            answer = connection.execute(f"SELECT * FROM RAW.{table}")
            names = [column[0].lower() for column in answer.description]
            for values in answer.fetchall():
                row = dict(zip(names, values, strict=True))
                payload = json.loads(row["payload"])
                if "case" not in payload:
                    # Refused by the source: what is kept is the whole record, as it came.
                    row = {**row, **payload}
                    payload = payload["payload"]
                if isinstance(row["headers"], str):
                    row["headers"] = json.loads(row["headers"])
                assert payload["case"] not in found
                found[payload["case"]] = (table, row)
    return found


def assert_exact(warehouse: Path) -> None:
    found = rows(warehouse)
    every = list(cases())
    assert found.keys() == {f"{case.place}/{case.name}" for case in every}
    for case in every:
        table, row = found[f"{case.place}/{case.name}"]
        assert case.found_in(row) == case.text, case
        assert table == ("QUARANTINE" if case.is_refused else "EVENTS"), case
        if case.is_refused:
            assert row["error_code"].endswith(("_missing", "_too_long", "_too_large")), case


def replayed(folder: Path) -> Path:
    warehouse = folder / "w.duckdb"
    with DuckDBSink(str(warehouse), clock=lambda: datetime.now(UTC)) as sink:
        receipt = replay(Log.open("log"), sink, JsonCodec())
    assert receipt.read == receipt.loaded + receipt.quarantined == len(list(cases()))
    return warehouse


def test_from_memory_every_string_is_stored_exactly_or_refused(folder: Path) -> None:
    before = seen(folder)
    receipt = capture(MemorySource([case.event for case in cases()]), Log.open("log"), "hostile")
    refused = sum(case.is_refused for case in cases())
    assert (receipt.quarantined, receipt.received) == (refused, len(list(cases())))
    assert_exact(replayed(folder))
    assert Log.open("log").check().ok
    assert seen(folder) == before


def records() -> Iterator[dict[str, Any]]:
    for case in cases():
        event = case.event
        yield {
            "event_id": event.event_id,
            "event_type": event.event_type,
            "stream_id": event.stream_id,
            "source": event.source,
            "occurred_at": "2026-01-31T00:00:00Z",
            "content_type": event.content_type,
            "headers": dict(event.headers),
            "payload": json.loads(event.payload),
        }


@pytest.mark.parametrize("ascii_only", [True, False])
def test_from_a_file_by_the_command_line_too(
    folder: Path, capsys: pytest.CaptureFixture[str], *, ascii_only: bool
) -> None:
    before = seen(folder)
    lines = [json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records()]
    (folder / "events.jsonl").write_text("".join(lines), "utf-8", newline="\n")
    assert main(["capture", "events.jsonl", "--log", "log"]) == 0
    assert main(["replay", "--log", "log", "--sink", "duckdb:///w.duckdb"]) == 0
    capsys.readouterr()
    assert_exact(folder / "w.duckdb")
    # What is listed for people is spelled out: nothing steers a terminal.
    assert main(["quarantine", "show", "--warehouse", "w.duckdb", "--limit", "500"]) == 0
    assert main(["log", "cat", "journal", "--log", "log", "--limit", "2000"]) == 0
    shown = capsys.readouterr().out
    assert not {chr(code) for code in (*range(9), *range(11, 32), 0x7F, 0x9B, 0x202E, 0x2066)} & set(shown)
    assert seen(folder) == before


def test_half_a_surrogate_pair_is_refused_and_the_rest_flows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = {"event_type": "t", "occurred_at": "2026-01-31T00:00:00Z", "payload": {}}
    lines = [json.dumps({**base, "event_id": text, "n": name}) for name, text in unstorable()]
    lines.append(json.dumps({**base, "event_id": "good", "content_type": "application/json"}))
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    assert main(["capture", "events.jsonl", "--log", "log", "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["received"] == len(lines)
    # "\ud83c\udccf" in JSON is one character, as RFC 8259 has it: a pair, not two halves.
    assert receipt["quarantined"] == len(lines) - 2


@pytest.mark.parametrize("place", ["event_id", "event_type", "stream_id", "headers"])
def test_half_a_surrogate_pair_in_python_is_an_error_or_a_reject(folder: Path, place: str) -> None:
    good = next(cases()).event
    for name, text in unstorable():
        change: dict[str, Any] = {place: {"h": text} if place == "headers" else text}
        bad = evolve(good, **change)
        try:
            receipt = capture(MemorySource([bad]), Log.open(folder / "log" / name / place), "p")
        except InvalidEventError:
            continue
        assert (receipt.logged, receipt.quarantined) == (0, 1)
