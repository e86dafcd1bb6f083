"""`live`: which partitions, what it says, its status file, its receipt, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventreplay import receipts, registry
from eventreplay.cli.jobs.live_watch import STUCK_S, Watch, is_stuck, summary
from eventreplay.cli.notifying import Notifier
from eventreplay.errors import SinkUnavailableError
from eventreplay.live import LiveStatus
from eventreplay.loader import Lag, Loaded
from eventreplay.log import Log
from eventreplay.supervision import Failure, PartStatus
from eventreplay.testing import ManualSeconds
from tests.live_run import until
from tests.unit.cli.ends import EVENTS, World, journal_of, queue_of

Run = Callable[..., tuple[int, str, str]]

LIVE = ("live", "queue:orders", "--log", "log", "--age", "10ms", "--load-every", "10ms", "--poll", "50ms")


@pytest.fixture
def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A journal and a queue that are registered beside the sinks and schemas that are installed."""
    assert folder.is_dir()
    world = World()
    made = {"journal": journal_of(world), "queue": queue_of(world)}
    load, installed = registry.load, registry.plugins(probe=False)
    found = [
        registry.Plugin(kind="source", name=name, target="x:y", distribution="d", version="1")
        for name in made
    ]
    monkeypatch.setattr(registry, "plugins", lambda **_: [*found, *installed])
    monkeypatch.setattr(registry, "load", lambda kind, name: made.get(name) or load(kind, name))
    yield world
    assert world.opened == world.closed


def end_once_loaded(path: Path, rows: int) -> None:
    until(lambda: path.exists() and json.loads(path.read_text())["loaded"]["read"] >= rows)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_queue_and_a_journal_are_loaded_and_the_receipt_balances(run: Run, world: World) -> None:
    world.broker.publish(EVENTS)
    threading.Thread(target=end_once_loaded, args=(Path("s.json").absolute(), 80), daemon=True).start()
    code, out, _ = run(*LIVE, "--journal", "journal:orders", "--status-file", "s.json", "--json")
    receipt = json.loads(out)
    assert code == 0
    assert (receipt["received"], receipt["behind_rows"], receipt["late"]) == (80, 0, [])
    assert {each["partition"]: each["received"] for each in receipt["captures"]} == {
        "live-0": 40,
        "journal": 40,
    }
    assert receipt["loaded"]["read"] == receipt["loaded"]["loaded"] + receipt["loaded"]["quarantined"] == 80
    assert world.broker.unsettled == 0
    status = json.loads(Path("s.json").read_text())
    assert (status["state"], status["error"], status["lag"]["rows"]) == ("ended", None, 0)
    assert [part["name"] for part in status["parts"]] == ["capture live-0", "capture journal", "load"]
    (kept,) = receipts.Receipts(Log.open("log")).list(kind="live")
    assert kept.facts["received"] == 80


def test_it_ends_by_itself_after_a_time_and_says_what_it_did(run: Run, world: World) -> None:
    code, out, _ = run(*LIVE, "--for", "300ms", "--consumers", "2", "--partition", "orders")
    assert code == 0
    assert "0 commits of orders-0" in out
    assert "0 commits of orders-1" in out
    assert world.opened == 2
    assert not receipts.Receipts(Log.open("log")).list()


