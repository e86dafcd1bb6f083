"""A small log and warehouse, made by the command line itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from eventreplay.cli import main

RECORDS = (
    {"event_id": "v-1", "payload": {"page_id": "p", "note": "Zoë"}},
    {"event_id": "v-2", "payload": {"page_id": "q\x1b[31m", "price": 1.50}},
    {"event_id": "", "payload": {"page_id": "lost"}},
    {"event_id": "v-3", "content_type": "application/x-unknown", "payload": {"page_id": "r"}},
)
ENVELOPE = {
    "event_type": "web.viewed",
    "occurred_at": "2026-01-31T23:59:59.123456Z",
    "content_type": "application/json",
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line; gives the exit code, stdout and stderr."""

    def command(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a test: no settings file lies there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def events(folder: Path) -> Path:
    """A file of four records: two good ones, one without an id, one that no codec reads."""
    return write_events(folder / "events.jsonl", RECORDS)


@pytest.fixture
def log(events: Path, run: Run) -> Path:
    """The log that holds them, captured in commits of two positions each."""
    (events.parent / "eventreplay.toml").write_text('log_url = "log"\nsegment_positions = 2\n')
    assert run("capture", events.name, "--partition", "web")[0] == 0
    return events.parent / "log"


@pytest.fixture
def warehouse(log: Path, run: Run) -> Path:
    """The warehouse it was replayed into."""
    assert run("replay", "--sink", "duckdb:///w.duckdb")[0] == 0
    return log.parent / "w.duckdb"


def write_events(path: Path, records: tuple[Mapping[str, Any], ...]) -> Path:
    """JSON lines of `records`, with the envelope's other attributes."""
    path.write_text("".join(json.dumps({**ENVELOPE, **record}) + "\n" for record in records))
    return path
