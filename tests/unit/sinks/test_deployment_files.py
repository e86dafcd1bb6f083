"""The migrations as files: numbered, complete, safe to run again, and shown in deploy/ as they are."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sinks.snowflake.deployment import Deployment, migrations
from eventreplay.sinks.snowflake.deployment.files import chosen, script
from eventreplay.sinks.snowflake.deployment.grants import Grant, given_by
from eventreplay.sinks.snowflake.setup import stage_statement
from eventreplay.sinks.snowflake.tables import create_statements, registry_statements

PROD = Deployment(
    database="EVENTREPLAY_PROD",
    storage_url="s3://bucket/stage/",
    log_url="s3://bucket/log/",
    storage_role_arn="arn:aws:iam::123456789012:role/snowflake",
)
OPTIONS = ("external-stage", "snowpipe")
AGAIN = re.compile(
    r"CREATE (?:[A-Z]+ )+?IF NOT EXISTS |CREATE ROLE IF NOT EXISTS |GRANT |ALTER WAREHOUSE \S+ SET |"
    r"INSERT INTO .* WHERE NOT EXISTS "
)


def plain(statement: str) -> str:
    return re.sub(r"\( | \)", lambda found: found[0].strip(), " ".join(statement.split()))


def test_every_statement_may_be_run_again_and_none_replaces_or_drops() -> None:
    for one in migrations():
        for statement in one.statements(PROD):
            assert AGAIN.match(" ".join(statement.split())), statement
            assert not re.search(r"OR REPLACE|\bDROP\b|\bTRUNCATE\b|\bDELETE\b", statement), statement
            assert "&{" not in statement


def test_the_copy_in_deploy_is_what_ddl_prints(root: Path) -> None:
    shown = (root / "deploy/snowflake/EVENTREPLAY_PROD.sql").read_text("utf-8")
    assert shown.partition("\n\n")[2] == script(
        chosen(migrations(), ()), Deployment(database="EVENTREPLAY_PROD")
    )


def test_raw_of_the_files_is_what_init_runs() -> None:
    """A changed table needs a new migration: this one may not be edited once it was released."""
    settings = SnowflakeSettings(account="a", user="u", database="EVENTREPLAY_PROD", password=Secret("p"))
    by_code = [plain(each) for each in (*create_statements(settings), stage_statement(settings))]
    by_file = [plain(each) for each in migrations()[1].statements(PROD)]
    assert by_file[: len(by_code)] == by_code
    assert [each.partition(" IF ")[0] for each in by_file[len(by_code) :]] == ["CREATE FILE FORMAT"]
    later = [plain(each) for each in migrations()[8].statements(PROD) if each.startswith("CREATE")]
    assert later == [plain(each) for each in registry_statements(settings)]


def test_the_sum_is_of_the_file_whatever_the_names(tmp_path: Path) -> None:
    (tmp_path / "001_first.sql").write_text('-- scope: account\nCREATE ROLE IF NOT EXISTS "&{owner}";\n')
    (tmp_path / "002_second.sql").write_text(
        "-- scope: database\n-- option: extra\n-- needs: log_url\nX;\nY;\n"
    )
    first, second = migrations(tmp_path)
    assert first.sha256 == hashlib.sha256((tmp_path / "001_first.sql").read_bytes()).hexdigest()
    assert first.statements(Deployment(database='A"B')) == ('CREATE ROLE IF NOT EXISTS "A""B_OWNER"',)
    assert (second.option, second.statements(PROD)) == ("extra", ("X", "Y"))
    with pytest.raises(ConfigError, match="log_url is needed"):
        second.statements(Deployment(database="A"))
    assert chosen((first, second), ()) == (first,)
    (tmp_path / "004_gap.sql").write_text("-- scope: database\nX;\n")
    with pytest.raises(ValueError, match="without a gap"):
        migrations(tmp_path)
    (tmp_path / "004_gap.sql").unlink()
    (tmp_path / "003_no_scope.sql").write_text("X;\n")
    with pytest.raises(ValueError, match="no scope"):
        migrations(tmp_path)


def test_the_loader_of_the_files_cannot_delete_and_the_reader_reads_mart_alone() -> None:
    given = given_by(chosen(migrations(), OPTIONS), PROD)
    by_role: dict[str, set[str]] = {}
    for grant in given:
        by_role.setdefault(grant.role.removeprefix("EVENTREPLAY_PROD_"), set()).add(grant.privilege)
    assert by_role["LOADER"] == {"USAGE", "SELECT", "INSERT", "UPDATE", "READ", "WRITE"}
    assert by_role["READER"] == {"USAGE", "SELECT"}
    assert by_role["TRANSFORMER"] == {"USAGE", "SELECT", "CREATE SCHEMA", "CREATE TABLE", "CREATE VIEW"}
    readers = {grant.name[1:] for grant in given if grant.role.endswith("_READER") and len(grant.name) > 1}
    assert readers == {("MART",)}
    assert Grant("TABLE", ("EVENTREPLAY_PROD", "MART"), "SELECT", PROD.reader, future=True) in given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["credit_quota=0"], "credit_quota"),
        (["credit_quota=1e3"], "credit_quota"),
        (["auto_suspend_s=5"], "auto_suspend_s"),
        (["warehouse_size=HUGE'; DROP"], "warehouse_size"),
        (["storage_url=s3://bucket/a/../b/"], "storage_url"),
        (["storage_url=s3://bucket/it's/"], "storage_url"),
        (["storage_role_arn=arn:aws:iam::1:role/x'"], "storage_role_arn"),
        (["loader=a b"], "loader"),
        (["database=OTHER"], "database"),
        (["loader=A", "loader=B"], "loader"),
        (["nonsense"], "nonsense"),
    ],
)
def test_values_that_no_statement_may_hold_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PROD.with_values(given)


def test_values_by_name() -> None:
    made = PROD.with_values(["loader=my_loader", 'reader="Board"', "credit_quota=50", "warehouse_size=small"])
    assert (made.loader, made.reader, made.credit_quota) == ("MY_LOADER", "Board", 50)
    assert (made.warehouse_size, made.owner) == ("SMALL", "EVENTREPLAY_PROD_OWNER")
