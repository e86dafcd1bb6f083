"""Pipes: their definitions are checked and kept. Nothing is ever loaded by one here."""

import re
from typing import Any

from fakesnow import statement_type

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.copy_options import parse_copy
from eventreplay.testing.standin.failures import SqlError, exists_already, not_found, unsupported
from eventreplay.testing.standin.files import full_name
from eventreplay.testing.standin.parameters import DONE
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.stages import Stage

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+)){0,2}'
_CREATE = re.compile(
    rf"CREATE\s+PIPE\s+(?P<exists>IF\s+NOT\s+EXISTS\s+)?(?P<name>{_NAME})\s+"
    r"(?:AUTO_INGEST\s*=\s*(?P<ingest>TRUE|FALSE)\s+)?AS\s+(?P<copy>COPY\s+INTO\s.*)",
    re.IGNORECASE | re.DOTALL,
)
_DROP = re.compile(rf"DROP\s+PIPE\s+(?P<exists>IF\s+EXISTS\s+)?(?P<name>{_NAME})\s*", re.IGNORECASE)
_FORBIDDEN = ("FILES", "FORCE", "PURGE", "SIZE_LIMIT", "RETURN_FAILED_ONLY", "MATCH_BY_COLUMN_NAME")
"""Options of COPY that a pipe cannot have, or that nothing here needs in one."""


def define(session: Session, sql: str, params: Any) -> Result:
    """CREATE PIPE [IF NOT EXISTS] and DROP PIPE."""
    del params
    session.commit()
    pipes = session.engine.catalog.section("pipes")
    if dropped := _DROP.fullmatch(sql):
        name = full_name(session, dropped["name"])
        if name not in pipes:
            if dropped["exists"]:
                return Result.status(DONE)
            raise not_found("Pipe", name)
        rights.need(session, "OWNERSHIP", "PIPE", name)
        rights.dropped(session, "PIPE", name)
        return Result.status(f"{name.rsplit('.', 1)[-1]} successfully dropped.")
    found = _CREATE.fullmatch(sql)
    if found is None:
        raise unsupported(" ".join(sql.split()[:4]))
    name = full_name(session, found["name"])
    if name in pipes:
        if found["exists"]:
            return Result.status(f"{name} already exists, statement succeeded.")
        raise exists_already(name)
    _check(session, name, found["copy"], ingest=(found["ingest"] or "").upper() == "TRUE")
    with session.engine.catalog.changed():
        pipes[name] = {"definition": found["copy"]}
    rights.owns(session, "PIPE", name)
    return Result.status(f"Pipe {name.rsplit('.', 1)[-1]} successfully created.")


def _check(session: Session, name: str, statement: str, *, ingest: bool) -> None:
    """What CREATE PIPE checks: the place, the COPY, its table and its stage."""
    database, schema, _ = rights.parts_of(name)
    if not session.engine.has_schema(database, schema):
        raise not_found("Schema", f"{database}.{schema}")
    rights.need_create(session, "PIPE", database, schema)
    copy = parse_copy(statement)
    for option in _FORBIDDEN:
        if option in copy.options:
            raise SqlError(f"SQL compilation error:\na pipe cannot have {option}", 2, "0A000")
    target = full_name(session, copy.target)
    there = session.duck.cursor().execute(
        "select 1 from duckdb_tables() where database_name = ? and schema_name = ? and table_name = ?",
        list(rights.parts_of(target)),
    )
    if there.fetchone() is None:
        raise not_found("Table", target)
    rights.need(session, "INSERT", "TABLE", target)
    stage = Stage(session, copy.reference)
    rights.need(session, "USAGE" if stage.url else "READ", "STAGE", stage.key.replace("/", "."))
    if ingest and not stage.url:
        raise SqlError("SQL compilation error:\nAUTO_INGEST needs an external stage", 2, "0A000")


def show(session: Session, sql: str, params: Any) -> Result:
    """SHOW PIPES."""
    del sql, params
    rows = [
        {"name": rights.parts_of(name)[2], "database_name": rights.parts_of(name)[0],
         "schema_name": rights.parts_of(name)[1], "definition": held["definition"]}
        for name, held in sorted(session.engine.catalog.section("pipes").items())
        if rights.is_admin(session) or rights.privileges(session, "PIPE", name)
    ]  # fmt: skip
    return Result.rows(rows, ["name", "database_name", "schema_name", "definition"], statement_type.SHOW)
