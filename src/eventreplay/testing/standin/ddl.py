"""Databases, schemas, tables, views: each definition commits what is open, and itself."""

import re
from typing import Any

import sqlglot
from fakesnow import statement_type
from fakesnow.dialect import parse_one
from sqlglot import Expr, exp

from eventreplay.testing.standin import rights, views
from eventreplay.testing.standin.dml import check_reads
from eventreplay.testing.standin.engine import PLAIN_NAME, TEMPORARY_PREFIX
from eventreplay.testing.standin.failures import SqlError, exists_already, not_found, unsupported
from eventreplay.testing.standin.moving import clone_schema, clone_table, exchange, rename
from eventreplay.testing.standin.parameters import DONE, plain
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.schemas import alter_access, keep_kind, take_kind
from eventreplay.testing.standin.session import Run, Session
from eventreplay.testing.standin.tables import Key, dotted, key_of, name_of
from eventreplay.testing.standin.translate import Cursor

_DATABASE = re.compile(
    r"(?P<verb>CREATE|DROP)\s+(?P<replace>OR\s+REPLACE\s+)?(?:TRANSIENT\s+)?DATABASE\s+"
    r'(?P<exists>IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>"(?:[^"]|"")+"|[\w$]+)(?P<rest>.*)',
    re.IGNORECASE | re.DOTALL,
)


_COLUMN_COMMENTS = re.compile(
    r"ALTER\s+(?:TABLE|VIEW)\s+(?P<name>\S+)\s+(?:ALTER|MODIFY)\s+(?P<rest>.*\bCOMMENT\b.*)",
    re.IGNORECASE | re.DOTALL,
)
_COLUMN_COMMENT = re.compile(
    r"""\s*,?\s*(?:COLUMN\s+)?(?P<column>"(?:[^"]|"")+"|[\w$]+)\s+COMMENT\s+(?:\$\$(?P<raw>.*?)\$\$|'(?P<text>(?:[^']|'')*)')""",
    re.IGNORECASE | re.DOTALL,
)


def _column_comments(session: Session, found: re.Match[str]) -> Result | None:
    """ALTER TABLE ... ALTER column COMMENT '...', ...: several columns in one statement; None.

    Something else too.
    """
    key = key_of(session, sqlglot.parse_one(found["name"], read="snowflake", into=exp.Table))
    rest, comments = found["rest"], []
    while item := _COLUMN_COMMENT.match(rest):
        text = item["raw"] if item["raw"] is not None else item["text"].replace("''", "'")
        comments.append((plain(item["column"]), text))
        rest = rest[item.end() :]
    if rest.strip():
        return None
    if key not in session.temporary:
        rights.need(session, "OWNERSHIP", "TABLE", dotted(key))
    session.define(lambda: _comment(session, [key], comments), key[0], {dotted(key)})
    return Result.status(DONE)


def run(session: Session, sql: str, params: Any) -> Result:
    """Run one definition."""
    if (altered := alter_access(session, sql)) is not None:
        return altered
    return _run(session, sql, params)


def _run(session: Session, sql: str, params: Any) -> Result:
    if found := _DATABASE.fullmatch(sql):
        return _database(session, found)
    if re.match(r"UNDROP\b", sql, re.IGNORECASE):
        raise unsupported("UNDROP (time travel)")
    if (found := _COLUMN_COMMENTS.fullmatch(sql)) and (commented := _column_comments(session, found)):
        return commented
    sql, schema_kind = take_kind(sql)
    expression = parse_one(sql)
    cursor = Cursor(session)
    cursor.check_db_and_schema(expression)
    if expression.find(exp.HistoricalData):
        raise unsupported("time travel (AT, BEFORE)")
    if isinstance(expression, exp.Command) and not re.search(r"RECLUSTER|SET TAG", sql, re.IGNORECASE):
        raise unsupported(" ".join(sql.split()[:4]))
    keys = _keys(session, expression)
    _check(session, expression, keys)
    if schema_kind is not None:
        keep_kind(session, keys[0], schema_kind)
    special = _special(session, expression, keys)
    if special is not None:
        return special
    lasting = not (keys and keys[0] in session.temporary)

    def work() -> Result:
        cursor.execute(sql, binding_params=params)
        arrow = cursor.ran()[2]
        _comment(session, keys, cursor.comments)
        text = str(arrow.column(0)[0].as_py()) if arrow is not None and arrow.num_rows else DONE
        text = DONE if isinstance(expression, exp.Comment) else re.sub(rf"{TEMPORARY_PREFIX}\d+_", "", text)
        return Result.status(text, statement_type.DDL)

    tables = {dotted(key) for key in keys} if _changes(expression) else set()
    result = session.define(work, keys[0][0] if keys else None, tables)
    assert isinstance(result, Result)
    if keys and lasting:
        _afterwards(session, expression, keys[0], sql)
    return result


