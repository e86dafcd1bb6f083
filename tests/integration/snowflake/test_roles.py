"""Each role of an environment does what it must, by the code that uses it, and is refused everything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventreplay.errors import SinkError
from eventreplay.log import Log
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.session import Row, Session
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake.environments import PASSWORD, Environment, environment
from tests.integration.snowflake.loading import due, held, load, small_log
from tests.integration.snowflake.server import StandIn

REFUSED = frozenset({2003, 2043, 3001})
"""Not to be seen, or not allowed."""


class As:
    """A session of a user who has one role."""

    def __init__(self, settings: SnowflakeSettings) -> None:
        self.session = Session(settings, without_schema=True)

    def run(self, statement: str) -> list[Row]:
        return self.session.run(statement, doing=Doing("Trying"))

    def refused(self, statement: str) -> None:
        with pytest.raises(SinkError) as caught:
            self.run(statement)
        assert caught.value.fields["errno"] in REFUSED, (statement, caught.value)
        assert PASSWORD not in f"{caught.value!r} {caught.value.hint}"


@pytest.fixture(scope="module")
def found(
    snowflake_standin: StandInServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """An environment with some events in RAW, loaded by its loader, and a mart built by its transformer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        with environment(StandIn(snowflake_standin)) as made:
            log: Log = small_log(tmp_path_factory.mktemp("roles") / "log", records=16)
            load(log, made.user(made.deployment.loader))
            assert held(made.standin, made.deployment.database) == due(log)
            yield made


@pytest.fixture(scope="module")
def roles(found: Environment) -> Iterator[dict[str, As]]:
    names = ("owner", "loader", "transformer", "reader")
    made = {name: As(found.user(getattr(found.deployment, name))) for name in names}
    # What dbt does: a table replaced by another, an incremental one, a temporary one beside it.
    made["transformer"].run(
        f"CREATE TABLE {found.deployment.database}.MART.SALES AS SELECT EVENT_TYPE, COUNT(*) AS N"
        f" FROM {found.deployment.database}.RAW.EVENTS GROUP BY 1"
    )
    yield made
    for one in made.values():
        one.session.close()


NEVER = {
    "loader": [
        "DELETE FROM {db}.RAW.EVENTS",
        "UPDATE {db}.RAW.EVENTS SET EVENT_ID = ''",
        "TRUNCATE TABLE {db}.RAW.EVENTS",
        "DROP TABLE {db}.RAW.EVENTS",
        "ALTER TABLE {db}.RAW.EVENTS ADD COLUMN X VARCHAR",
        "UPDATE {db}.RAW.QUARANTINE SET ERROR_CODE = ''",
        "DELETE FROM {db}.RAW.CHECKPOINTS",
        "INSERT INTO {db}.RAW.CHECKPOINT_LOCK SELECT * FROM {db}.RAW.CHECKPOINT_LOCK",
        "CREATE TABLE {db}.RAW.MINE (N NUMBER)",
        "CREATE SCHEMA {db}.MINE",
        "SELECT * FROM {db}.MART.SALES",
        "SELECT * FROM {db}.DEPLOYMENT.MIGRATIONS",
        "GRANT DELETE ON TABLE {db}.RAW.EVENTS TO ROLE {db}_LOADER",
        "ALTER WAREHOUSE {db}_WH SET AUTO_SUSPEND = 0",
    ],
    "transformer": [
        "INSERT INTO {db}.RAW.EVENTS SELECT * FROM {db}.RAW.EVENTS",
        "DELETE FROM {db}.RAW.EVENTS",
        "UPDATE {db}.RAW.CHECKPOINTS SET POSITION = 0",
        "CREATE TABLE {db}.RAW.MINE (N NUMBER)",
        "DROP SCHEMA {db}.MART",
        "GRANT SELECT ON TABLE {db}.MART.SALES TO ROLE {db}_LOADER",
        "LIST @{db}.RAW.EVENTREPLAY_STAGE",
        "SELECT * FROM {db}.DEPLOYMENT.MIGRATIONS",
    ],
    "reader": [
        "SELECT * FROM {db}.RAW.EVENTS",
        "SELECT * FROM {db}.STAGING.T",
        "INSERT INTO {db}.MART.SALES VALUES ('x', 1)",
        "DELETE FROM {db}.MART.SALES",
        "DROP TABLE {db}.MART.SALES",
        "CREATE TABLE {db}.MART.MINE (N NUMBER)",
        "CREATE SCHEMA {db}.MINE",
        "LIST @{db}.RAW.EVENTREPLAY_STAGE",
    ],
    "owner": [
        "DELETE FROM {db}.DEPLOYMENT.MIGRATIONS",
        "UPDATE {db}.DEPLOYMENT.MIGRATIONS SET SHA256 = ''",
        "DROP TABLE {db}.DEPLOYMENT.MIGRATIONS",
        "ALTER RESOURCE MONITOR {db}_MONITOR SET CREDIT_QUOTA = 1000",
        "DROP DATABASE {db}",
        "CREATE ROLE {db}_MINE",
    ],
}


@pytest.mark.parametrize("role", NEVER)
def test_a_role_is_refused_what_it_must_not(found: Environment, roles: dict[str, As], role: str) -> None:
    database = found.deployment.database
    before = found.standin.run(f"SELECT COUNT(*), SUM(EVENT_HASH) FROM {database}.RAW.EVENTS")
    for statement in NEVER[role]:
        roles[role].refused(statement.format(db=database))
    assert found.standin.run(f"SELECT COUNT(*), SUM(EVENT_HASH) FROM {database}.RAW.EVENTS") == before


def test_nobody_takes_on_anothers_role(found: Environment, roles: dict[str, As]) -> None:
    """But the owner, whom a rebuild needs to be loader and transformer too."""
    for name, one in roles.items():
        for other in {"reader"} if name == "owner" else roles.keys() - {name}:
            with pytest.raises(SinkError):
                one.run(f"USE ROLE {found.deployment.database}_{other.upper()}")


def test_the_transformer_builds_and_the_reader_reads_whatever_is_replaced(
    found: Environment, roles: dict[str, As]
) -> None:
    """Grants are on what will be made: a table that dbt replaces or clones in is read like the first."""
    database, dbt, reader = found.deployment.database, roles["transformer"], roles["reader"]
    total = f"SELECT SUM(N) FROM {database}.MART.SALES"
    before = reader.run(total)
    build = (
        f"TABLE {database}.MART.SALES AS"
        f" SELECT EVENT_TYPE, COUNT(*) AS N FROM {database}.RAW.EVENTS GROUP BY 1"
    )
    dbt.run(f"CREATE OR REPLACE {build}")
    assert reader.run(total) == before
    dbt.run(f"CREATE SCHEMA {database}.MART_BESIDE")
    dbt.run(f"CREATE {build.replace('.MART.', '.MART_BESIDE.')}")
    reader.refused(total.replace(".MART.", ".MART_BESIDE."))
    dbt.run(f"CREATE OR REPLACE TABLE {database}.MART.SALES CLONE {database}.MART_BESIDE.SALES")
    assert reader.run(total) == before
    dbt.run(f"CREATE OR REPLACE VIEW {database}.MART.SOLD AS SELECT N FROM {database}.MART.SALES")
    assert reader.run(f"SELECT SUM(N) FROM {database}.MART.SOLD") == before
    dbt.run(f"DROP VIEW {database}.MART.SOLD")
    dbt.run(f"DROP SCHEMA {database}.MART_BESIDE CASCADE")
