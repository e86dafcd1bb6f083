from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.standin.client import Client

PASSWORD = "a-loaders-password"  # noqa: S105 - of a user that lives for one test
Open = Callable[..., Client]


@pytest.fixture
def admin(client: Client, snowflake_database: dict[str, Any]) -> Client:
    """Made a user LOADER_<database> with a role of that name and nothing granted to it but a warehouse."""
    name = f"LOADER_{snowflake_database['database']}"
    client.run(
        "CREATE SCHEMA raw", "CREATE TABLE raw.t (n NUMBER)", "CREATE STAGE raw.s", f"CREATE ROLE {name}",
        f"CREATE USER {name} PASSWORD = '{PASSWORD}' DEFAULT_ROLE = {name} DEFAULT_WAREHOUSE = COMPUTE_WH",
        f"GRANT ROLE {name} TO USER {name}",
    )  # fmt: skip
    return client


@pytest.fixture
def role(snowflake_database: dict[str, Any]) -> str:
    return f"LOADER_{snowflake_database['database']}"


def _loader(connect: Open, role: str) -> Client:
    return connect(user=role, password=PASSWORD, role=role)


def test_what_was_not_granted_does_not_exist(admin: Client, connect: Open, role: str) -> None:
    """docs.snowflake.com/en/user-guide/security-access-control-privileges: USAGE above, a privilege on the
    object."""
    database = admin.one("SELECT CURRENT_DATABASE()")
    loader = _loader(connect, role)
    assert loader.one("SELECT CURRENT_ROLE()") == role
    insert = f"INSERT INTO {database}.raw.t VALUES (1)"
    assert loader.error(insert).errno == 2003
    admin.run(
        f"GRANT USAGE ON DATABASE {database} TO ROLE {role}", f"GRANT USAGE ON SCHEMA raw TO ROLE {role}"
    )
    assert loader.error(insert).errno == 2003
    admin.run(f"GRANT SELECT ON TABLE raw.t TO ROLE {role}")
    error = loader.error(insert)
    assert (error.errno, error.sqlstate) == (3001, "42501")
    assert "Insufficient privileges to operate on table 'T'" in str(error)
    admin.run(f"GRANT INSERT ON TABLE raw.t TO ROLE {role}")
    assert loader.error(insert).errno == 606  # no warehouse that it may use
    admin.run(f"GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE {role}")
    loader.run("USE WAREHOUSE COMPUTE_WH", insert)
    assert loader.rows(f"SELECT n FROM {database}.raw.t") == [(1,)]
    assert loader.error(f"DELETE FROM {database}.raw.t").errno == 3001
    assert loader.error(f"DROP TABLE {database}.raw.t").errno == 3001
    assert loader.error(f"CREATE TABLE {database}.raw.u (n NUMBER)").errno == 3001
    admin.run(f"REVOKE SELECT ON TABLE raw.t FROM ROLE {role}")
    assert loader.error(f"SELECT n FROM {database}.raw.t").errno == 3001


def test_stages_need_their_own_privileges(admin: Client, connect: Open, role: str, tmp_path: Any) -> None:
    """docs.snowflake.com/en/sql-reference/sql/put: WRITE on an internal stage to PUT, READ to LIST."""
    (tmp_path / "a").write_text("x")
    database = admin.one("SELECT CURRENT_DATABASE()")
    admin.run(
        f"GRANT USAGE ON DATABASE {database} TO ROLE {role}", f"GRANT USAGE ON SCHEMA raw TO ROLE {role}",
        f"GRANT READ ON STAGE raw.s TO ROLE {role}",
    )  # fmt: skip
    loader = _loader(connect, role)
    assert loader.rows(f"LIST @{database}.raw.s") == []
    assert loader.error(f"PUT file://{tmp_path}/a @{database}.raw.s").errno == 3001
    assert loader.error(f"REMOVE @{database}.raw.s").errno == 3001


