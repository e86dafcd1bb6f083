"""Just enough rights: the loader of the migrations can load; without any one of them the stop names it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from eventreplay.errors import SinkError
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.session import Row, Session
from eventreplay.testing import TickingClock
from eventreplay.testing.services import StandInServer
from tests.hex_codec import HexCodec
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


def test_the_loader_cannot_rebuild_and_is_told_who_can(
    deployed: tuple[StandIn, SnowflakeSettings], log: Log
) -> None:
    """Its rights stay as small as they were; the owner, who inherits its and dbt's, has all that it takes."""
    standin, loader = deployed
    owner = evolve(
        standin.settings(loader.database), role=f"{loader.database}_OWNER", warehouse=loader.warehouse
    )
    (found,) = (finding for finding in SnowflakeSink.check(loader) if finding.name == "rebuild")
    assert (found.ok, found.required) == (False, False)
    for word in ("CREATE SCHEMA", "GRANT OWNERSHIP", "EVENTS", "GENERATIONS", "owns RAW"):
        assert word in f"{found.detail} {found.hint}"
    (found,) = (finding for finding in SnowflakeSink.check(owner) if finding.name == "rebuild")
    assert found.ok, found.detail
    how: dict[str, Any] = {"schemas": ["RAW", "STAGING", "MART"], "plan": "ab" * 32, "facts": {}}
    with SnowflakeSink(loader, clock=TickingClock()) as sink:
        with pytest.raises(SinkError, match="owner's role") as caught:
            sink.begin_generation("g1", **how)
        assert "GRANT" in caught.value.hint
        assert [each.name for each in sink.generations()] == ["first"]
    load(log, loader)
    dbt = evolve(owner, role=f"{loader.database}_TRANSFORMER")
    mart, there = f"{loader.database}.MART", f"{loader.database}.MART_G1"
    view = "CREATE VIEW {0}.V AS SELECT N FROM {0}.FCT"
    _asked(dbt, f"CREATE TABLE {mart}.FCT AS SELECT 1 N", view.format(mart))
    reader = evolve(owner, role=f"{loader.database}_READER")
    with SnowflakeSink(owner, clock=TickingClock()) as sink:
        sink.begin_generation("g1", **how)
        with sink.shadow("g1") as shadow:
            replay(log, shadow, HexCodec())
        new = [f"CREATE TABLE {there}.{name} AS SELECT {n} N" for name, n in (("FCT", 2), ("FRESH", 3))]
        _asked(owner, *new, view.format(there))
        sink.note("g1", state="ready", facts={})
        sink.promote("g1", keep_until=datetime(2027, 1, 1, tzinfo=UTC))
        read = [_asked(reader, f"SELECT N FROM {mart}.{name}") for name in ("FCT", "V", "FRESH")]
        assert read == [[(2,)], [(2,)], [(3,)]]
        # dbt goes on as before: it owns what it built, and what was built for it.
        _asked(dbt, f"CREATE OR REPLACE TABLE {mart}.FRESH AS SELECT 4 N", f"DROP VIEW {mart}.V")
        load(log, loader)
        sink.rollback()
        assert _asked(reader, f"SELECT N FROM {mart}.FCT") == [(1,)]
        load(log, loader)
        sink.drop("g1")
    empty(standin, loader.database)


def _asked(settings: SnowflakeSettings, *statements: str) -> list[Row]:
    """Statements in a role's own session; rows of the last one."""
    session = Session(settings, without_schema=True)
    try:
        return [session.run(each, doing=Doing("Asking")) for each in statements][-1]
    finally:
        session.close()
