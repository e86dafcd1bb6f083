"""A redrive through the real connector: killed at any statement, answers lost, two at once, beside a load."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.quarantine import Selection
from eventreplay.errors import EventReplayError, SinkError
from eventreplay.log import Log
from eventreplay.redrive import dismiss, explain, redrive
from eventreplay.replay import replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import MemorySink, MemoryWarehouse
from eventreplay.testing.services import StandInServer
from eventreplay.verify import verify
from tests.hex_codec import FixedCodec
from tests.integration.redrive.killing import Killer
from tests.integration.redrive.material import NEW, OLD, TRIES_MAX, grow, now, small_log, until_it_ends
from tests.integration.snowflake.loading import comparable, empty
from tests.integration.snowflake.server import StandIn, table

RECORDS = 96
MORE = 160
OPENING, COMMIT = 15, 14
"""Statements before the first transaction is staged, and of a transaction up to its COMMIT."""


@pytest.fixture(autouse=True)
def _no_clouds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The connector would ask the metadata services of three clouds; a sink that dies leaves its spool."""
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def standin(snowflake_standin: StandInServer) -> Iterator[StandIn]:
    made = StandIn(snowflake_standin)
    yield made
    made.control("DELETE")


@pytest.fixture
def settings(standin: StandIn) -> Iterator[SnowflakeSettings]:
    name = standin.server.database()
    made = standin.settings(name)
    SnowflakeSink.init(made)
    yield made
    standin.control("DELETE")
    standin.server.drop(name)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path / "log", RECORDS)


def load(log: Log, settings: SnowflakeSettings) -> int:
    with SnowflakeSink(settings, clock=now) as sink:
        return replay(log, sink, OLD).read


def held(standin: StandIn, settings: SnowflakeSettings) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """EVENTS in full, and which records are in QUARANTINE."""
    refused = table(standin, settings.database, "QUARANTINE", QUARANTINE_SCHEMA.names)
    return comparable(table(standin, settings.database, "EVENTS", RAW_SCHEMA.names)), [
        (row["stage"], row["log_offset"]) for row in refused
    ]


def due(log: Log) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """What a load by the new codec makes."""
    warehouse = MemoryWarehouse()
    replay(log, MemorySink(warehouse), NEW)
    refused = sorted(warehouse.quarantine, key=lambda row: (row["log_offset"], row["stage"]))
    return comparable(warehouse.events), [(row["stage"], row["log_offset"]) for row in refused]