def _comment(session: Session, keys: list[Key], comments: list[tuple[str, str]]) -> None:
    for column, text in comments:
        database, schema, name = keys[0]
        place = f'"{database}"."{schema}"."{session.temporary.get(keys[0], name)}"."{column}"'
        quoted = text.replace("'", "''")
        session.duck.execute(f"COMMENT ON COLUMN {place} IS '{quoted}'")


def _keys(session: Session, expression: Expr) -> list[Key]:
    """What a definition is about; a schema as (database, schema, "")."""
    kind = str(expression.args.get("kind") or "").upper()
    if isinstance(expression, exp.Drop) and expression.args.get("tables"):
        targets = expression.args["tables"]
    else:
        targets = [expression.this.this if isinstance(expression.this, exp.Schema) else expression.this]
    this = targets[0]
    if not isinstance(this, exp.Table):
        return []
    if kind == "SCHEMA":
        return [
            (name_of(this.args.get("catalog")) or session.database or "", name_of(this.args.get("db")), "")
        ]
    return [key_of(session, table) for table in targets]


def _changes(expression: Expr) -> bool:
    replaces = isinstance(expression, exp.Create) and bool(expression.args.get("replace"))
    return isinstance(expression, (exp.Alter, exp.Drop)) or replaces


def _check(session: Session, expression: Expr, keys: list[Key]) -> None:
    if rights.is_admin(session) or not keys:
        return
    database, schema, name = keys[0]
    kind = str(expression.args.get("kind") or "TABLE").upper()
    if isinstance(expression, exp.Create):
        rights.need_create(session, kind, database, schema if name else None)
        if expression.expression is not None:
            check_reads(session, expression.expression, None)
            rights.need_warehouse(session)
        return
    if isinstance(expression, exp.Drop) and expression.args.get("exists"):
        stored = "TABLE" if kind == "VIEW" else kind
        if f"{stored} {dotted(keys[0]).rstrip('.')}" not in session.engine.catalog.owners:
            return  # there is nothing to drop, which is no error
    if kind == "SCHEMA":
        rights.need(session, "OWNERSHIP", "SCHEMA", f"{database}.{schema}")
    elif keys[0] not in session.temporary:
        privilege = "TRUNCATE" if isinstance(expression, exp.TruncateTable) else "OWNERSHIP"
        rights.need(session, privilege, "TABLE", dotted(keys[0]))


def _special(session: Session, expression: Expr, keys: list[Key]) -> Result | None:
    """What DuckDB has no words for: TRUNCATE, CLONE, LIKE, SWAP WITH, RENAME."""
    if isinstance(expression, exp.TruncateTable):
        return _truncate(session, [key_of(session, table) for table in expression.expressions])
    clone = expression.find(exp.Clone) if isinstance(expression, exp.Create) else None
    if clone is not None and keys:
        return _clone(session, expression, clone, keys[0])
    like = expression.find(exp.LikeProperty) if isinstance(expression, exp.Create) else None
    if like is not None and keys:
        return _like(session, expression, key_of(session, like.this), keys[0])
    if isinstance(expression, exp.Create) and str(expression.args.get("kind")).upper() == "SCHEMA" and keys:
        return _create_schema(session, expression, keys[0])
    actions = expression.args.get("actions") if isinstance(expression, exp.Alter) else None
    if not actions or not keys:
        return None
    if isinstance(actions[0], exp.SwapTable):
        other = key_of(session, actions[0].this)
        rights.need(session, "OWNERSHIP", "TABLE", dotted(other))
        session.define(
            lambda: exchange(session, keys[0], other), keys[0][0], {dotted(keys[0]), dotted(other)}
        )
        return Result.status(DONE)
    if isinstance(actions[0], exp.AlterRename):
        new = actions[0].this
        other = key_of(session, new)
        if not new.args.get("db"):
            other = (keys[0][0], keys[0][1], other[2])
        kind = str(expression.args.get("kind")).upper()
        session.define(lambda: rename(session, kind, keys[0], other), keys[0][0], {dotted(keys[0])})
        return Result.status(DONE)
    return None


def _create_schema(session: Session, expression: exp.Create, key: Key) -> Result | None:
    """A schema whose name SQL has to quote; fakesnow's own way is taken for plain names."""
    database, schema, _ = key
    if PLAIN_NAME.fullmatch(schema) or expression.args.get("replace"):
        return None
    there = session.engine.has_schema(database, schema)
    if there and not expression.args.get("exists"):
        raise exists_already(schema)
    if not there:
        name = schema.replace('"', '""')
        session.define(lambda: session.duck.execute(f'CREATE SCHEMA "{database}"."{name}"'), database)
        rights.owns(session, "SCHEMA", f"{database}.{schema}")
    session.use(database, schema)
    return Result.status(f"Schema {schema} successfully created.")


