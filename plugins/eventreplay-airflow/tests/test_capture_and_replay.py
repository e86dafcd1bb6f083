"""Operators over a real log and warehouse: what they commit, return, announce, and do on a second try."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from eventreplay.log import Log
from eventreplay.receipts import Receipts
from eventreplay_airflow import CaptureOperator, ReplayOperator, VerifyOperator
from eventreplay_airflow.assets import LOG, LOG_ALIAS, RAW_EVENTS


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "log")


@pytest.fixture
def sink(tmp_path: Path) -> str:
    return f"duckdb:///{tmp_path / 'w.duckdb'}"


Capture = Callable[..., CaptureOperator]


@pytest.fixture
def capture(orders: str, log: str) -> Capture:
    def made(**given: Any) -> CaptureOperator:
        return CaptureOperator(
            **{"task_id": "capture", "source": orders, "log": log, "partition": "journal"} | given
        )

    return made


Runs = Callable[..., Any]


def replay(log: str, sink: str, **given: Any) -> ReplayOperator:
    return ReplayOperator(task_id="load", log=log, sink=sink, schemas="sportscards", **given)


def test_a_capture_returns_its_receipt_and_announces_what_it_committed(
    capture: Capture, log: str, run: Any
) -> None:
    found = capture(segment_positions=4).execute(run.context)
    assert json.loads(json.dumps(found)) == found
    assert (found["received"], found["logged"], found["commits"], found["position"]) == (10, 10, 3, 9)
    head = Log.open(log).reader("journal").head()
    assert head is not None
    assert found["digest"] == head.sha256
    extra = {"partition": "journal", "commit": 3, "position": 9, "rows": 10, "digest": head.sha256}
    assert run.announced == {"eventreplay_log": extra, f"{Path(log).as_uri()}/journal": extra}
    kept = Receipts(Log.open(log)).list()
    assert [(each.kind, each.number, each.sha256) for each in kept] == [
        ("capture", found["receipt"]["number"], found["receipt"]["sha256"])
    ]


def test_run_again_it_commits_nothing_and_wakes_nobody(capture: Capture, log: str, runs: Runs) -> None:
    capture().execute(runs().context)
    before = Log.open(log).sha256()
    again = runs()
    found = capture().execute(again.context)
    assert (found["received"], found["commits"], found["position"]) == (0, 0, 9)
    assert again.announced == {}
    assert Log.open(log).sha256() == before
    assert len(Receipts(Log.open(log)).list()) == 1


def test_a_second_try_announces_what_the_first_committed_before_it_died(capture: Capture, runs: Runs) -> None:
    capture().execute(runs().context)
    again = runs(try_number=2)
    capture().execute(again.context)
    assert again.announced["eventreplay_log"]["commit"] == 1


def test_who_wants_no_events_gets_none(capture: Capture, run: Any) -> None:
    operator = capture(announce=False)
    operator.execute(run.context)
    assert (run.announced, operator.outlets) == ({}, [])


def test_a_static_outlet_gets_its_extra_and_no_second_event(capture: Capture, run: Any) -> None:
    operator = capture(outlets=[LOG])
    assert operator.outlets == [LOG, LOG_ALIAS]
    operator.execute(run.context)
    assert run.events[LOG].extra["commit"] == 1
    assert LOG.name not in run.announced


def test_ranges_are_inclusive_and_may_come_as_text(capture: Capture, run: Any) -> None:
    found = capture(first="4", upto="7", partition="journal-000001").execute(run.context)
    assert (found["received"], found["position"]) == (4, 7)


def test_a_load_returns_counts_and_announces_the_table(
    capture: Capture, log: str, sink: str, run: Any, runs: Runs
) -> None:
    capture().execute(runs().context)
    found = replay(log, sink).execute(run.context)
    assert found["read"] == found["loaded"] + found["quarantined"] == 10
    assert run.announced[RAW_EVENTS.name]["commits"] == {"journal": 1}
    again = runs()
    assert replay(log, sink).execute(again.context)["read"] == 0
    assert again.announced == {}


def test_equal_is_said_and_unequal_fails_for_good_naming_the_event(
    capture: Capture, log: str, sink: str, run: Any
) -> None:
    import duckdb  # noqa: PLC0415 - used here alone

    capture(source_options={}).execute(run.context)
    replay(log, sink).execute(run.context)
    verify = VerifyOperator(task_id="verify", log=log, sink=sink)
    assert verify.execute(run.context)["ok"] is True
    with duckdb.connect(sink.removeprefix("duckdb:///")) as connection:
        connection.execute("DELETE FROM RAW.QUARANTINE WHERE event_id = '7'")
        connection.execute("DELETE FROM RAW.EVENTS WHERE event_id = '7'")
    with pytest.raises(AirflowFailException, match=r"1 missing: 7 \(journal, offset 7\)"):
        verify.execute(run.context)
    assert Receipts(Log.open(log)).list(kind="verify")[-1].facts["ok"] is False


def test_asked_to_end_it_ends_at_a_commit_and_the_next_try_goes_on(
    capture: Capture, log: str, runs: Runs
) -> None:
    operator = capture(segment_positions=2)
    note = operator.report

    def report(progress: Any, done: int, total: int | None) -> None:
        if done >= 4:
            operator.on_kill()
        note(progress, done, total)

    operator.report = report  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="at a commit") as caught:
        operator.execute(runs().context)
    assert not isinstance(caught.value, AirflowFailException)
    head = Log.open(log).reader("journal").head()
    assert head is not None
    assert head.checkpoint.position == 3
    assert Receipts(Log.open(log)).list()[0].facts["partitions"][0]["commits"] == 2
    found = capture(segment_positions=2).execute(runs(try_number=2).context)
    assert (found["received"], found["position"]) == (6, 9)


def test_a_second_writer_makes_it_try_again_and_says_who_won(capture: Capture, log: str, runs: Runs) -> None:
    operator = capture(segment_positions=2)
    note = operator.report

    def report(progress: Any, done: int, total: int | None) -> None:
        if done == 4:
            # Another copy of this very task takes the partition over and does all the rest.
            assert capture(segment_positions=2).execute(runs().context)["received"] == 6
        note(progress, done, total)

    operator.report = report  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match=r"FenceError.*Another copy") as caught:
        operator.execute(runs().context)
    assert not isinstance(caught.value, AirflowFailException)
    assert Log.open(log).check().ok
    assert capture().execute(runs(try_number=2).context)["received"] == 0
    assert [each.facts["partitions"][0]["received"] for each in Receipts(Log.open(log)).list()] == [6]


def test_a_source_that_became_another_fails_for_good(
    capture: Capture, orders: str, json_line: str, runs: Runs
) -> None:
    capture().execute(runs().context)
    Path(orders.removeprefix("files:")).write_text(json_line * 12, "utf-8")
    with pytest.raises(AirflowFailException, match="EpochError"):
        capture().execute(runs().context)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 0}, "workers"),
        ({"upto": "-1"}, "upto"),
        ({"first": 5, "upto": 4}, "beyond"),
        ({"run_for_s": "soon"}, "run_for_s"),
        ({"partition": "../x"}, "partition"),
        ({"source": "nowhere"}, "nowhere"),
        ({"source": ""}, "source is empty"),
    ],
)
def test_what_makes_no_sense_fails_for_good_and_writes_nothing(
    capture: Capture, log: str, run: Any, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException, match=said):
        capture(**given).execute(run.context)
    assert not Log.open(log).partitions()


def test_a_log_that_is_not_there_is_not_an_empty_one(log: str, sink: str, run: Any) -> None:
    with pytest.raises(AirflowFailException, match="no log"):
        replay(log, sink).execute(run.context)
