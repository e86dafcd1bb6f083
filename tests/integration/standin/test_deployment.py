"""What an environment rests on: managed access, future grants, monitors, pipes, lists of rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.standin.client import Client

PASSWORD = "an-owners-password"  # noqa: S105 - of a user that lives for one test


@pytest.fixture
def database(snowflake_database: dict[str, Any]) -> str:
    return str(snowflake_database["database"])


@pytest.fixture
def owner(client: Client, connect: Callable[..., Client], database: str) -> Client:
    """A session of a role O_<database> that may make schemas in the database."""
    role = f"O_{database}"
    client.run(
        f"CREATE ROLE {role}", f"CREATE ROLE R_{database}",
        f"CREATE USER {role} PASSWORD = '{PASSWORD}' DEFAULT_ROLE = {role}",
        f"GRANT ROLE {role} TO USER {role}",
        f"GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE {role}",
        f"GRANT USAGE, CREATE SCHEMA ON DATABASE {database} TO ROLE {role}",
    )  # fmt: skip
    return connect(user=role, password=PASSWORD, role=role)


def test_managed_access_leaves_grants_to_the_owner_of_the_schema(
    client: Client, connect: Callable[..., Client], owner: Client, database: str
) -> None:
    """docs.snowflake.com/en/user-guide/security-access-control-configure#label-managed-access-schemas: object
    owners lose the ability to make grant decisions; the schema's owner, or MANAGE GRANTS, has it."""
    role, maker = f"R_{database}", f"M_{database}"
    owner.run(
        f"CREATE SCHEMA {database}.managed WITH MANAGED ACCESS", f"CREATE SCHEMA {database}.plain",
    )  # fmt: skip
    client.run(
        f"CREATE ROLE {maker}", f"CREATE USER {maker} PASSWORD = '{PASSWORD}' DEFAULT_ROLE = {maker}",
        f"GRANT ROLE {maker} TO USER {maker}", f"GRANT USAGE ON DATABASE {database} TO ROLE {maker}",
    )  # fmt: skip
    owner.run(
        *(
            f"GRANT USAGE, CREATE TABLE ON SCHEMA {database}.{each} TO ROLE {maker}"
            for each in ("managed", "plain")
        )
    )
    making = connect(user=maker, password=PASSWORD, role=maker)
    making.run(*(f"CREATE TABLE {database}.{each}.t (n NUMBER)" for each in ("managed", "plain")))
    making.run(f"GRANT SELECT ON TABLE {database}.plain.t TO ROLE {role}")
    refused = making.error(f"GRANT SELECT ON TABLE {database}.managed.t TO ROLE {role}")
    assert (refused.errno, refused.sqlstate) == (3001, "42501")
    owner.run(f"GRANT SELECT ON TABLE {database}.managed.t TO ROLE {role}")
    assert owner.error(f"GRANT SELECT ON TABLE {database}.plain.t TO ROLE {role}").errno == 3001
    options = {row[1]: row[7] for row in owner.rows(f"SHOW SCHEMAS IN DATABASE {database}")}
    assert (options["MANAGED"], options["PLAIN"]) == ("MANAGED ACCESS", "")
    owner.run(f"ALTER SCHEMA {database}.managed DISABLE MANAGED ACCESS")
    making.run(f"GRANT SELECT ON TABLE {database}.managed.t TO ROLE {role}")


def test_future_grants_need_manage_grants_or_a_managed_schema(
    client: Client, owner: Client, database: str
) -> None:
    """docs.snowflake.com/en/sql-reference/sql/grant-privilege, future grants: MANAGE GRANTS, or the owner of
    a schema with managed access; a table has what was granted when it is made, also by CREATE OR REPLACE."""
    role = f"R_{database}"
    owner.run(
        f"CREATE TRANSIENT SCHEMA {database}.mart WITH MANAGED ACCESS", f"CREATE SCHEMA {database}.plain"
    )
    future = "GRANT SELECT ON FUTURE {} IN SCHEMA {}.{} TO ROLE {}"
    assert owner.error(future.format("TABLES", database, "plain", role)).errno == 3001
    client.run(future.format("TABLES", database, "plain", role))
    owner.run(future.format("TABLES", database, "mart", role), future.format("VIEWS", database, "mart", role))
    assert owner.error(future.format("TABLES", database, "nowhere", role)).errno == 2003
    shown = [
        (row[0], row[1], row[2], row[4])
        for row in owner.rows(f"SHOW FUTURE GRANTS IN SCHEMA {database}.mart")
    ]
    assert sorted(shown) == [
        ("SELECT", "TABLE", f"{database}.MART.<TABLE>", role),
        ("SELECT", "VIEW", f"{database}.MART.<VIEW>", role),
    ]  # fmt: skip
    assert len(owner.rows(f"SHOW FUTURE GRANTS TO ROLE {role}")) == 3
    for _ in range(2):
        owner.run(f"CREATE OR REPLACE TABLE {database}.mart.t (n NUMBER)")
        grants = owner.rows(f"SHOW GRANTS ON TABLE {database}.mart.t")
        assert ("SELECT", "TABLE", f"{database}.MART.T", "ROLE", role) in grants
    owner.run(f"CREATE VIEW {database}.mart.v AS SELECT 1 AS n")
    assert [row[0] for row in owner.rows(f"SHOW GRANTS TO ROLE {role}")] == ["SELECT", "SELECT"]


