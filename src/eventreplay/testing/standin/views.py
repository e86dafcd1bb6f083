"""Views as they were written: what GET_DDL gives. DuckDB keeps its own words for them."""

import re

import sqlglot
from sqlglot import TokenType

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.failures import not_found, unsupported
from eventreplay.testing.standin.files import full_name
from eventreplay.testing.standin.session import Session

_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*")
_GET_DDL = re.compile(
    r"\bGET_DDL\s*\(\s*'(?P<kind>\w+)'\s*,\s*'(?P<name>(?:[^']|'')+)'\s*(?:,\s*(?P<full>TRUE|FALSE)\s*)?\)",
    re.IGNORECASE,
)
_CANCEL = re.compile(r"\bSYSTEM\$CANCEL_ALL_QUERIES\s*\(\s*(?P<number>\d+)\s*\)", re.IGNORECASE)


def remember(session: Session, name: str, sql: str) -> None:
    """Keep the query of a view that was made: all behind its AS, letter by letter."""
    depth = 0
    for token in sqlglot.tokenize(sql, read="snowflake"):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if token.token_type == TokenType.ALIAS and depth == 0:
            with session.engine.catalog.changed():
                session.engine.catalog.section("views")[name] = sql[token.end + 1 :].strip()
            return


def renamed(session: Session, old: str, new: str) -> None:
    """A view has another name."""
    held = session.engine.catalog.section("views")
    if old in held:
        with session.engine.catalog.changed():
            held[new] = held.pop(old)


def answered(session: Session, sql: str) -> str:
    """A query with the values of GET_DDL and SYSTEM$CANCEL_ALL_QUERIES in their places."""
    sql = _GET_DDL.sub(lambda found: _literal(_definition(session, found)), sql)
    return _CANCEL.sub(lambda found: _literal(_cancelled(session, int(found["number"]))), sql)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _definition(session: Session, found: re.Match[str]) -> str:
    """docs.snowflake.com/en/sql-reference/functions/get_ddl: columns are listed, the query is as written."""
    if found["kind"].upper() != "VIEW":
        raise unsupported(f"GET_DDL of {found['kind']}")
    name = full_name(session, found["name"].replace("''", "'"))
    rights.need(session, "SELECT", "TABLE", name)
    text = session.engine.catalog.section("views").get(name)
    if text is None:
        raise not_found("View", name)
    parts = rights.parts_of(name)
    columns = session.duck.cursor().execute(
        "select column_name from duckdb_columns() where (database_name, schema_name, table_name) = (?, ?, ?)"
        " order by column_index",
        parts,
    )
    listed = ",\n\t".join(_shown(row[0]) for row in columns.fetchall())
    shown = ".".join(
        _shown(part) for part in (parts if (found["full"] or "").upper() == "TRUE" else parts[2:])
    )
    return f"create or replace view {shown}(\n\t{listed}\n) as\n{text};"


def _shown(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _cancelled(session: Session, number: int) -> str:
    """What runs in another session is stopped."""
    other = session.engine.sessions.get(number)
    if other is None or other is session:
        return "0 queries cancelled."
    other.interrupt()
    return "1 query cancelled."
