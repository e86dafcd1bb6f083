"""The ledger: which migrations an environment has, in the database itself, written once and never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import frozen

from eventreplay.errors import SinkError
from eventreplay.sinks.snowflake.deployment.files import Migration
from eventreplay.sinks.snowflake.deployment.names import Deployment
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session

SCHEMA, TABLE = "DEPLOYMENT", "MIGRATIONS"
_NOT_THERE = frozenset({2003, 2043})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_COLUMNS = (
    '"NUMBER" NUMBER(19,0) NOT NULL, "NAME" VARCHAR NOT NULL, "SHA256" VARCHAR(64) NOT NULL,'
    ' "APPLIED_AT" TIMESTAMP_NTZ(6) NOT NULL, "APPLIED_BY" VARCHAR NOT NULL'
)


@frozen
class Applied:
    """One row: what was applied, when and by whom."""

    number: int
    name: str
    sha256: str
    applied_at: datetime
    applied_by: str


def ledger_name(deployment: Deployment) -> str:
    """The table as it stands in statements."""
    return quoted(deployment.database, SCHEMA, TABLE)


def create_statements(deployment: Deployment) -> tuple[str, ...]:
    """The ledger itself; its owner may add rows, and nobody may change or remove one."""
    schema, table = quoted(deployment.database, SCHEMA), ledger_name(deployment)
    return (
        f"CREATE SCHEMA IF NOT EXISTS {schema}",
        f"CREATE TABLE IF NOT EXISTS {table} ({_COLUMNS})",
        f"GRANT USAGE ON SCHEMA {schema} TO ROLE {quoted(deployment.owner)}",
        f"GRANT SELECT, INSERT ON TABLE {table} TO ROLE {quoted(deployment.owner)}",
    )


def applied(session: Session, deployment: Deployment) -> dict[int, Applied] | None:
    """By number; None where there is no ledger that the role can see.

    Raises:
        SinkError: it cannot be read, or two rows say different things of one migration.
    """
    table = ledger_name(deployment)
    doing = Doing("Reading the ledger of migrations", (f"GRANT SELECT ON TABLE {table} TO ROLE ...",))
    try:
        rows = session.run(
            f'SELECT "NUMBER", "NAME", "SHA256", "APPLIED_AT", "APPLIED_BY" FROM {table}'
            ' ORDER BY "NUMBER", "APPLIED_AT"',
            doing=doing,
        )
    except SinkError as error:
        if error.fields.get("errno") in _NOT_THERE:
            return None
        raise
    found: dict[int, Applied] = {}
    for number, name, sha256, moment, by in rows:
        # Two runs at once may both have recorded one migration; they ran the same statements.
        first = found.setdefault(int(number), Applied(int(number), name, sha256, moment, by))
        if (first.name, first.sha256) != (name, sha256):
            raise SinkError(
                f"The ledger says two things of migration {int(number)}.",
                hint="Two versions of eventreplay migrated at once: compare the files, and what is there.",
                number=int(number),
            )
    return found


def create(session: Session, deployment: Deployment) -> None:
    """Make the ledger; it may be there already.

    Raises:
        SinkError: the role may not.
    """
    database = quoted(deployment.database)
    doing = Doing(
        "Creating the ledger of migrations",
        (f"GRANT USAGE, CREATE SCHEMA ON DATABASE {database} TO ROLE {quoted(deployment.owner)}",),
    )
    for statement in create_statements(deployment):
        session.run(statement, doing=doing)


def record(session: Session, deployment: Deployment, done: Migration, moment: datetime) -> None:
    """Add one row, unless there is one.

    Raises:
        SinkError: the role may not.
    """
    table = ledger_name(deployment)
    micros = (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    session.run(
        f'INSERT INTO {table} ("NUMBER", "NAME", "SHA256", "APPLIED_AT", "APPLIED_BY")'
        " SELECT ?, ?, ?, TO_TIMESTAMP_NTZ(?, 6), CURRENT_USER() || ' as ' || CURRENT_ROLE()"
        f' WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE "NUMBER" = ?)',
        [done.number, done.name, done.sha256, micros, done.number],
        doing=Doing(
            f"Recording migration {done.title}",
            (f"GRANT SELECT, INSERT ON TABLE {table} TO ROLE {quoted(deployment.owner)}",),
        ),
    )


def check_unchanged(known: tuple[Migration, ...], found: dict[int, Applied]) -> None:
    """Raise if what was applied is not what the files say.

    Raises:
        SinkError: a migration was changed after it was applied, or another version applied more.
    """
    by_number = {one.number: one for one in known}
    for number, row in sorted(found.items()):
        one = by_number.get(number)
        if one is None:
            raise SinkError(
                f"Migration {number:03d}_{row.name} was applied, and this version does not know it.",
                hint="A newer eventreplay migrated this database: use that version.",
                number=number,
            )
        if (one.name, one.sha256) != (row.name, row.sha256):
            raise SinkError(
                f"Migration {one.title} is not the one that was applied on {row.applied_at:%Y-%m-%d}.",
                hint="An applied migration never changes: restore its file, and put the change into a new"
                " one with the next number.",
                number=number,
                expected=row.sha256,
                found=one.sha256,
            )