def test_what_is_not_there_is_dropped_by_anybody(client: Client, owner: Client, database: str) -> None:
    """docs.snowflake.com/en/sql-reference/sql/drop-view: IF EXISTS is no error where there is nothing."""
    owner.run(f"CREATE SCHEMA {database}.s")
    for kind in ("TABLE", "VIEW"):
        owner.run(f"DROP {kind} IF EXISTS {database}.s.nothing")
        assert owner.error(f"DROP {kind} {database}.s.nothing").errno == 2003
    owner.run(f"DROP SCHEMA IF EXISTS {database}.nothing")
    client.run(f"CREATE TABLE {database}.public.theirs (n NUMBER)")
    assert owner.error(f"DROP TABLE IF EXISTS {database}.public.theirs").errno in (2003, 3001)


def test_lists_of_rights(client: Client, owner: Client, database: str) -> None:
    """docs.snowflake.com/en/sql-reference/sql/show-grants: ON an object, TO a role, OF a role."""
    role = f"O_{database}"
    owner.run(f"CREATE SCHEMA {database}.s", f"CREATE FILE FORMAT {database}.s.f TYPE = PARQUET")
    assert owner.rows(f"SHOW GRANTS ON FILE FORMAT {database}.s.f") == [
        ("OWNERSHIP", "FILE_FORMAT", f"{database}.S.F", "ROLE", role)
    ]
    client.run(f"GRANT ROLE R_{database} TO ROLE {role}")
    assert ("USAGE", "ROLE", f"R_{database}", "ROLE", role) in client.rows(f"SHOW GRANTS TO ROLE {role}")
    assert client.rows(f"SHOW GRANTS OF ROLE R_{database}") == [(f"R_{database}", "ROLE", role)]
    assert client.rows(f"SHOW GRANTS OF ROLE {role}") == [(role, "USER", role)]
    assert owner.error(f"SHOW GRANTS ON TABLE {database}.s.nothing").errno == 2003
    assert owner.error(f"GRANT USAGE ON FILE FORMAT {database}.s.nothing TO ROLE {role}").errno == 2003
    assert owner.error("SHOW GRANTS ON ANYTHING AT ALL").errno in (2, 2003)


def test_a_monitor_is_an_administrators(client: Client, owner: Client, database: str) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-resource-monitor: account administrators only."""
    statement = (
        f"CREATE RESOURCE MONITOR IF NOT EXISTS m_{database} WITH CREDIT_QUOTA = 5 TRIGGERS "
        "ON 75 PERCENT DO NOTIFY ON 100 PERCENT DO SUSPEND"
    )
    client.run(f"GRANT ROLE SYSADMIN TO ROLE O_{database}")
    assert owner.error(statement).errno == 3001
    client.run(statement, statement, f"ALTER RESOURCE MONITOR m_{database} SET CREDIT_QUOTA = 7")
    shown = f"SHOW RESOURCE MONITORS LIKE 'm_{database}'"
    assert client.rows(shown) == [(f"M_{database}", "7.00", "MONTHLY", "75%", "100%", None)]
    assert owner.rows(shown) == []
    client.run(f"CREATE WAREHOUSE w_{database}")
    assert client.error(f"ALTER WAREHOUSE w_{database} SET RESOURCE_MONITOR = nobody").errno == 2003
    assert owner.error(f"ALTER WAREHOUSE w_{database} SET RESOURCE_MONITOR = m_{database}").errno == 3001
    client.run(f"ALTER WAREHOUSE w_{database} SET RESOURCE_MONITOR = m_{database}")
    assert client.rows(f"SHOW WAREHOUSES LIKE 'w_{database}'")[0][3:] == (
        "X-Small",
        "true",
        f"m_{database}".upper(),
    )


@pytest.mark.parametrize(
    ("statement", "errno"),
    [
        ("CREATE PIPE p AUTO_INGEST = TRUE AS COPY INTO t FROM @inside", 2),  # only a bucket tells of files
        ("CREATE PIPE p AS COPY INTO t FROM @outside FORCE = TRUE", 2),
        ("CREATE PIPE p AS COPY INTO nothing FROM @outside", 2003),
        ("CREATE PIPE p AS COPY INTO t FROM @nowhere", 2003),
        ("CREATE PIPE p AS INSERT INTO t VALUES (1)", 2),
        ("ALTER PIPE p REFRESH", 2),
    ],
)
def test_a_pipe_is_checked_and_kept(client: Client, database: str, statement: str, errno: int) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-pipe. Here it never loads anything."""
    client.run(
        f"CREATE STORAGE INTEGRATION IF NOT EXISTS i_{database} TYPE = EXTERNAL_STAGE "
        "STORAGE_PROVIDER = 'S3' ENABLED = TRUE STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' "
        "STORAGE_ALLOWED_LOCATIONS = ('s3://b/')",
        "CREATE TABLE t (n NUMBER)", "CREATE STAGE inside",
        f"CREATE STAGE outside URL = 's3://b/' STORAGE_INTEGRATION = i_{database}",
    )  # fmt: skip
    assert client.error(statement).errno == errno
    good = "CREATE PIPE IF NOT EXISTS p AUTO_INGEST = TRUE AS COPY INTO t FROM @outside"
    client.run(good, good)
    assert [row[0] for row in client.rows("SHOW PIPES") if row[1] == database] == ["P"]
    client.run("DROP PIPE p", "DROP PIPE IF EXISTS p")
    assert client.error("DROP PIPE p").errno == 2003