def test_copy_needs_insert_and_the_stage(admin: Client, connect: Open, role: str) -> None:
    """docs.snowflake.com/en/sql-reference/sql/copy-into-table, access control: INSERT on the table, READ
    on the stage."""
    database = admin.one("SELECT CURRENT_DATABASE()")
    admin.run(
        f"GRANT USAGE ON DATABASE {database} TO ROLE {role}",
        f"GRANT USAGE ON ALL SCHEMAS IN DATABASE {database} "
        f"TO ROLE {role}", f"GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE {role}",
        f"GRANT SELECT ON FUTURE TABLES IN SCHEMA raw TO ROLE {role}", "CREATE TABLE raw.later (n NUMBER)",
    )  # fmt: skip
    loader = _loader(connect, role)
    copy = (
        f"COPY INTO {database}.raw.later FROM @{database}.raw.s FILE_FORMAT = (TYPE = PARQUET) "
        "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    )
    assert loader.rows(f"SELECT n FROM {database}.raw.later") == []  # by the grant on future tables
    assert loader.error(copy).errno == 3001
    admin.run(f"GRANT INSERT ON TABLE raw.later TO ROLE {role}")
    assert loader.error(copy).errno == 2003  # the stage is not to be seen
    admin.run(f"GRANT READ ON STAGE raw.s TO ROLE {role}")
    assert loader.rows(copy) == [("Copy executed with 0 files processed.",)]


def test_roles_are_switched_and_inherited(admin: Client, connect: Open, role: str) -> None:
    """docs.snowflake.com/en/sql-reference/sql/use-role: only roles granted to the user; privileges are
    inherited."""
    loader = _loader(connect, role)
    assert loader.error("USE ROLE ACCOUNTADMIN").sqlstate == "42501"
    assert loader.error(f"CREATE ROLE another_{role}").errno == 3001
    database = admin.one("SELECT CURRENT_DATABASE()")
    admin.run(
        f"CREATE ROLE reader_{role}", f"GRANT ROLE reader_{role} TO ROLE {role}",
        f"GRANT USAGE ON DATABASE {database} TO ROLE reader_{role}",
        f"GRANT USAGE ON SCHEMA raw TO ROLE reader_{role}",
        f"GRANT SELECT ON TABLE raw.t TO ROLE reader_{role}",
        f"GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE reader_{role}",
    )  # fmt: skip
    loader.run("USE WAREHOUSE COMPUTE_WH")
    assert loader.rows(f"SELECT n FROM {database}.raw.t") == []
    assert len(admin.rows(f"SHOW GRANTS TO ROLE reader_{role}")) == 4


def test_account_objects_are_accepted(admin: Client, role: str) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-{warehouse,resource-monitor,storage-integration,file-format}."""
    admin.run(
        f"CREATE WAREHOUSE IF NOT EXISTS wh_{role} WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 "
        "INITIALLY_SUSPENDED = TRUE",
        f"CREATE RESOURCE MONITOR m_{role} WITH CREDIT_QUOTA = 10 TRIGGERS ON 90 PERCENT DO SUSPEND",
        f"ALTER WAREHOUSE wh_{role} SET RESOURCE_MONITOR = m_{role}",
        f"CREATE STORAGE INTEGRATION i_{role} TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE "
        "STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' STORAGE_ALLOWED_LOCATIONS = ('s3://b/')",
        f"CREATE STAGE raw.outside URL = 's3://b/' STORAGE_INTEGRATION = i_{role}",
        "CREATE FILE FORMAT raw.f TYPE = PARQUET BINARY_AS_TEXT = FALSE", f"USE WAREHOUSE wh_{role}",
    )  # fmt: skip
    assert [row[0] for row in admin.rows("SHOW WAREHOUSES")].count(f"WH_{role}") == 1
    shown = f"SHOW WAREHOUSES LIKE 'WH_{role}'"
    assert [row[1] for row in admin.rows(shown)] == ["60"]
    admin.run(f"ALTER WAREHOUSE wh_{role} SET AUTO_SUSPEND = 0")
    assert [row[1] for row in admin.rows(shown)] == [None]
    assert admin.error("CREATE STAGE raw.x URL = 's3://b/' STORAGE_INTEGRATION = nobody").errno == 2003
