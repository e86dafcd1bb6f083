"""`capture` of journals and queues: ranges, services, retries that are counted, ends in good order."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from eventreplay import registry
from eventreplay.cli.stopping import Stop
from eventreplay.log import Log
from tests.unit.cli.ends import EVENTS, World, journal_of, queue_of

Run = Callable[..., tuple[int, str, str]]

CAPTURE = ("capture", "journal", "--log", "log", "--json")
QUEUE = ("capture", "queue:orders", "--log", "log", "--json", "--until-idle", "1ms")


@pytest.fixture
def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A journal and a queue that are registered; waits between retries take no time."""
    (folder / "eventreplay.toml").write_text("segment_positions = 8\n")
    world = World()
    made = {"journal": journal_of(world), "queue": queue_of(world)}
    found = [
        registry.Plugin(kind="source", name=name, target="x:y", distribution="d", version="1")
        for name in made
    ]
    monkeypatch.setattr(registry, "plugins", lambda **_: found)
    monkeypatch.setattr(registry, "load", lambda _kind, name: made[name])
    monkeypatch.setattr(Stop, "wait", lambda _self, _timeout_s: None)
    return world


def ids(partition: str) -> list[str]:
    log = Log.open("log")
    reader = log.reader(partition)
    found: list[str] = []
    for ref in reader.segments():
        found += log.read(ref).column("event_id").to_pylist()
    return found


EVERY_ID = [event.event_id for event in EVENTS]


