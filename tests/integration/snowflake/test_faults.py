"""Answers are lost at every statement of a load, COMMIT included: after another run RAW equals the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.errors import SinkUnavailableError
from eventreplay.log import Log
from eventreplay.sinks.snowflake import SnowflakeSettings
from tests.integration.snowflake.loading import due, empty, held, load, position, small_log, staged
from tests.integration.snowflake.server import StandIn
from tests.tiers import tiered

INSIDE = {
    "begin": "^BEGIN",
    "copy events": "^COPY INTO .*EVENTS",
    "copy quarantine": "^COPY INTO .*QUARANTINE",
    "lock": "^UPDATE .*CHECKPOINT_LOCK",
    "checkpoint": "^(INSERT INTO|UPDATE) .*CHECKPOINTS",
    "commit": "^COMMIT",
}
"""Statements of a transaction, which are never sent twice."""
OUTSIDE = {
    "context": "^SELECT CURRENT_ROLE",
    "layout": "^DESCRIBE",
    "leftovers": "^LIST",
    "stored": '^SELECT C."SOURCE"',
    "upload": "^PUT .*events",
    "cleaning up": "^REMOVE",
}
"""The others, which the driver sends again under the same request id."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return small_log(tmp_path_factory.mktemp("faults") / "log")


@pytest.mark.parametrize("name", tiered(INSIDE, short=lambda _, name: name in ("checkpoint", "commit")))
def test_a_lost_answer_inside_a_transaction_loses_nothing_and_doubles_nothing(
    standin: StandIn, settings: SnowflakeSettings, log: Log, name: str
) -> None:
    for kind, skip in (("cut", 1), ("cut_before", 0), ("status", 2)):
        standin.control("POST", kind=kind, match=INSIDE[name], skip=skip, times=1, for_good=True)
        happened = name == "commit" and kind == "cut"
        if happened:
            load(log, settings)
        else:
            with pytest.raises(SinkUnavailableError):
                load(log, settings)
        assert standin.struck() >= 1
        done = held(standin, settings.database)
        complete = 3 if happened else skip
        expected = due(log)
        assert sum(map(len, done)) == sum(map(len, expected)) * complete // 3
        assert position(standin, settings.database) == ([("live/journal", complete)] if complete else [])
        standin.control("DELETE")
        load(log, settings)
        assert held(standin, settings.database) == expected
        assert position(standin, settings.database) == [("live/journal", 3)]
        empty(standin, settings.database)


@pytest.mark.parametrize("name", tiered(OUTSIDE, short=lambda _, name: name in ("stored", "upload")))
def test_a_lost_answer_outside_a_transaction_is_asked_for_again(
    standin: StandIn, settings: SnowflakeSettings, log: Log, name: str
) -> None:
    standin.control("POST", kind="cut", match=OUTSIDE[name], times=1)
    load(log, settings)
    assert standin.struck() == 1
    assert held(standin, settings.database) == due(log)
    assert staged(standin, settings.database) == []


def test_a_commit_whose_outcome_cannot_be_found_out_says_so_and_the_next_run_knows(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    standin.control("POST", kind="cut", match="^COMMIT", times=1, for_good=True)
    standin.control("POST", kind="cut", match="^UPDATE .*CHECKPOINT_LOCK", skip=1, times=1, for_good=True)
    with pytest.raises(SinkUnavailableError):
        load(log, settings)
    assert standin.struck() == 2
    assert position(standin, settings.database) == [("live/journal", 1)]  # it had happened
    load(log, settings)
    assert held(standin, settings.database) == due(log)


@pytest.mark.long
def test_a_server_that_dies_within_a_transaction_has_kept_nothing_of_it(tmp_path: Path) -> None:
    from eventreplay.sinks.snowflake import SnowflakeSink  # noqa: PLC0415 - beside the server it is for
    from eventreplay.testing.services import StandInServer  # noqa: PLC0415

    log = small_log(tmp_path / "log")
    with StandInServer.start() as server:
        standin = StandIn(server)
        settings = standin.settings(server.database(), network_timeout_s=2, login_timeout_s=2)
        SnowflakeSink.init(settings)
        for kind, match in (("kill", "^COMMIT"), ("kill_after", "^COPY INTO .*QUARANTINE")):
            standin.control("POST", kind=kind, match=match, skip=1)
            with pytest.raises(SinkUnavailableError):
                load(log, settings)
            server.restart()
            assert sum(map(len, held(standin, settings.database))) * 3 == sum(map(len, due(log)))
            if kind == "kill":
                empty(standin, settings.database)
        load(log, settings)
        assert held(standin, settings.database) == due(log)
