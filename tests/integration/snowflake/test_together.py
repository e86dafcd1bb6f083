"""Two loads at once, the same load again, another partition meanwhile: one wins, nothing is doubled."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventreplay.errors import CheckpointConflictError, SinkUnavailableError
from eventreplay.log import Log
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_rows
from eventreplay.testing.sink_suite import checkpoint_at
from tests.integration.snowflake.loading import due, held, load, position, small_log, staged
from tests.integration.snowflake.server import StandIn


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return small_log(tmp_path_factory.mktemp("together") / "log")


def test_the_same_load_again_loads_nothing(standin: StandIn, settings: SnowflakeSettings, log: Log) -> None:
    assert load(log, settings).commits == 3
    assert load(log, settings).read == 0
    assert held(standin, settings.database) == due(log)
    assert staged(standin, settings.database) == []


@pytest.mark.parametrize("waits_at", ["^COMMIT", "^COPY INTO .*EVENTS"])
def test_two_first_comers_cannot_both_win(
    standin: StandIn, settings: SnowflakeSettings, waits_at: str
) -> None:
    """Both expect no checkpoint, both copy at the same time; INSERTs alone would let both in."""
    standin.control("POST", kind="delay", match=waits_at, times=2, seconds=0.5)
    ready = threading.Barrier(2)

    def first_load(at: int) -> str:
        with SnowflakeSink(settings, clock=TickingClock()) as sink:
            assert sink.begin("live") is None
            sink.write(example_rows(range(at * 10, at * 10 + 3)))
            ready.wait(timeout=60)
            try:
                sink.commit(checkpoint_at(at), expected=None)
            except CheckpointConflictError:
                return "lost"
            return "won"

    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(first_load, range(2)))
    assert sorted(ended) == ["lost", "won"]
    assert standin.struck() >= 1
    events, _ = held(standin, settings.database)
    winner = ended.index("won")
    assert [row["log_offset"] for row in events] == [winner * 10, winner * 10 + 1, winner * 10 + 2]
    assert position(standin, settings.database) == [("live", winner)]


def test_two_replays_at_once_load_the_log_once(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    def run(_: int) -> int:
        """Start again whenever the other was faster, as whoever operates it would."""
        for lost in range(10):
            try:
                load(log, settings)
            except CheckpointConflictError:
                continue
            return lost
        raise AssertionError("lost ten times")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, range(2)))
    assert held(standin, settings.database) == due(log)
    assert position(standin, settings.database) == [("live/journal", 3)]
    assert staged(standin, settings.database) == []


def test_a_lock_that_is_held_too_long_is_a_retryable_error_that_says_so(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    impatient = standin.settings(settings.database, lock_timeout_s=1)
    with SnowflakeSink(settings, clock=TickingClock()) as holder:
        session = holder._connected()
        session.begin()
        from eventreplay.sinks.snowflake import checkpoints  # noqa: PLC0415 - what is under test, from inside

        checkpoints.lock(session, holder._raw, "a test", 0)
        with pytest.raises(SinkUnavailableError, match="another transaction holds the table") as caught:
            load(log, impatient)
        assert "SHOW LOCKS" in caught.value.hint
        session.rollback()
    load(log, impatient)
    assert held(standin, settings.database) == due(log)


def test_leftovers_of_the_dead_go_when_they_are_old_and_those_of_the_living_never(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    small = standin.settings(settings.database, file_bytes_max=1)
    living = SnowflakeSink(small, clock=TickingClock())
    living.begin("live")
    living.write(example_rows(range(3)))
    living._pending.spools["EVENTS"].finish()  # type: ignore[union-attr]
    assert len(staged(standin, settings.database)) == 1
    other = SnowflakeSink(small, clock=TickingClock())
    other.begin("live")
    other.begin("another replay")
    assert len(staged(standin, settings.database)) == 1
    aged = standin.settings(settings.database, leftover_age_s=1)
    later = SnowflakeSink(aged, clock=TickingClock())
    for _ in range(5000):
        later._clock()
    later.begin("another replay")
    assert len(staged(standin, settings.database)) == 1
    later.begin("live")
    assert staged(standin, settings.database) == []
    for sink in (living, other, later):
        sink.close()
