"""Transactions, session parameters, USE, and the stand-in's own CALLs."""

import re
from typing import Any

from fakesnow import statement_type

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.copy_options import parse_options
from eventreplay.testing.standin.failures import SqlError, not_found, unsupported
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import DEFAULTS, Session

DONE = "Statement executed successfully."
_NAME = r'"(?:[^"]|"")+"|[\w$]+'
_USE = re.compile(
    rf"USE\s+(?:(?P<kind>ROLE|WAREHOUSE|DATABASE|SCHEMA|SECONDARY\s+ROLES)\s+)?(?P<name>(?:{_NAME})(?:\.(?:{_NAME}))?)",
    re.IGNORECASE,
)


def plain(name: str) -> str:
    """A name as Snowflake stores it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()


def transaction(session: Session, sql: str, params: Any) -> Result:
    """BEGIN, COMMIT, ROLLBACK."""
    del params
    word = sql.split(maxsplit=1)[0].upper()
    if word == "COMMIT":
        session.commit()
    elif word == "ROLLBACK":
        session.rollback()
    else:
        session.begin()
    return Result.status(DONE, statement_type.TCL)


def set_parameter(session: Session, name: str, value: Any) -> None:
    """One session parameter; AUTOCOMMIT commits what is open, TIMEZONE moves DuckDB's."""
    if name == "AUTOCOMMIT":
        session.commit()
        value = str(value).upper() == "TRUE"
    elif name == "TIMEZONE":
        session.duck.execute("SET TimeZone = ?", [str(value)])
    elif name in ("LOCK_TIMEOUT", "STATEMENT_TIMEOUT_IN_SECONDS"):
        value = int(value)
    elif name == "QUOTED_IDENTIFIERS_IGNORE_CASE" and str(value).upper() == "TRUE":
        raise unsupported("QUOTED_IDENTIFIERS_IGNORE_CASE")
    session.parameters[name] = value


def alter_session(session: Session, sql: str, params: Any) -> Result:
    """ALTER SESSION SET ... / UNSET ...; a query tag is recorded with each statement."""
    del params
    found = re.match(r"ALTER\s+SESSION\s+(SET|UNSET)\s+(.*)", sql, re.IGNORECASE | re.DOTALL)
    if found is None:
        raise SqlError("SQL compilation error:\nsyntax error in ALTER SESSION", 1003, "42000")
    if found[1].upper() == "SET":
        for name, value in parse_options(found[2]).items():
            set_parameter(session, name, value)
    else:
        for name in re.split(r"[,\s]+", found[2].strip().upper()):
            if name in DEFAULTS:
                set_parameter(session, name, DEFAULTS[name])
            else:
                session.parameters.pop(name, None)
    return Result.status(DONE, statement_type.SCL)


def use(session: Session, sql: str, params: Any) -> Result:
    """USE ROLE, WAREHOUSE, DATABASE, SCHEMA."""
    del params
    found = _USE.fullmatch(sql.strip())
    if found is None:
        raise SqlError("SQL compilation error:\nsyntax error in USE", 1003, "42000")
    kind = re.sub(r"\s+", " ", (found["kind"] or "DATABASE").upper())
    names = [plain(part) for part in re.findall(_NAME, found["name"])]
    if found["kind"] is None and len(names) == 2:  # noqa: PLR2004 - USE database.schema
        kind = "SCHEMA"
    if kind == "ROLE":
        rights.use_role(session, names[0])
    elif kind == "WAREHOUSE":
        rights.use_warehouse(session, names[0])
    elif kind == "DATABASE":
        _use_database(session, names[0])
    elif kind == "SCHEMA":
        database = names[0] if len(names) > 1 else session.database
        if database is None or not session.engine.has_schema(database, names[-1]):
            raise not_found("Schema", ".".join(names))
        rights.need_usage(session, database, names[-1])
        session.use(database, names[-1])
    return Result.status(DONE, statement_type.USE)


def _use_database(session: Session, name: str) -> None:
    if not session.engine.has_database(name):
        raise not_found("Database", name)
    rights.need_usage(session, name, None)
    session.use(name, "PUBLIC")


def standin(session: Session, sql: str, params: Any) -> Result:
    """CALL SYSTEM$STANDIN_FORGET_COPY_HISTORY(['table']): what 64 days do, now."""
    del params
    found = re.match(
        r"CALL\s+SYSTEM\$STANDIN_FORGET_COPY_HISTORY\s*\(\s*(?:'([^']*)')?\s*\)", sql, re.IGNORECASE
    )
    if found is None or session.database is None:
        raise SqlError("Unknown procedure, or no current database.", 2140, "42601")
    table = f'"{session.database}"._fs_information_schema._loaded_files'
    if found[1]:
        session.duck.execute(f"DELETE FROM {table} WHERE table_name = ?", [found[1].split(".")[-1].upper()])  # noqa: S608
    else:
        session.duck.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
    return Result.status(DONE)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    return "NUMBER" if isinstance(value, int) else "STRING"


def show(session: Session, sql: str, params: Any) -> Result:
    """SHOW PARAMETERS [LIKE '...'] of the session."""
    del params
    like = re.search(r"LIKE\s+'([^']*)'", sql, re.IGNORECASE)
    pattern = ".*" if like is None else re.escape(like[1]).replace("%", ".*")
    rows = []
    for name, value in sorted(session.parameters.items()):
        if re.fullmatch(pattern, name, re.IGNORECASE) is None:
            continue
        default = DEFAULTS.get(name, "")
        level = "" if value == default else "SESSION"
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        rows.append(
            {
                "key": name, "value": shown, "default": str(default), "level": level, "description": "",
                "type": _type_of(value),
            }
        )  # fmt: skip
    return Result.rows(rows, ["key", "value", "default", "level", "description", "type"], statement_type.SHOW)
