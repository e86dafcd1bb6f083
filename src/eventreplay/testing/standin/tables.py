"""Tables: what DuckDB enforces and Snowflake does not, temporary tables, SWAP, CLONE."""

import duckdb
from sqlglot import Expr, exp

from eventreplay.testing.standin.engine import TEMPORARY_PREFIX
from eventreplay.testing.standin.session import Session

Key = tuple[str, str, str]
BINARY_MAX = 8_388_608
_KEYS = (exp.PrimaryKey, exp.UniqueColumnConstraint, exp.ForeignKey)
_TEXTS = (
    exp.DataType.Type.VARCHAR,
    exp.DataType.Type.CHAR,
    exp.DataType.Type.TEXT,
    exp.DataType.Type.NVARCHAR,
)
_BINARY = (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY)
_COLUMN_KEYS = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)


def name_of(identifier: Expr | None) -> str:
    """A name as Snowflake stores it: upper case unless quoted."""
    if identifier is None:
        return ""
    if isinstance(identifier, exp.Identifier):
        return str(identifier.this) if identifier.quoted else str(identifier.this).upper()
    return identifier.name.upper()


def key_of(session: Session, table: exp.Table) -> Key:
    """Database, schema and name of a table as the session sees it."""
    return (
        name_of(table.args.get("catalog")) or session.database or "",
        name_of(table.args.get("db")) or session.schema or "",
        name_of(table.this),
    )


def quoted(*names: str) -> str:
    """A qualified name as SQL has it, whatever the names hold."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def dotted(key: Key) -> str:
    """The name locks and commits are kept under."""
    return ".".join(key)


def place_temporary(session: Session, expression: Expr) -> Expr:
    """Temporary tables as plain ones under a name of the session's own: DuckDB's have no schema.

    They hide a permanent table of the same name from this session, and no other session sees them.
    """
    create = expression if isinstance(expression, exp.Create) else None
    properties = create.args.get("properties") if create is not None else None
    marks = [] if properties is None else list(properties.find_all(exp.TemporaryProperty))
    if create is not None and marks and create.kind == "TABLE":
        table = create.find(exp.Table)
        assert table is not None
        key = key_of(session, table)
        session.temporary[key] = f"{TEMPORARY_PREFIX}{session.number}_{key[2]}"
    for mark in marks:
        mark.pop()
    if not session.temporary:
        return expression
    for table in list(expression.find_all(exp.Table)):
        key = key_of(session, table)
        hidden = session.temporary.get(key)
        if hidden is None or not isinstance(table.this, exp.Identifier):
            continue
        if not table.alias and isinstance(table.parent, (exp.From, exp.Join)):
            table.set("alias", exp.TableAlias(this=table.this.copy()))
        table.set("this", exp.to_identifier(hidden, quoted=True))
    if isinstance(expression, exp.Drop):
        for key, hidden in list(session.temporary.items()):
            if any(table.name == hidden for table in expression.find_all(exp.Table)):
                del session.temporary[key]
    return expression


def without_star(expression: Expr, duck: duckdb.DuckDBPyConnection) -> Expr:
    """CREATE TABLE (columns) AS SELECT *: the star's columns by name, asked in DuckDB's own SQL.

    fakesnow asks in no dialect's, which DuckDB takes for simple queries only.
    """
    if not (isinstance(expression, exp.Create) and isinstance(expression.this, exp.Schema)):
        return expression
    query = expression.expression
    query = query.unnest() if isinstance(query, exp.Subquery) else query
    if isinstance(query, exp.Select) and any(isinstance(item, exp.Star) for item in query.expressions):
        found = duck.execute(f"DESCRIBE {query.sql(dialect='duckdb')}").fetchall()
        query.set("expressions", [exp.column(row[0]) for row in found])
    return expression


def without_keys(expression: Expr) -> Expr:
    """PRIMARY KEY, UNIQUE and FOREIGN KEY are not enforced by Snowflake; NOT NULL and VARCHAR(n) are."""
    if not (isinstance(expression, exp.Create) and isinstance(expression.this, exp.Schema)):
        return expression
    schema = expression.this
    primary: set[str] = set()
    kept: list[Expr] = []
    for item in schema.expressions:
        inner = item.expressions[0] if isinstance(item, exp.Constraint) and item.expressions else item
        if isinstance(inner, exp.PrimaryKey):
            primary |= {
                name_of(column.this if isinstance(column, exp.Ordered) else column)
                for column in inner.expressions
            }
        if not isinstance(inner, _KEYS):
            kept.append(item)
    for column in kept:
        if isinstance(column, exp.ColumnDef):
            _plain_column(column, name_of(column.this) in primary)
    schema.set("expressions", kept)
    return expression


def _plain_column(column: exp.ColumnDef, primary: bool) -> None:  # noqa: FBT001 - one of two kinds of column
    kept: list[Expr] = []
    names = list(column.args.get("constraints") or [])
    for constraint in names:
        kind = constraint.args.get("kind")
        primary = primary or isinstance(kind, exp.PrimaryKeyColumnConstraint)
        if not isinstance(kind, _COLUMN_KEYS):
            kept.append(constraint)
    if primary and not any(isinstance(c.args.get("kind"), exp.NotNullColumnConstraint) for c in kept):
        kept.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
    kind = column.args.get("kind")
    length = _length(kind)
    if kind is not None and length is not None:
        measure = "octet_length" if kind.this in _BINARY else "length"
        text = exp.func(measure, exp.column(column.this.copy()))
        kept.append(exp.ColumnConstraint(kind=exp.CheckColumnConstraint(this=text <= length)))
    column.set("constraints", kept)


def _length(kind: Expr | None) -> int | None:
    if not (isinstance(kind, exp.DataType) and kind.this in (*_TEXTS, *_BINARY)):
        return None
    if kind.expressions:
        return int(kind.expressions[0].name)
    return 1 if kind.this == exp.DataType.Type.CHAR else None


def take_binary_lengths(expression: Expr) -> list[tuple[str, int]]:
    """Lengths of the BINARY columns of a CREATE TABLE, taken out of it: DuckDB's BLOB has none."""
    found = []
    if isinstance(expression, exp.Create) and isinstance(expression.this, exp.Schema):
        for column in expression.this.find_all(exp.ColumnDef):
            kind = column.args.get("kind")
            if isinstance(kind, exp.DataType) and kind.this in _BINARY:
                length = _length(kind)
                found.append((name_of(column.this), BINARY_MAX if length is None else length))
                kind.set("expressions", [])
    return found