def test_what_passes_moves_once_and_adopting_lets_loads_go_on(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    load(log, settings)
    with SnowflakeSink(settings, clock=now) as sink:
        told = explain(log, sink, NEW)
        receipt = redrive(log, sink, NEW)
        assert receipt.moved == told.count("passes") > 0
        assert (receipt.transactions, receipt.mixed) == (1, ["journal"])
        assert held(standin, settings) == due(log)
        assert verify(log, sink).ok
        adopted = redrive(log, sink, NEW, adopt=True)
        assert (adopted.adopted, adopted.moved, adopted.restated) == (["journal"], 0, receipt.failing)
        assert verify(log, sink, codec=NEW).ok
        grow(log, MORE)
        assert replay(log, sink, NEW).read > 0
        with pytest.raises(EventReplayError, match="not what today's codec gives"):
            redrive(log, sink, FixedCodec("hex-9", suffix=',"more":"1"'), adopt=True)
    assert held(standin, settings) == due(log)
    assert standin.run(f"LIST @{settings.database}.RAW.EVENTREPLAY_STAGE") == []


@pytest.mark.parametrize(
    "lost",
    [
        "^COMMIT",
        pytest.param("^INSERT INTO .*EVENTS", marks=pytest.mark.long),
        pytest.param("^DELETE FROM .*QUARANTINE", marks=pytest.mark.long),
    ],
)
def test_an_answer_that_is_lost_loses_nothing_and_doubles_nothing(
    standin: StandIn, settings: SnowflakeSettings, log: Log, lost: str
) -> None:
    load(log, settings)
    with SnowflakeSink(settings, clock=now) as sink:
        told = explain(log, sink, NEW).count("passes")
        standin.control("POST", kind="cut", match=lost, times=1, for_good=True)
        receipt = until_it_ends(sink, log)
    assert standin.struck() >= 1
    assert receipt.moved == told
    assert held(standin, settings) == due(log)


def test_two_at_once_and_a_load_meanwhile_move_each_record_once(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    load(log, settings)
    standin.control("POST", kind="delay", match="^DELETE FROM .*QUARANTINE", times=4, seconds=0.3)

    def redriven(_: int) -> int:
        with SnowflakeSink(settings, clock=now) as sink:
            return until_it_ends(sink, log, batch_rows_max=6, transaction_rows_max=3).moved

    def loads() -> int:
        for _ in range(TRIES_MAX):
            try:
                grow(log, MORE)
                return load(log, settings)
            except EventReplayError as error:
                if not error.retryable:
                    raise
        raise AssertionError

    with ThreadPoolExecutor(3) as threads:
        loading = threads.submit(loads)
        moved = sum(threads.map(redriven, range(2)))
        assert loading.result() > 0
    assert standin.struck() >= 2
    with SnowflakeSink(settings, clock=now) as sink:
        assert verify(log, sink).ok
        moved += redrive(log, sink, NEW).moved
        assert redrive(log, sink, NEW).moved == 0
    assert held(standin, settings) == due(log)
    by_old = MemoryWarehouse()
    replay(log, MemorySink(by_old), OLD)
    assert moved == len(due(log)[0]) - len(by_old.events)


@pytest.mark.long
def test_marks_stay_out_whatever_their_reason_says(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    load(log, settings)
    reason = 'Zoë\'s "test"; DROP TABLE x -- 🃏'
    with SnowflakeSink(settings, clock=now) as sink:
        waiting = explain(log, sink, NEW).count("passes")
        (marked,) = dismiss(sink, Selection(stages=("decode",), last_offset=20), reason)
        found = explain(log, sink, NEW)
        assert found.count("dismissed") == marked.rows
        assert redrive(log, sink, NEW).moved == found.count("passes") < waiting
    rows = standin.run(f'SELECT DISTINCT "REASON" FROM "{settings.database}"."RAW"."DISMISSED"')
    assert rows == [(reason,)]


def sweep(root: Path, folder: Path, calls: range, when: str) -> list[int]:
    """Kill at each of the calls, and say how many records the dead had left.

    On a server of its own, since the dead leave transactions open.
    """
    done = []
    log = small_log(folder / "log", RECORDS)
    expected = due(log)
    with StandInServer.start() as server:
        standin = StandIn(server)
        settings = standin.settings(server.database())
        SnowflakeSink.init(settings)
        given = {**server.connect_args(), "database": settings.database, "network_timeout_s": 20}
        killer = Killer(root, folder / "log", given)
        try:
            for k in calls:
                load(log, settings)
                assert killer.kill_at(k, when) == signal.SIGKILL, f"nobody died at statement {k}"
                # What the dead left open holds the lock until Snowflake ends it; a restart ends it now.
                server.restart()
                with SnowflakeSink(settings, clock=now) as sink:
                    assert verify(log, sink).ok, f"after a kill {when} statement {k}"
                    done.append(explain(log, sink, OLD).count())
                    redrive(log, sink, NEW)
                assert held(standin, settings) == expected, f"after a kill {when} statement {k}"
                empty(standin, settings.database)
            load(log, settings)
            assert killer.kill_at(1000, when) == 0
        finally:
            killer.close()
    return done


@pytest.mark.long
def test_kill_9_around_the_commit(root: Path, tmp_path: Path) -> None:
    before, after = sweep(root, tmp_path, range(OPENING + COMMIT - 1, OPENING + COMMIT + 1), "after")
    assert before > after, "the second death was to be behind the COMMIT"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_at_every_statement(root: Path, tmp_path: Path, when: str) -> None:
    sweep(root, tmp_path, range(1, OPENING + COMMIT + 3), when)


@pytest.mark.long
def test_a_lock_that_is_held_too_long_is_a_retryable_error(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    load(log, settings)
    impatient = standin.settings(settings.database, lock_timeout_s=1)
    with SnowflakeSink(settings, clock=now) as holder, SnowflakeSink(impatient, clock=now) as sink:
        session = holder._connected()
        session.begin()
        holder._locked(session, 0)
        with pytest.raises(SinkError, match="another transaction holds the table") as caught:
            redrive(log, sink, NEW)
        assert caught.value.retryable
        session.rollback()
        assert redrive(log, sink, NEW).moved > 0