def _clone(session: Session, expression: Expr, clone: exp.Clone, key: Key) -> Result:
    kind = str(expression.args.get("kind")).upper()
    replace, exists = bool(expression.args.get("replace")), bool(expression.args.get("exists"))
    if kind == "TABLE":
        source = key_of(session, clone.this)
        rights.need(session, "SELECT", "TABLE", dotted(source))
        session.define(lambda: clone_table(session, source, key, replace=replace, exists=exists), key[0])
    elif kind == "SCHEMA":
        table = clone.this
        source = (
            name_of(table.args.get("db") or table.args.get("catalog")) or session.database or "",
            name_of(table.this), ""
        )  # fmt: skip
        session.define(lambda: clone_schema(session, source, key, replace=replace), key[0])
    else:
        raise unsupported(f"CREATE {kind} ... CLONE")
    if kind == "TABLE" and replace and expression.find(exp.CopyGrantsProperty) is None:
        rights.replaced(session, dotted(key))
    rights.owns(session, kind, dotted(key).rstrip("."))
    return Result.status(f"{kind.capitalize()} {key[2] or key[1]} successfully created.")


def _like(session: Session, expression: Expr, source: Key, key: Key) -> Result:
    """CREATE TABLE ... LIKE; fakesnow's own way loses what is NOT NULL."""
    replace, exists = bool(expression.args.get("replace")), bool(expression.args.get("exists"))
    rights.need(session, "SELECT", "TABLE", dotted(source))
    session.define(
        lambda: clone_table(session, source, key, replace=replace, exists=exists, rows=False), key[0]
    )
    rights.owns(session, "TABLE", dotted(key))
    return Result.status(f"Table {key[2]} successfully created.")


def _truncate(session: Session, keys: list[Key]) -> Result:
    session.commit()
    for key in keys:
        rights.need(session, "TRUNCATE", "TABLE", dotted(key)) if key not in session.temporary else None
        name = session.temporary.get(key, key[2])

        def work(run_sql: Run, key: Key = key, name: str = name) -> None:
            run_sql(f'DELETE FROM "{key[0]}"."{key[1]}"."{name}"')  # noqa: S608 - names of the catalog
            run_sql(_forget(key), [key[1], key[2]])

        session.write(work, writes={dotted(key)}, exclusive={dotted(key)}, reads=set())
    session.commit()
    return Result.status(DONE)


def _forget(key: Key) -> str:
    held = f'"{key[0]}"._fs_information_schema._loaded_files'
    return f"DELETE FROM {held} WHERE schema_name = ? AND table_name = ?"  # noqa: S608 - a name of the catalog


def _afterwards(session: Session, expression: Expr, key: Key, sql: str) -> None:
    """A new or dropped table has no load history; a new object has an owner, a dropped one none."""
    kind = str(expression.args.get("kind") or "").upper()
    stored = "TABLE" if kind == "VIEW" else kind
    name = dotted(key).rstrip(".")
    catalog = session.engine.catalog
    if isinstance(expression, exp.Create):
        if kind == "TABLE" and not expression.args.get("exists"):
            session.duck.execute(_forget(key), [key[1], key[2]])
        if kind == "VIEW":
            views.remember(session, name, sql)
        if expression.args.get("replace") and expression.find(exp.CopyGrantsProperty) is None:
            rights.replaced(session, name)
        if f"{stored} {name}" not in catalog.owners or expression.args.get("replace"):
            rights.owns(session, stored, name, future=kind)
    elif isinstance(expression, exp.Drop):
        if kind == "TABLE":
            session.duck.execute(_forget(key), [key[1], key[2]])
        rights.dropped(session, stored, name)


def _database(session: Session, found: re.Match[str]) -> Result:
    name = plain(found["name"])
    if re.search(r"\bCLONE\b|\bFROM\s+SHARE\b", found["rest"], re.IGNORECASE):
        raise unsupported("CREATE DATABASE ... CLONE or FROM SHARE")
    session.commit()
    if found["verb"].upper() == "CREATE":
        if not rights.is_admin(session) and "CREATE DATABASE" not in rights.privileges(
            session, "ACCOUNT", ""
        ):
            raise SqlError(
                "SQL access control error:\nInsufficient privileges to operate on account", 3001, "42501"
            )
        made = session.engine.create_database(
            name, replace=bool(found["replace"]), if_missing=bool(found["exists"])
        )
        if not made:
            return Result.status(f"{name} already exists, statement succeeded.")
        rights.owns(session, "DATABASE", name)
        rights.owns(session, "SCHEMA", f"{name}.PUBLIC")
        session.use(name, "PUBLIC")
        return Result.status(f"Database {name} successfully created.")
    owner = rights.is_admin(session) or "OWNERSHIP" in rights.privileges(session, "DATABASE", name)
    if session.engine.has_database(name) and not owner:
        raise not_found("Database", name)
    if session.database == name:
        session.use(None, None)
        session.duck.execute("USE memory.main")
    session.engine.drop_database(name, if_exists=bool(found["exists"]))
    rights.dropped(session, "DATABASE", name)
    return Result.status(f"{name} successfully dropped.")