def qualify_view(session: Session, expression: Expr) -> None:
    """Names inside a view mean the place where it was made, whoever reads it."""
    if not (
        isinstance(expression, exp.Create) and expression.kind == "VIEW" and expression.expression is not None
    ):
        return
    names = {cte.alias_or_name.upper() for cte in expression.expression.find_all(exp.CTE)}
    for table in expression.expression.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name.upper() in names):
            continue
        database, schema, _ = key_of(session, table)
        if not table.alias and isinstance(table.parent, (exp.From, exp.Join)):
            table.set("alias", exp.TableAlias(this=table.this.copy()))
        table.set("db", exp.to_identifier(schema, quoted=True))
        table.set("catalog", exp.to_identifier(database, quoted=True))


def take_comments(expression: Expr) -> list[tuple[str, str]]:
    """Comments on columns inside CREATE TABLE or CREATE VIEW, taken out of it."""
    if not (isinstance(expression, exp.Create) and isinstance(expression.this, exp.Schema)):
        return []
    found = []
    for column in expression.this.expressions:
        if not isinstance(column, exp.ColumnDef):
            continue
        kept = []
        for constraint in column.args.get("constraints") or []:
            kind = constraint.args.get("kind")
            if isinstance(kind, exp.CommentColumnConstraint):
                found.append(
                    (name_of(column.this), str(kind.this.name if isinstance(kind.this, Expr) else kind.this))
                )
            else:
                kept.append(constraint)
        column.set("constraints", kept)
    if expression.kind == "VIEW":
        plain = [
            column.this if isinstance(column, exp.ColumnDef) else column
            for column in expression.this.expressions
        ]
        expression.this.set("expressions", plain)
    return found