def test_a_place_and_variables_reach_the_source(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_PASSWORD", "hunter2")
    code, out, err = run("capture", "journal:orders", "--log", "log")
    assert code == 0
    assert world.settings[-1].table == "orders"
    assert world.settings[-1].password is not None
    assert "hunter2" not in out + err


def test_what_failed_attempts_committed_is_in_the_receipt(run: Run, world: World) -> None:
    world.fail_after = [20, 9]
    code, out, err = run(*CAPTURE)
    receipt = json.loads(out)
    assert code == 0
    assert (receipt["received"], receipt["logged"], receipt["quarantined"]) == (40, 40, 0)
    assert (receipt["commits"], receipt["position"]) == (5, 39)
    assert (receipt["attempts"], receipt["failed"]) == (3, 2)
    assert receipt["digest"] == Log.open("log").reader("journal").head().sha256  # type: ignore[union-attr]
    assert err.count("trying again from the last checkpoint") == 2
    assert ids("journal") == EVERY_ID
    assert world.opened == world.closed == 3


def test_a_run_gives_up_at_last(run: Run, world: World) -> None:
    world.fail_after = [4] * 50
    code, out, _ = run(*CAPTURE)
    assert code == 1
    assert json.loads(out)["error"]["retryable"] is True
    assert world.opened == world.closed == 5


def test_following_takes_what_comes_and_ends_with_the_receipt(run: Run, world: World) -> None:
    world.items = list(EVENTS[:10])
    world.arrivals = [list(EVENTS[10:12]), [], list(EVENTS[12:40])]
    world.fail_after = [8, 8, 8, 8, 8, 8, 8]
    world.signal_at_end = signal.SIGTERM
    code, out, err = run(*CAPTURE, "--follow")
    receipt = json.loads(out)
    assert code == 0
    assert receipt["received"] == 40
    assert receipt["failed"] == 7
    assert ids("journal") == EVERY_ID
    assert world.waits >= 4
    assert err.count("trying again") == 7
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_behind_a_commit_and_the_next_goes_on(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    original = Stop.check

    def check(self: Stop) -> None:
        signal.raise_signal(number)
        original(self)

    monkeypatch.setattr(Stop, "check", check)
    ended, out, err = run(*CAPTURE)
    receipt = json.loads(out)
    assert ended == code
    assert (receipt["commits"], receipt["received"]) == (1, 8)
    assert "error" not in err
    monkeypatch.setattr(Stop, "check", original)
    assert json.loads(run(*CAPTURE)[1])["received"] == 32
    assert world.opened == world.closed
    assert ids("journal") == EVERY_ID


def test_a_span_of_time_ends_a_run_behind_a_commit(run: Run, world: World) -> None:
    code, out, _ = run(*CAPTURE, "--for", "1ms")
    assert code == 0
    assert json.loads(out)["received"] < len(world.items)
    assert run(*CAPTURE)[0] == 0
    assert ids("journal") == EVERY_ID


def test_a_range_is_captured_and_gone_on_with(run: Run, world: World) -> None:
    code, out, _ = run(*CAPTURE, "--from", 12, "--upto", 20)
    receipt = json.loads(out)
    assert code == 0
    assert (receipt["received"], receipt["position"]) == (9, 20)
    assert json.loads(run(*CAPTURE, "--from", 12, "--upto", 20)[1])["received"] == 0
    assert json.loads(run(*CAPTURE, "--from", 12)[1])["received"] == 19
    assert ids("journal") == EVERY_ID[12:]
    assert world.opened == world.closed


def test_a_beginning_that_would_leave_a_hole_is_refused(run: Run, world: World) -> None:
    assert run(*CAPTURE, "--upto", 7)[0] == 0
    code, _, err = run(*CAPTURE, "--from", 9)
    assert code == 2
    assert "would leave a hole" in err
    assert ids("journal") == EVERY_ID[:8]
    assert run(*CAPTURE, "--from", 8)[0] == 0
    assert ids("journal") == EVERY_ID
    assert world.opened == world.closed


def test_who_holds_the_journal_is_told(run: Run, world: World) -> None:
    world.held_by = ["pid 7 since 10:00", "prepared transaction x"]
    _, _, err = run(*CAPTURE)
    assert "the journal is held: pid 7 since 10:00; prepared transaction x" in err


@pytest.mark.parametrize(
    "wrong",
    [
        ("queue", "--upto", 3),
        ("queue", "--from", 3),
        ("journal", "--consumers", 2),
        ("journal", "--age", "1s"),
        ("journal", "--rows", 2),
        ("journal", "--until-idle", "1s"),
        ("journal", "--follow", "--upto", 3),
        ("queue", "--follow", "--until-idle", "1s"),
        ("journal", "--for", "10"),
        ("journal", "--for", "0s"),
        ("queue", "--for", "ten minutes"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, world: World, wrong: tuple[object, ...]
) -> None:
    code, _, err = run("capture", *wrong, "--log", "log")
    assert code == 2
    assert "hint" in err
    assert not Path("log").exists()
    assert world.opened == world.closed


def test_a_queue_goes_to_a_partition_of_its_own(run: Run, world: World) -> None:
    world.broker.publish(EVENTS)
    code, out, _ = run(*QUEUE)
    receipt = json.loads(out)
    assert code == 0
    assert (receipt["partition"], receipt["received"], receipt["source"]) == ("live-0", 40, "queue:orders")
    assert world.broker.unsettled == 0
    assert run(*QUEUE, "--partition", "orders")[0] == 0
    assert Log.open("log").partitions() == ["live-0", "orders"]


def test_what_a_broken_consumer_committed_counts(run: Run, world: World) -> None:
    world.broker.publish(EVENTS)
    world.queue_faults = 2
    code, out, err = run(*QUEUE, "--rows", 5)
    receipt = json.loads(out)
    assert code == 0
    assert receipt["received"] == 40
    assert receipt["failed"] == 2
    assert err.count("trying again") == 2
    assert sorted(ids("live-0")) == sorted(EVERY_ID)
    assert world.opened == world.closed


def test_consumers_share_a_queue(run: Run, world: World) -> None:
    world.broker.publish(EVENTS)
    code, out, _ = run(*QUEUE, "--consumers", 3, "--rows", 5)
    receipt = json.loads(out)
    assert code == 0
    assert [part["partition"] for part in receipt["partitions"]] == ["live-0", "live-1", "live-2"]
    assert receipt["received"] == sum(part["received"] for part in receipt["partitions"]) == 40
    assert sorted(ids("live-0") + ids("live-1") + ids("live-2")) == sorted(EVERY_ID)
    assert world.opened == world.closed == 3


def test_an_error_of_one_consumer_ends_all(run: Run, world: World) -> None:
    assert run(*CAPTURE, "--partition", "live-1")[0] == 0
    code, out, _ = run("capture", "queue", "--log", "log", "--follow", "--consumers", 3, "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "EpochError"
    assert world.opened == world.closed


@pytest.mark.parametrize("consumers", [1, 2])
def test_a_service_settles_what_it_holds_before_it_ends(run: Run, world: World, consumers: int) -> None:
    world.broker.publish(EVENTS)
    original = signalled_when_all_is_out(world)
    code, out, _ = run(
        "capture", "queue", "--log", "log", "--follow", "--age", "1h", "--json", "--consumers", consumers
    )
    assert original() == 40
    assert code == 0
    assert json.loads(out)["received"] == 40
    assert world.broker.unsettled == 0


def signalled_when_all_is_out(world: World) -> Callable[[], int]:
    """Sends SIGTERM as soon as everything has been handed out, and nothing is committed yet."""
    take = world.broker.take
    handed = 0

    def counted(connection: int, rows_max: int) -> list[tuple[int, object]]:
        nonlocal handed
        taken = take(connection, rows_max)
        handed += len(taken)
        if handed == len(EVENTS):
            signal.raise_signal(signal.SIGTERM)
        return taken  # type: ignore[return-value]

    world.broker.take = counted  # type: ignore[method-assign,assignment]
    return lambda: handed
