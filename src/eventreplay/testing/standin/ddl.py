"""Databases, schemas, tables, views: each definition commits what is open, and itself."""

import re
from typing import Any

from fakesnow import statement_type
from fakesnow.dialect import parse_one
from sqlglot import Expr, exp

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.dml import check_reads
from eventreplay.testing.standin.failures import SqlError, exists_already, not_found, unsupported
from eventreplay.testing.standin.parameters import DONE, plain
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.tables import dotted, key_of
from eventreplay.testing.standin.translate import Cursor

_DATABASE = re.compile(
    r'(?P<verb>CREATE|DROP)\s+(?P<replace>OR\s+REPLACE\s+)?(?:TRANSIENT\s+)?DATABASE\s+'
    r'(?P<exists>IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>"[^"]+"|[\w$]+)(?P<rest>.*)',
    re.IGNORECASE | re.DOTALL,
)


def run(session: Session, sql: str, params: Any) -> Result:
    """Run one definition."""
    if found := _DATABASE.fullmatch(sql):
        return _database(session, found)
    if re.match(r"UNDROP\b", sql, re.IGNORECASE):
        raise unsupported("UNDROP (time travel)")
    expression = parse_one(sql)
    cursor = Cursor(session)
    cursor.check_db_and_schema(expression)
    if isinstance(expression, exp.Command):
        raise unsupported(" ".join(sql.split()[:4]))
    _check(session, expression)
    table = expression.find(exp.Table)
    key = None if table is None else key_of(session, table)

    def work() -> Result:
        cursor.execute(sql, binding_params=params)
        arrow = cursor._arrow_table  # noqa: SLF001 - fakesnow keeps its result there
        text = str(arrow.column(0)[0].as_py()) if arrow is not None and arrow.num_rows else DONE
        return Result.status(text, statement_type.DDL)

    result = session.define(work, None if key is None else key[0])
    assert isinstance(result, Result)
    if isinstance(expression, exp.Create) and key is not None:
        kind = str(expression.kind).upper()
        name = dotted(key) if kind != "SCHEMA" else ".".join(key[1:])
        rights.owns(session, "TABLE" if kind == "VIEW" else kind, name)
    return result


def _check(session: Session, expression: Expr) -> None:
    del session, expression


def _database(session: Session, found: re.Match[str]) -> Result:
    name = plain(found["name"])
    if re.search(r"\bCLONE\b|\bFROM\s+SHARE\b", found["rest"], re.IGNORECASE):
        raise unsupported("CREATE DATABASE ... CLONE or FROM SHARE")
    session.commit()
    if found["verb"].upper() == "CREATE":
        if not rights.is_admin(session) and "CREATE DATABASE" not in rights.privileges(session, "ACCOUNT", ""):
            raise SqlError("SQL access control error:\nInsufficient privileges to operate on account", 3001, "42501")
        made = session.engine.create_database(
            name, replace=bool(found["replace"]), if_missing=bool(found["exists"])
        )
        if not made:
            return Result.status(f"{name} already exists, statement succeeded.")
        rights.owns(session, "DATABASE", name)
        rights.owns(session, "SCHEMA", f"{name}.PUBLIC")
        session.use(name, "PUBLIC")
        return Result.status(f"Database {name} successfully created.")
    if session.engine.has_database(name):
        if not rights.is_admin(session) and "OWNERSHIP" not in rights.privileges(session, "DATABASE", name):
            raise not_found("Database", name)
    if session.database == name:
        session.use(None, None)
        session.duck.execute("USE memory.main")
    session.engine.drop_database(name, if_exists=bool(found["exists"]))
    return Result.status(f"{name} successfully dropped.")
