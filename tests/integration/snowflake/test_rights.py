"""Just enough rights: the loader of deploy/snowflake can load; without any one of them the stop names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from eventreplay.errors import SinkError
from eventreplay.log import Log
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.sinks.snowflake.setup import stage_statement
from eventreplay.sinks.snowflake.tables import create_statements
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake.loading import due, empty, held, load, small_log
from tests.integration.snowflake.server import StandIn

FILES = ("01_roles", "02_warehouse_and_database", "03_raw", "04_grants", "05_user")
ROLE = "EVENTREPLAY_LOADER"
PASSWORD = "Marker-Secret-31415"  # noqa: S105 - to be looked for in errors
RIGHTS = [
    "USAGE ON WAREHOUSE EVENTREPLAY_WH",
    "USAGE ON DATABASE {database}",
    "USAGE ON SCHEMA {database}.RAW",
    "INSERT ON TABLE {database}.RAW.EVENTS",
    "INSERT ON TABLE {database}.RAW.QUARANTINE",
    "SELECT ON TABLE {database}.RAW.CHECKPOINTS",
    "INSERT ON TABLE {database}.RAW.CHECKPOINTS",
    "UPDATE ON TABLE {database}.RAW.CHECKPOINTS",
    "UPDATE ON TABLE {database}.RAW.CHECKPOINT_LOCK",
    "READ ON STAGE {database}.RAW.EVENTREPLAY_STAGE",
    "WRITE ON STAGE {database}.RAW.EVENTREPLAY_STAGE",
]


def statements(root: Path, name: str, database: str) -> list[str]:
    """Of one file of deploy/snowflake, for another database than it names."""
    lines = (root / f"deploy/snowflake/{name}.sql").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    for ending in (" ", ".", ";", '"'):
        for word in (" DATABASE EVENTREPLAY", "IF NOT EXISTS EVENTREPLAY", "SCHEMA EVENTREPLAY"):
            if ending != "." or "SCHEMA" in word:
                text = text.replace(word + ending, word.replace("EVENTREPLAY", database) + ending)
    text = text.replace(" EVENTREPLAY.RAW", f" {database}.RAW").replace('"EVENTREPLAY"', f'"{database}"')
    return [statement.strip(" \n;") for statement in text.split(";\n") if statement.strip(" \n;")]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return small_log(tmp_path_factory.mktemp("rights") / "log", records=16)


@pytest.fixture(scope="module")
def deployed(root: Path, snowflake_standin: StandInServer) -> Iterator[tuple[StandIn, SnowflakeSettings]]:
    """deploy/snowflake as an administrator runs it, and the settings of its loader."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        standin = StandIn(snowflake_standin)
        database = snowflake_standin.database()
        for name in FILES:
            standin.run(*statements(root, name, database))
        standin.run(f"ALTER USER {ROLE} SET PASSWORD = '{PASSWORD}'")
        loader = standin.settings(
            database, user=ROLE, password=Secret(PASSWORD), role=ROLE, warehouse="EVENTREPLAY_WH"
        )
        yield standin, loader
        snowflake_standin.drop(database)


def test_raw_of_the_files_is_what_init_runs(root: Path, standin: StandIn) -> None:
    settings = standin.settings("EVENTREPLAY")
    made = [*create_statements(settings), stage_statement(settings)]
    assert statements(root, "03_raw", "EVENTREPLAY") == made


def test_the_loader_of_the_files_can_load_and_lacks_nothing(
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
    standin.run(f"REVOKE {what} FROM ROLE {ROLE}")
    try:
        with pytest.raises(SinkError) as caught:
            load(log, loader)
        findings = SnowflakeSink.check(loader)
    finally:
        standin.run(f"GRANT {what} TO ROLE {ROLE}")
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