def test_a_source_that_is_read_may_be_all_there_is(run: Run, world: World) -> None:
    threading.Thread(target=end_once_loaded, args=(Path("s.json").absolute(), 40), daemon=True).start()
    code, out, _ = run("live", "journal", "--log", "log", "--status-file", "s.json", "--json")
    assert code == 0
    assert json.loads(out)["captures"][0]["partition"] == "journal"
    assert json.loads(out)["loaded"]["read"] == 40
    assert world.opened


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("live", "journal", "--consumers", "2"), "has no --consumers"),
        (("live", "queue", "--journal", "queue:other"), "is a queue"),
        (("live", "queue", "--journal", "journal", "--journal-partition", "live-0"), "--journal-partition"),
        (("live", "queue", "--age", "10"), "write a number and its unit"),
        (("live", "queue", "--sink", "nowhere:///x"), "nowhere"),
        (("live", "nothing"), "neither a path nor the name"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_starts(
    run: Run, world: World, wrong: tuple[str, ...], said: str
) -> None:
    code, _, err = run(*wrong)
    assert code == 2
    assert said in " ".join(err.split())
    assert world.broker.deliveries == 0
    assert not Path("log").exists()


def test_a_final_error_is_told_and_stands_in_the_status_file(run: Run, world: World) -> None:
    Path("w.duckdb").write_text("not a database at all")
    world.broker.publish(EVENTS)
    code, out, err = run(*LIVE, "--sink", "duckdb:///w.duckdb", "--status-file", "s.json", "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "SinkError"
    assert "is not a DuckDB database" in err
    status = json.loads(Path("s.json").read_text())
    assert (status["state"], status["error"]["kind"]) == ("failed", "SinkError")


def part(state: Any = "running", *, beat_age_s: float = 0.0, failures: int = 0) -> PartStatus:
    failure = Failure(
        kind="SinkUnavailableError",
        message="away, password=hunter2 they said",
        hint="",
        retryable=True,
        age_s=1.0,
    )
    return PartStatus(
        name="load",
        state=state,
        beat_age_s=beat_age_s,
        rows=0,
        commits=0,
        commit_age_s=None,
        failures=failures,
        failure=failure if failures else None,
    )


def status(*parts: PartStatus, rows: int = 0, ending: bool = False) -> LiveStatus:
    lag = Lag(partitions={"live-0": rows}, commits=0, seconds=7.0 if rows else 0.0)
    return LiveStatus(parts=list(parts), lag=lag, loaded=Loaded(read=1234), ending=ending)


def watch(path: Path | None, clock: ManualSeconds) -> Watch:
    return Watch({"log": "log"}, path, Notifier("", None, clock), lambda *_: None, clock)


def test_what_is_wrong_stands_in_one_line() -> None:
    assert summary(status(part())) == "1,234 events loaded"
    said = summary(status(part("waiting", failures=1), rows=5000))
    assert said == "1,234 events loaded; 5,000 waiting for 7 s; down: load"


@pytest.mark.parametrize(
    ("one", "stuck"),
    [
        (part(beat_age_s=STUCK_S + 1), True),
        (part(beat_age_s=STUCK_S - 1), False),
        (part("waiting", beat_age_s=STUCK_S + 1), False),
        (part("ended", beat_age_s=STUCK_S + 1), False),
    ],
)
def test_a_part_that_works_and_gives_no_sign_of_life_is_stuck(one: PartStatus, *, stuck: bool) -> None:
    assert is_stuck(status(part(), one)) is stuck


def test_each_failure_is_said_once_and_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualSeconds()
    told = watch(tmp_path / "s.json", clock)
    for failures in (0, 1, 1, 1, 2):
        told(status(part("waiting", failures=failures)))
        clock.advance(1)
    told.ended(SinkUnavailableError("token=hunter2", hint="Wait."))
    assert capsys.readouterr().err.count("load failed, trying again") == 2
    written = (tmp_path / "s.json").read_text()
    assert "hunter2" not in written
    assert json.loads(written)["state"] == "failed"


def test_a_status_file_that_cannot_be_written_ends_nothing_and_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualSeconds()
    told = watch(tmp_path / "missing" / "s.json", clock)
    for _ in range(3):
        told(status(part()))
        clock.advance(1)
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_readers_of_the_status_file_never_see_half_of_it(tmp_path: Path) -> None:
    clock = ManualSeconds()
    told = watch(tmp_path / "s.json", clock)
    told(status(part()))
    first = (tmp_path / "s.json").stat().st_ino
    clock.advance(0.5)
    told(status(part()))
    assert (tmp_path / "s.json").stat().st_ino == first
    clock.advance(0.5)
    told(status(part()))
    assert (tmp_path / "s.json").stat().st_ino != first
    assert [each.name for each in tmp_path.iterdir()] == ["s.json"]
