"""Queries, SHOW and DESCRIBE."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from fakesnow import statement_type
from fakesnow.dialect import parse_one
from sqlglot import Expr, exp

from eventreplay.testing.standin import rights, views
from eventreplay.testing.standin.dml import check_reads, reads_of
from eventreplay.testing.standin.engine import search_path
from eventreplay.testing.standin.failures import unsupported
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.tables import BINARY_MAX, key_of
from eventreplay.testing.standin.translate import Cursor

_HISTORY = re.compile(
    r"TABLE\s*\(\s*(?:[\w\"]+\.)?INFORMATION_SCHEMA\.QUERY_HISTORY(?:_BY_\w+)?\s*\([^()]*\)\s*\)",
    re.IGNORECASE,
)
_SYSTEM: dict[str, Callable[[Session], str | None]] = {
    r"CURRENT_ROLE\s*\(\s*\)": lambda s: s.role,
    r"CURRENT_WAREHOUSE\s*\(\s*\)": lambda s: s.warehouse,
    r"CURRENT_USER\s*\(\s*\)": lambda s: s.user,
    r"CURRENT_ACCOUNT\s*\(\s*\)": lambda _: "STANDIN",
    r"CURRENT_REGION\s*\(\s*\)": lambda _: "LOCAL",
    r"CURRENT_DATABASE\s*\(\s*\)": lambda s: s.database,
    r"CURRENT_SCHEMA\s*\(\s*\)": lambda s: s.schema,
    r"CURRENT_SESSION\s*\(\s*\)": lambda s: str(s.number),
    r"CURRENT_TRANSACTION\s*\(\s*\)": lambda s: None if s.transaction is None else str(s.transaction.number),
    r"LAST_QUERY_ID\s*\(\s*\)": lambda s: s.last_query_id,
}


def _system(session: Session, sql: str) -> str:
    for pattern, value in _SYSTEM.items():
        if re.search(rf"\b{pattern}", sql, re.IGNORECASE):
            known = value(session)
            text = "NULL" if known is None else "'" + known.replace("'", "''") + "'"
            sql = re.sub(rf"\b{pattern}", text.replace("\\", r"\\"), sql, flags=re.IGNORECASE)
    return sql


def _with_binary_lengths(session: Session, expression: exp.Describe, table: pa.Table) -> pa.Table:
    """DESCRIBE TABLE with the lengths that BINARY columns were given; fakesnow shows the longest."""
    target = expression.find(exp.Table)
    if target is None or "type" not in table.column_names:
        return table
    database, schema, name = key_of(session, target)
    lengths = dict(
        session.probe.execute(
            "SELECT ext_column_name, ext_character_maximum_length"
            " FROM _fs_global._fs_information_schema._fs_columns_ext"
            " WHERE ext_table_catalog = ? AND ext_table_schema = ? AND ext_table_name = ?",
            [database, schema, session.temporary.get((database, schema, name), name)],
        ).fetchall()
    )
    kinds = [
        f"BINARY({lengths.get(column, BINARY_MAX)})" if kind.startswith("BINARY") else kind
        for column, kind in zip(table["name"].to_pylist(), table["type"].to_pylist(), strict=True)
    ]
    return table.set_column(table.column_names.index("type"), "type", pa.array(kinds, pa.string()))


@contextmanager
def _looking_at(session: Session, expression: Expr) -> Iterator[None]:
    """DESCRIBE reads the columns' list of the current database: the table's, for as long as it takes."""
    target = expression.find(exp.Table) if isinstance(expression, exp.Describe) else None
    database = None if target is None else key_of(session, target)[0]
    if not database or database == session.database or not session.engine.has_database(database):
        yield
        return
    session.duck.execute(search_path(database, None))
    try:
        yield
    finally:
        known = session.database
        session.duck.execute("USE memory.main" if known is None else search_path(known, session.schema))


def run(session: Session, sql: str, params: Any) -> Result:
    """Run one statement that changes nothing."""
    sql = views.answered(session, _system(session, session.conn.variables.inline_variables(sql)))
    if _HISTORY.search(sql):
        session.duck.register("_query_history", session.engine.history.table())
        sql = _HISTORY.sub("MEMORY.MAIN._QUERY_HISTORY", sql)
    expression = parse_one(sql)
    if expression.find(exp.HistoricalData):
        raise unsupported("time travel (AT, BEFORE)")
    cursor = Cursor(session)
    if "_QUERY_HISTORY" not in sql:
        cursor.check_db_and_schema(expression)
    query = isinstance(expression, exp.Query)
    if query and expression.find(exp.Table) is not None and "_QUERY_HISTORY" not in sql:
        check_reads(session, expression, None)
        rights.need_warehouse(session)
    own = None if params is None else params if isinstance(params, dict) else list(params)
    kind = statement_type.SELECT if query else statement_type.statement_type_id(expression)
    reads = reads_of(session, expression) if query else set()

    def work() -> Result:
        if query:
            text = (
                cursor.translate(expression.copy(), own)
                .sql(dialect="duckdb")
                .replace("MEMORY.MAIN._QUERY_HISTORY", "_query_history")
            )
            session.duck.execute(text, own)
            return Result.fetched(session.duck, kind)
        with _looking_at(session, expression):
            cursor.execute(sql, binding_params=params)
            last, values, table = cursor.ran()
            if table is None:
                return Result.status("Statement executed successfully.", kind)
            described = session.duck.execute(f"DESCRIBE {last}", values).fetchall()
        if isinstance(expression, exp.Describe):
            table = _with_binary_lengths(session, expression, table)
        return Result(table, [str(row[1]) for row in described], kind)

    result = session.read(work, reads)
    assert isinstance(result, Result)
    return result
