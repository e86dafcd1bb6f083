"""What `eventreplay doctor` asks of Snowflake: login, role, warehouse, each right, tables, stage.

Rights are found out by using them on no rows inside a transaction that is rolled back: that is what will
happen, whichever roles a role has inherited, and it is exact where a list of grants would have to be
guessed from.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from eventreplay.errors import EventReplayError, SinkError
from eventreplay.finding import Finding
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import literal, quoted
from eventreplay.sinks.snowflake.rebuilding import missing_for_rebuild
from eventreplay.sinks.snowflake.session import Session, check_context
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.stage import ExternalStage, InternalStage, Stage, folder_name, owner_of
from eventreplay.sinks.snowflake.tables import RIGHTS, TABLES, Raw, described, differences

_AUTO_SUSPEND_S_MAX = 300
_PROBE = "eventreplay doctor"


def check(settings: SnowflakeSettings) -> list[Finding]:
    """Everything that a load needs, one by one; never raises for what is not there.

    The stage is tried with one small file, which is removed again; nothing else is written.
    """
    try:
        session = Session(settings)
    except EventReplayError as error:
        return [_missing("login", error)]
    try:
        return list(_findings(session, settings))
    finally:
        session.close()


def _findings(session: Session, settings: SnowflakeSettings) -> Iterator[Finding]:
    yield Finding(name="login", ok=True, detail=f"User {settings.user} by {settings.login_method}.")
    try:
        role = check_context(session, settings)
    except SinkError as error:
        yield _missing(str(error.fields.get("missing", "session")), error)
        return
    raw = Raw.of(settings, role)
    yield Finding(name="role", ok=True, detail=f"Role {role} is in use.")
    yield Finding(name="database and schema", ok=True, detail=f"{raw.database}.{raw.schema} is in use.")
    yield from _warehouse(session)
    for name in TABLES:
        yield from _table(session, raw, name)
    yield from _stage(session, raw, settings)
    yield _rebuilding(session, raw)


def _rebuilding(session: Session, raw: Raw) -> Finding:
    """What a rebuild takes: advice, since a role that only loads had better not have it."""
    try:
        missing = missing_for_rebuild(session, raw)
    except SinkError as error:
        return Finding(name="rebuild", ok=False, detail=error.message, hint=error.hint, required=False)
    if not missing:
        may = f"Role {raw.role} may make a second generation and promote it."
        return Finding(name="rebuild", ok=True, required=False, detail=may)
    lacks, grants = ", ".join(what for what, _ in missing), " ".join(grant for _, grant in missing)
    return Finding(
        name="rebuild",
        ok=False,
        required=False,
        detail=f"Role {raw.role} cannot rebuild: it lacks {lacks}.",
        hint=f"Rebuild with the role that owns RAW; or an administrator runs: {grants}",
    )


def _warehouse(session: Session) -> Iterator[Finding]:
    """The context has been checked: a warehouse is in use. How it suspends is advice."""
    try:
        rows = session.run("SELECT CURRENT_WAREHOUSE()", doing=Doing("Reading the warehouse"))
        name = str(rows[0][0])
        yield Finding(name="warehouse", ok=True, detail=f"Warehouse {name} is in use.")
        shown = session.named(f"SHOW WAREHOUSES LIKE {literal(name)}", doing=Doing("Reading the warehouse"))
    except SinkError as error:
        yield Finding(name="auto-suspend", ok=False, detail=error.message, hint=error.hint, required=False)
        return
    suspend = next((row.get("auto_suspend") for row in shown if row.get("name") == name), None)
    seconds = 0 if suspend in (None, "", "null") else int(str(suspend))
    suspends = 0 < seconds <= _AUTO_SUSPEND_S_MAX
    yield Finding(
        name="auto-suspend",
        ok=suspends,
        required=False,
        detail=f"The warehouse suspends after {seconds} s." if seconds else "The warehouse never suspends.",
        hint="" if suspends else f"ALTER WAREHOUSE {quoted(name)} SET AUTO_SUSPEND = 60;",
    )


def _table(session: Session, raw: Raw, name: str) -> Iterator[Finding]:
    try:
        wrong = differences(name, described(session, raw, name))
    except SinkError as error:
        yield _missing(f"table {name}", error)
        return
    yield Finding(
        name=f"table {name}",
        ok=not wrong,
        detail="; ".join(wrong) or "The columns are as expected.",
        hint="It was made by something else or by another version: alter it." if wrong else "",
    )
    for right in RIGHTS[name]:
        yield _right(session, raw, name, right)


def _right(session: Session, raw: Raw, name: str, right: str) -> Finding:
    table, first = raw.table(name), quoted(TABLES[name][0].name.upper())
    columns = ", ".join(quoted(column.name.upper()) for column in TABLES[name])
    statement = {
        "SELECT": f"SELECT {first} FROM {table} WHERE 1 = 0",
        "INSERT": f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE 1 = 0",
        "UPDATE": f"UPDATE {table} SET {first} = {first} WHERE 1 = 0",
    }[right]

    def use() -> None:
        session.begin()
        try:
            session.run(statement, doing=raw.doing(f"{right} on {raw.schema}.{name}", name, right))
        finally:
            session.rollback()

    return _tried(f"{right} on {name}", "The role has the right.", use)


def _stage(session: Session, raw: Raw, settings: SnowflakeSettings) -> Iterator[Finding]:
    stage: Stage
    if settings.stage == "internal":
        stage = InternalStage(raw, settings.stage_identifier)
    else:
        stage = ExternalStage(settings)
        yield _stage_address(session, raw, settings)
    owner = owner_of(_PROBE)
    folder = folder_name(datetime.now(UTC), secrets.token_hex(8), 0)

    def use() -> None:
        with tempfile.TemporaryDirectory(prefix="eventreplay-snowflake-") as local:
            path = Path(local) / "probe.txt"
            path.write_bytes(b"eventreplay\n")
            stage.upload(session, path, owner, folder)
        try:
            if folder not in stage.folders(session, owner):
                raise SinkError("A file that was uploaded is not on the stage.", hint="Check the stage.")
        finally:
            stage.remove(session, owner, folder)

    yield _tried("stage", "A probe was uploaded, listed and removed.", use)


def _stage_address(session: Session, raw: Raw, settings: SnowflakeSettings) -> Finding:
    bucket, prefix = settings.bucket_and_prefix
    wanted = f"s3://{bucket}/{prefix}"
    name = quoted(raw.database, raw.schema, settings.stage_identifier)
    usage = f"GRANT USAGE ON STAGE {name} TO ROLE {quoted(raw.role)}"

    def use() -> None:
        rows = session.named(f"DESCRIBE STAGE {name}", doing=Doing("Reading the stage", (usage,)))
        found = " ".join(
            str(row["property_value"]) for row in rows if str(row.get("property")).upper() == "URL"
        )
        if found.strip('[]"').rstrip("/") != wanted.rstrip("/"):
            raise SinkError(
                "The stage in Snowflake points to another place than the setting `stage`.",
                hint=f"ALTER STAGE {name} SET URL = {literal(wanted)};",
            )

    return _tried("stage address", f"The stage points to {wanted}.", use)


def _tried(name: str, detail: str, use: Callable[[], None]) -> Finding:
    try:
        use()
    except EventReplayError as error:
        return _missing(name, error)
    return Finding(name=name, ok=True, detail=detail)


def _missing(name: str, error: EventReplayError) -> Finding:
    return Finding(name=name, ok=False, detail=error.message, hint=error.hint)
