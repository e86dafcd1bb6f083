"""INSERT, UPDATE, DELETE, MERGE: in the session's transaction, with Snowflake's counts."""

from typing import Any

from fakesnow import statement_type
from fakesnow.dialect import parse_one
from sqlglot import Expr, exp

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.failures import SqlError
from eventreplay.testing.standin.locks import EVERYTHING
from eventreplay.testing.standin.merging import merge
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Run, Session
from eventreplay.testing.standin.tables import dotted, key_of
from eventreplay.testing.standin.translate import Cursor

_KINDS: dict[type[Expr], int] = {
    exp.Insert: statement_type.INSERT,
    exp.Update: statement_type.UPDATE,
    exp.Delete: statement_type.DELETE,
}
_NEEDS: dict[type[Expr], set[str]] = {exp.Insert: {"INSERT"}, exp.Update: {"UPDATE"}, exp.Delete: {"DELETE"}}


def target_of(expression: Expr) -> exp.Table:
    """The table a statement writes."""
    table = expression.this.this if isinstance(expression.this, exp.Schema) else expression.this
    if not isinstance(table, exp.Table):
        raise SqlError("SQL compilation error:\nthe target is not a table", 1003, "42000")
    return table


def reads_of(session: Session, expression: Expr) -> set[str]:
    """Tables a statement mentions; a name that is no table (a view, a CTE) may read any."""
    names = {dotted(key_of(session, table)) for table in expression.find_all(exp.Table)}
    known = session.duck.cursor().execute(
        "select database_name, schema_name, table_name from duckdb_tables()"
    )
    tables = {".".join(row) for row in known.fetchall()}
    return names if names <= tables else names | {EVERYTHING}


def check_reads(session: Session, expression: Expr, target: exp.Table | None) -> None:
    """SELECT on every table and view the statement reads."""
    if rights.is_admin(session):
        return
    names = {cte.alias_or_name.upper() for cte in expression.find_all(exp.CTE)}
    for table in expression.find_all(exp.Table):
        if table is target or not isinstance(table.this, exp.Identifier):
            continue
        if table.name.upper() in names and not table.db:
            continue
        key = key_of(session, table)
        if key in session.temporary or key[1] in ("INFORMATION_SCHEMA", ""):
            continue
        rights.need(session, "SELECT", "TABLE", dotted(key))


def run(session: Session, sql: str, params: Any) -> Result:
    """Run one DML statement."""
    expression = parse_one(sql)
    cursor = Cursor(session)
    cursor.check_db_and_schema(expression)
    target = target_of(expression)
    key = key_of(session, target)
    if key not in session.temporary:
        needs = (
            {"INSERT", "UPDATE", "DELETE"} if isinstance(expression, exp.Merge) else _NEEDS[type(expression)]
        )
        for privilege in sorted(needs):
            rights.need(session, privilege, "TABLE", dotted(key))
    check_reads(session, expression, target)
    rights.need_warehouse(session)
    reads = reads_of(session, expression)
    if isinstance(expression, exp.Merge):
        return merge(session, expression, params, dotted(key), reads)
    if key not in session.temporary:  # in full: the journal follows the table if it is moved
        target.set("db", exp.to_identifier(key[1], quoted=True))
        target.set("catalog", exp.to_identifier(key[0], quoted=True))
    overwrite = isinstance(expression, exp.Insert) and bool(expression.args.get("overwrite"))
    exclusive = {dotted(key)} if overwrite or not isinstance(expression, exp.Insert) else set()
    if isinstance(expression, exp.Insert) and not expression.find(exp.Select):
        reads = set()
    kind = _KINDS[type(expression)]
    statements: list[Expr] = []
    if overwrite:
        expression.set("overwrite", None)
        statements.append(exp.Delete(this=target.copy()))
    statements.append(expression)
    rows = params if isinstance(params, list) and params and isinstance(params[0], tuple) else None

    def work(run_sql: Run) -> int:
        count = 0
        for statement in statements:
            own = (
                None
                if params is None or rows is not None
                else list(params)
                if not isinstance(params, dict)
                else params
            )
            text = cursor.translate(statement.copy(), own).sql(dialect="duckdb")
            if rows is not None:
                return sum(int(run_sql(text, list(row)).fetchall()[0][0]) for row in rows)
            uses = statement is expression
            count = int(run_sql(text, own if uses else None).fetchall()[0][0])
        return count

    count = session.write(work, writes={dotted(key)}, exclusive=exclusive, reads=reads)
    return _counted(expression, count, kind)


def _counted(expression: Expr, count: int, kind: int) -> Result:
    if isinstance(expression, exp.Update):
        return Result.counts(
            {"number of rows updated": count, "number of multi-joined rows updated": 0}, kind
        )
    word = "inserted" if isinstance(expression, exp.Insert) else "deleted"
    return Result.counts({f"number of rows {word}": count}, kind)
