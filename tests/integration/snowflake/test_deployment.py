"""Migrations on the stand-in: once and in order, again after a crash anywhere; drift is seen and mended."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from attrs import evolve

from eventreplay.errors import ConfigError, SinkError, SinkUnavailableError
from eventreplay.finding import Finding
from eventreplay.sinks.snowflake.deployment import check_deployment, migrate, migrations
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.session import Row, Session
from eventreplay.sinks.snowflake.setup import init
from eventreplay.sinks.snowflake.tables import TABLES
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake.environments import MOMENT, Environment, environment
from tests.integration.snowflake.server import StandIn

DEFAULT = [one for one in migrations() if one.option is None]
ACCOUNT = [one.title for one in DEFAULT if one.scope == "account"]
DATABASE = [one.title for one in DEFAULT if one.scope == "database"]


@pytest.fixture
def empty(standin: StandIn) -> Iterator[Environment]:
    with environment(standin, made=False) as found:
        yield found


@pytest.fixture(scope="module")
def made(snowflake_standin: StandInServer) -> Iterator[Environment]:
    """Shared by tests that leave it as they found it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        with environment(StandIn(snowflake_standin)) as found:
            yield found


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.ok]


def checked(found: Environment) -> list[Finding]:
    """As an administrator, who sees the budget too."""
    return wrong(check_deployment(found.settings("ACCOUNTADMIN"), found.deployment, account_level=True))


def ledger(found: Environment) -> list[tuple[object, ...]]:
    table = f'"{found.deployment.database}"."DEPLOYMENT"."MIGRATIONS"'
    return found.standin.run(f'SELECT "NUMBER", "NAME", "SHA256" FROM {table} ORDER BY 1')


def test_from_an_empty_account_to_an_environment(empty: Environment) -> None:
    plan = empty.migrate(account_level=True, plan=True)
    assert (list(plan.applied), list(plan.waiting)) == (ACCOUNT, DATABASE)
    assert plan.statements[0].startswith("CREATE RESOURCE MONITOR")
    assert not empty.standin.run(f"SHOW WAREHOUSES LIKE '{empty.deployment.warehouse}'")
    with pytest.raises(SinkError, match="no role") as caught:
        empty.migrate()
    assert "--account-level" in caught.value.hint

    assert list(empty.migrate(account_level=True).applied) == ACCOUNT
    first = empty.migrate()
    assert (list(first.there), list(first.applied), first.waiting) == (ACCOUNT, DATABASE, ())
    again = empty.migrate()
    assert (list(again.there), again.applied, again.statements) == ([*ACCOUNT, *DATABASE], (), ())
    assert ledger(empty) == [(one.number, one.name, one.sha256) for one in DEFAULT]
    assert checked(empty) == []
    assert wrong(check_deployment(empty.settings(empty.deployment.owner), empty.deployment)) == []


def test_the_migrations_make_what_init_makes(made: Environment) -> None:
    """The tables of a replay stand in two places: as code, and as files that are never changed."""
    other = made.settings(
        made.deployment.owner, raw_schema="RAW_BY_INIT", warehouse=made.deployment.warehouse
    )
    init(other)
    try:
        database = made.deployment.database
        for table in TABLES:
            by_file, by_code = (
                made.standin.run(f"DESCRIBE TABLE {database}.{schema}.{table}")
                for schema in ("RAW", "RAW_BY_INIT")
            )
            assert by_file == by_code, table
        locks = f"SELECT COUNT(*) FROM {database}.RAW.CHECKPOINT_LOCK"
        assert made.standin.run(locks) == [(1,)]
    finally:
        made.standin.run(f"DROP SCHEMA {made.deployment.database}.RAW_BY_INIT CASCADE")


class Died(BaseException):
    """The process ended here."""


def run_dying(monkeypatch: pytest.MonkeyPatch, found: Environment, statements: int, **options: bool) -> bool:
    """Migrate, and die when so many statements were run; whether it came so far."""
    ran = 0
    run = Session.run

    def dying(session: Session, statement: str, *values: object, doing: Doing) -> list[Row]:
        nonlocal ran
        if ran == statements:
            raise Died
        rows = run(session, statement, *values, doing=doing)  # type: ignore[arg-type]
        ran += not statement.startswith(("SELECT", "USE"))
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", dying)
        try:
            found.migrate(**options)
        except Died:
            return True
    return False


