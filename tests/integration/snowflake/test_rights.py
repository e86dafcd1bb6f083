"""Just enough rights: the loader of the migrations can load; without any one of them the stop names it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from eventreplay.errors import SinkError
from eventreplay.log import Log
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake.environments import PASSWORD, environment
from tests.integration.snowflake.loading import due, empty, held, load, small_log
from tests.integration.snowflake.server import StandIn

RIGHTS = [
    "USAGE ON WAREHOUSE {database}_WH",
    "USAGE ON DATABASE {database}",
    "USAGE ON SCHEMA {database}.RAW",
    "INSERT ON TABLE {database}.RAW.EVENTS",
    "INSERT ON TABLE {database}.RAW.QUARANTINE",
    "SELECT ON TABLE {database}.RAW.CHECKPOINTS",
    "INSERT ON TABLE {database}.RAW.CHECKPOINTS",
    "UPDATE ON TABLE {database}.RAW.CHECKPOINTS",
    "UPDATE ON TABLE {database}.RAW.CHECKPOINT_LOCK",
    "SELECT ON TABLE {database}.RAW.GENERATIONS",
    "READ ON STAGE {database}.RAW.EVENTREPLAY_STAGE",
    "WRITE ON STAGE {database}.RAW.EVENTREPLAY_STAGE",
]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return small_log(tmp_path_factory.mktemp("rights") / "log", records=16)


@pytest.fixture(scope="module")
def deployed(snowflake_standin: StandInServer) -> Iterator[tuple[StandIn, SnowflakeSettings]]:
    """What the migrations make, and the settings of its loader."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        with environment(StandIn(snowflake_standin)) as found:
            yield found.standin, found.user(found.deployment.loader)


def test_the_loader_of_the_migrations_can_load_and_lacks_nothing(
    deployed: tuple[StandIn, SnowflakeSettings], log: Log
) -> None:
    standin, loader = deployed
    load(log, loader)
    assert held(standin, loader.database) == due(log)
    assert [finding for finding in SnowflakeSink.check(loader) if finding.required and not finding.ok] == []
    other = evolve(loader, raw_schema="OTHER")
    with pytest.raises(SinkError, match="lacks a right") as caught:
        SnowflakeSink.init(other)
    assert "CREATE SCHEMA" in caught.value.hint
    empty(standin, loader.database)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_stops_cleanly_and_is_named_with_its_grant(
    deployed: tuple[StandIn, SnowflakeSettings], log: Log, right: str
) -> None:
    standin, loader = deployed
    what = right.format(database=loader.database)
    standin.run(f"REVOKE {what} FROM ROLE {loader.role}")
    try:
        with pytest.raises(SinkError) as caught:
            load(log, loader)
        findings = SnowflakeSink.check(loader)
    finally:
        standin.run(f"GRANT {what} TO ROLE {loader.role}")
    assert not caught.value.retryable
    verb, _, named = what.partition(" ON ")
    hint = caught.value.hint.replace('"', "")
    assert "GRANT" in hint
    assert verb in hint
    assert named in hint
    assert any(
        finding.required and not finding.ok and named in finding.hint.replace('"', "") for finding in findings
    )
    for text in (str(caught.value), *(finding.detail + finding.hint for finding in findings)):
        assert PASSWORD not in text
    load(log, loader)
    assert held(standin, loader.database) == due(log)
    empty(standin, loader.database)
