"""A journal cut into ranges, each a partition: every position of it is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import ConfigError
from eventreplay.log import Log
from eventreplay.testing.examples import example_events
from eventreplay_airflow import journal_ranges
from eventreplay_airflow.balance import balance_of_ranges
from tests.integration.postgres.journals import append, execute, make_table, open_source

SOURCE = "postgres:events"
WIDTH = 10
OPTIONS = CaptureOptions(segment_positions=4)


@pytest.fixture
def journal(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ids 1 to 4, 7 and 8, 31 to 33: holes inside a range, over an edge, and two ranges of nothing."""
    monkeypatch.setenv("EVENTREPLAY_POSTGRES_URL", postgres_url)
    url = make_table(postgres_url)
    events = example_events(9)
    append(url, events[:4])
    execute(url, "SELECT nextval('events_id_seq'), nextval('events_id_seq')")
    append(url, events[4:6])
    execute(url, "SELECT setval('events_id_seq', 30)")
    append(url, events[6:])
    return url


def captured(url: str, log: Log) -> list[dict[str, Any]]:
    ranges = journal_ranges(source=SOURCE, source_conn_id="", range_positions=WIDTH)
    for each in reversed(ranges):  # the order of the tasks is nobody's promise
        source = open_source(url)
        capture(source, log, each["partition"], first=each["first"], upto=each["upto"], options=OPTIONS)
        source.close()
    return ranges


def balance(log: Path, ranges: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = balance_of_ranges(source=SOURCE, source_conn_id="", log=str(log), ranges=ranges)
    return found


def test_every_position_is_an_event_or_a_proven_gap(journal: str, tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    ranges = captured(journal, log)
    assert [(each["partition"], each["first"], each["upto"]) for each in ranges] == [
        ("journal-000000", 0, 9), ("journal-000001", 10, 19),
        ("journal-000002", 20, 29), ("journal-000003", 30, 33),
    ]  # fmt: skip
    begun = [name for name in log.partitions() if log.reader(name).head() is not None]
    assert begun == ["journal-000000", "journal-000003"], "a range of gaps has no commit"
    assert balance(tmp_path / "log", ranges) == {
        "ranges": 4, "positions": 33, "events": 9, "quarantined": 0, "gaps": 24,
    }  # fmt: skip
    append(journal, example_events(3, first=9))
    assert balance(tmp_path / "log", captured(journal, log))["events"] == 12, "the last range goes on"


def test_a_range_that_does_not_balance_is_named(journal: str, tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    ranges = captured(journal, log)
    for entry in (tmp_path / "log/gaps/journal-000002").iterdir():
        content = json.loads(entry.read_text("utf-8"))
        entry.chmod(0o600)
        entry.write_text(json.dumps({**content, "first": [25]}), "utf-8")
    with pytest.raises(AirflowFailException, match=r"journal-000002: 5 of 10 positions \(0 events"):
        balance(tmp_path / "log", ranges)


def test_another_width_is_refused_where_it_would_leave_a_hole(journal: str, tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    captured(journal, log)
    wider = journal_ranges(source=SOURCE, source_conn_id="", range_positions=2 * WIDTH, first=20)
    source = open_source(journal)
    with pytest.raises(ConfigError, match="journal-000000"):
        capture(source, log, "journal-000000", first=wider[0]["first"], options=OPTIONS)
    source.close()