EVERY = pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)], id="every statement")


@pytest.mark.parametrize("step", [pytest.param(19, id="some"), EVERY])
def test_a_run_that_dies_anywhere_is_run_again(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Definitions commit by themselves, so a crash leaves any number of them."""
    deaths = 0
    for after in range(0, 100, step):
        with environment(standin, made=False) as found:
            at_first = run_dying(monkeypatch, found, after, account_level=True)
            found.migrate(account_level=True)
            at_last = run_dying(monkeypatch, found, after)
            found.migrate()
            assert ledger(found) == [(one.number, one.name, one.sha256) for one in DEFAULT]
            assert checked(found) == []
        deaths += at_first + at_last
        if not at_last and not at_first:
            break
    assert deaths >= 40 // step


def test_an_answer_that_is_lost_after_the_statement_ran(empty: Environment) -> None:
    impatient = evolve(empty.settings("ACCOUNTADMIN"), network_timeout_s=2)
    empty.standin.control("POST", kind="cut", match="INSERT INTO .*MIGRATIONS", for_good=True)
    with pytest.raises(SinkUnavailableError):
        migrate(impatient, empty.deployment, clock=lambda: MOMENT, account_level=True)
    empty.standin.control("DELETE")
    empty.migrate(account_level=True)
    empty.migrate()
    assert ledger(empty) == [(one.number, one.name, one.sha256) for one in DEFAULT]


def test_two_at_once_do_the_same(empty: Environment) -> None:
    empty.migrate(account_level=True)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            empty.migrate()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Of two definitions at the same moment one may be refused; then the run is simply run again.
    assert all(isinstance(error, SinkError) for error in failed), failed
    empty.migrate()
    assert set(ledger(empty)) == {(one.number, one.name, one.sha256) for one in DEFAULT}
    assert checked(empty) == []


def test_a_changed_migration_is_refused(made: Environment) -> None:
    changed = tuple(evolve(one, sha256="0" * 64) if one.number == 2 else one for one in migrations())
    with pytest.raises(SinkError, match="002_raw is not the one that was applied") as caught:
        made.migrate(known=changed)
    assert "next number" in caught.value.hint
    with pytest.raises(SinkError, match="002_raw is not the one"):
        made.migrate(known=changed, plan=True)
    with pytest.raises(SinkError, match="does not know it"):
        made.migrate(known=migrations()[:3])


def test_an_owners_migration_waits_for_an_administrators(made: Environment) -> None:
    """The stage of a bucket needs the integration, which an administrator makes."""
    values = {
        "storage_url": "s3://bucket/stage/",
        "log_url": "s3://bucket/log/",
        "storage_role_arn": "arn:aws:iam::123456789012:role/snowflake",
    }
    with pytest.raises(ConfigError, match="storage_url is needed"):
        made.migrate(options=("external-stage",), plan=True)
    with pytest.raises(ConfigError, match="no option"):
        made.migrate(options=("external",))
    with environment(made.standin, made=True, **values) as found:
        groups = ("external-stage", "snowpipe")
        with pytest.raises(SinkError, match="005_storage_integration has not been applied") as caught:
            found.migrate(options=groups)
        assert (
            "--account-level -o role=ACCOUNTADMIN --with external-stage --with snowpipe" in caught.value.hint
        )
        assert found.migrate(options=groups, account_level=True).applied == (
            "005_storage_integration", "007_log_integration",
        )  # fmt: skip
        assert found.migrate(options=groups).applied == ("006_external_stage", "008_snowpipe")
        administrator = found.settings("ACCOUNTADMIN")
        findings = check_deployment(administrator, found.deployment, account_level=True, options=groups)
        assert wrong(findings) == []
        database = found.deployment.database
        pipes = found.standin.run("SHOW PIPES")
        assert [row[:3] for row in pipes] == [("ARRIVALS_PIPE", database, "RAW")]
        assert found.standin.run(f"SELECT * FROM {database}.RAW.ARRIVED") == []


DRIFTS = {
    "warehouse auto suspend": ("ALTER WAREHOUSE {wh} SET AUTO_SUSPEND = 0", "AUTO_SUSPEND = 60"),
    "warehouse auto resume": ("ALTER WAREHOUSE {wh} SET AUTO_RESUME = FALSE", "AUTO_RESUME = TRUE"),
    "warehouse resource monitor": ("ALTER WAREHOUSE {wh} SET RESOURCE_MONITOR = NULL", "RESOURCE_MONITOR"),
    "resource monitor": ("ALTER RESOURCE MONITOR {db}_MONITOR SET CREDIT_QUOTA = 500", "CREDIT_QUOTA = 10"),
    "schema MART": ("ALTER SCHEMA {db}.MART DISABLE MANAGED ACCESS", "ENABLE MANAGED ACCESS"),
    "table EVENTS": ('ALTER TABLE {db}.RAW.EVENTS DROP COLUMN "STREAM_ID"', 'ADD COLUMN "STREAM_ID"'),
    "table QUARANTINE": ("ALTER TABLE {db}.RAW.QUARANTINE ADD COLUMN MINE VARCHAR", 'DROP COLUMN "MINE"'),
    "grants on {db}.RAW.EVENTS": (
        "GRANT DELETE ON TABLE {db}.RAW.EVENTS TO ROLE {db}_LOADER", "REVOKE DELETE",
    ),
    "grants on {db}.RAW.CHECKPOINTS": (
        "REVOKE UPDATE ON TABLE {db}.RAW.CHECKPOINTS FROM ROLE {db}_LOADER", "GRANT UPDATE",
    ),
    "grants on {db}": ("GRANT CREATE SCHEMA ON DATABASE {db} TO ROLE {db}_READER", "REVOKE CREATE SCHEMA"),
    "grants on {db}.RAW.EVENTREPLAY_STAGE": (
        "REVOKE WRITE ON STAGE {db}.RAW.EVENTREPLAY_STAGE FROM ROLE {db}_LOADER", "GRANT WRITE",
    ),
    "grants on {wh}": ("REVOKE USAGE ON WAREHOUSE {wh} FROM ROLE {db}_READER", "GRANT USAGE"),
    "future grants in {db}.MART": (
        "REVOKE SELECT ON FUTURE TABLES IN SCHEMA {db}.MART FROM ROLE {db}_READER", "FUTURE TABLES",
    ),
}  # fmt: skip


def test_drift_is_seen_and_mended_by_the_statements_it_names(made: Environment) -> None:
    names = {"db": made.deployment.database, "wh": made.deployment.warehouse}
    made.standin.run(*(statement.format(**names) for statement, _ in DRIFTS.values()))
    found = {finding.name: finding for finding in checked(made)}
    assert sorted(found) == sorted(name.format(**names) for name in DRIFTS)
    for name, (_, mends) in DRIFTS.items():
        finding = found[name.format(**names)]
        assert finding.required
        assert mends in finding.hint, finding
    hints = [each for finding in found.values() for each in finding.hint.split(";") if each.strip()]
    made.standin.run(*hints)
    assert checked(made) == []


def test_a_right_of_somebody_elses_role_is_advice(made: Environment) -> None:
    database = made.deployment.database
    made.standin.run(f"CREATE ROLE {database}_AUDIT")
    made.standin.run(f"GRANT SELECT ON TABLE {database}.RAW.EVENTS TO ROLE {database}_AUDIT")
    try:
        (finding,) = checked(made)
        assert not finding.required
        assert f"{database}_AUDIT has SELECT" in finding.detail
        made.standin.run(finding.hint)
        assert checked(made) == []
    finally:
        made.standin.run(f"DROP ROLE {database}_AUDIT")


def test_what_is_pending_is_a_finding_and_an_empty_account_is_told(empty: Environment) -> None:
    names = [finding.name for finding in checked(empty)]
    assert names[0] == "migrations"
    assert "resource monitor" in names
    empty.migrate(account_level=True)
    found = {finding.name: finding for finding in checked(empty)}
    assert "002_raw" in found["migrations"].detail
    assert found["table EVENTS"].hint
    assert MOMENT.isoformat() not in str(found)
