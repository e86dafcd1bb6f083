"""Hostile strings on the command line: partitions, replays, values of -o; exact or refused."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from eventreplay.cli import main
from eventreplay.config import plugin_settings
from eventreplay.errors import ConfigError
from eventreplay.log.layout import valid_partition
from eventreplay.sources.rabbitmq import RabbitSettings
from eventreplay.testing.hostile import HOSTILE
from tests.integration.hostile.corpus import canary, seen

ONE_OF = 8
"""Of so many strings one goes through a whole command; a command takes a tenth of a second."""

SOME = [
    name
    for at, (name, text) in enumerate(HOSTILE.items())
    if at % ONE_OF == 0 or name.startswith(("option", "nul", "shell")) or valid_partition(text)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a canary in it and a file to capture."""
    monkeypatch.chdir(tmp_path)
    record = {"event_id": "1", "event_type": "t", "occurred_at": "2026-01-31T00:00:00Z", "payload": {}}
    (tmp_path / "events.jsonl").write_text(json.dumps(record) + "\n")
    canary(tmp_path)
    return tmp_path


def test_every_value_of_an_option_is_taken_letter_by_letter_or_refused() -> None:
    for name, text in HOSTILE.items():
        try:
            found = plugin_settings("rabbitmq", RabbitSettings, None, {}, [f"queue={text}"])
        except ConfigError as error:
            assert error.hint, name  # noqa: PT017 - either way out is right
            size = len(text.encode("utf-8", "surrogatepass"))
            assert not 0 < size <= 255 or set(text) & {"\r", "\n"} or name.startswith("surrogate"), name
            continue
        assert isinstance(found, RabbitSettings)
        assert found.queue == text, name


def test_partitions_are_named_exactly_or_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = seen(folder)
    kept = set()
    for name in SOME:
        text = HOSTILE[name]
        code = main(["capture", "events.jsonl", "--log", "log", f"--partition={text}"])
        said = capsys.readouterr()
        if valid_partition(text):
            assert code == 0, name
            kept.add(text)
        else:
            assert code == 2, name
            assert "hint" in said.err, name
        assert "\x1b" not in said.out + said.err
    assert kept
    assert {path.name for path in (folder / "log" / "commits").iterdir()} == kept
    assert seen(folder) == before


def test_replays_are_named_exactly_or_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = seen(folder)
    assert main(["capture", "events.jsonl", "--log", "log"]) == 0
    kept = set()
    for name in SOME:
        text = HOSTILE[name]
        capsys.readouterr()
        code = main(["replay", "--log", "log", "--sink", "duckdb:///w.duckdb", f"--replay-id={text}"])
        said = capsys.readouterr()
        if code == 0:
            kept.add(text)
        else:
            assert "hint" in said.err, name
            assert "unexpected" not in said.err, (name, said.err)
        assert "\x1b" not in said.out + said.err
    with duckdb.connect("w.duckdb", read_only=True) as warehouse:
        rows = warehouse.execute("SELECT replay_id FROM RAW.CHECKPOINTS").fetchall()
    assert {row[0].rpartition("/")[0] for row in rows} == kept
    assert kept
    assert seen(folder) == before
