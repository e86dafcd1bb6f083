"""CLONE, LIKE, SWAP WITH, RENAME: one DuckDB transaction each; history, rights, comment go with a table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from eventreplay.testing.standin import rights, views
from eventreplay.testing.standin.failures import exists_already, not_allowed, not_found, unsupported
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.tables import Key, dotted

_COMMENTS = "_fs_global._fs_information_schema._fs_tables_ext"
_LENGTHS = "_fs_global._fs_information_schema._fs_columns_ext"
_WHOSE = "(ext_table_catalog, ext_table_schema, ext_table_name) = (?, ?, ?)"
_PASSING = "__PASSING"


def _quoted(key: Key) -> str:
    return ".".join(f'"{part}"' for part in key)


def _definition(session: Session, key: Key) -> str | None:
    row = session.duck.execute(
        "select sql from duckdb_tables() where database_name = ? and schema_name = ? and table_name = ?",
        list(key),
    ).fetchone()
    return None if row is None else str(row[0])


def _there(session: Session, key: Key) -> bool:
    return _definition(session, key) is not None


def _copy(session: Session, source: Key, target: Key, *, rows: bool = True) -> None:
    definition = _definition(session, source)
    if definition is None:
        raise not_found("Table", dotted(source))
    columns = re.sub(r"^CREATE TABLE [^(]+\(", "", definition, count=1)
    session.duck.execute(f"CREATE TABLE {_quoted(target)} ({columns}")
    if rows:
        session.duck.execute(f"INSERT INTO {_quoted(target)} SELECT * FROM {_quoted(source)}")  # noqa: S608


def _move(session: Session, source: Key, target: Key) -> None:
    """A table to another name; DuckDB cannot rename into another schema, so there it is copied."""
    if source[:2] == target[:2]:
        session.duck.execute(f'ALTER TABLE {_quoted(source)} RENAME TO "{target[2]}"')
    else:
        _copy(session, source, target)
        session.duck.execute(f"DROP TABLE {_quoted(source)}")
    session.duck.execute(
        f'UPDATE "{source[0]}"._fs_information_schema._loaded_files SET schema_name = ?, table_name = ? '  # noqa: S608
        "WHERE schema_name = ? AND table_name = ?",
        [*target[1:], *source[1:]],
    )


def _at_once(session: Session, *steps: tuple[Key, Key]) -> None:
    with _one_step(session):
        for source, target in steps:
            _move(session, source, target)
    # fakesnow keeps these in a database of its own, and a transaction of DuckDB writes to one alone.
    for source, target in steps:
        for held in (_COMMENTS, _LENGTHS):
            # Of a table that was dropped something may be left under the name.
            session.duck.execute(f"DELETE FROM {held} WHERE {_WHOSE}", list(target))  # noqa: S608 - constants
            session.duck.execute(
                f"UPDATE {held} SET ext_table_schema = ?, ext_table_name = ? WHERE {_WHOSE}",  # noqa: S608
                [*target[1:], *source],
            )


@contextmanager
def _one_step(session: Session) -> Iterator[None]:
    """A transaction of DuckDB around the block."""
    session.duck.execute("BEGIN TRANSACTION")
    try:
        yield
        session.duck.execute("COMMIT")
    except BaseException:
        # Ctrl-C too: the session goes on, and half of it must not stay.
        session.duck.execute("ROLLBACK")
        raise


def exchange(session: Session, one: Key, other: Key) -> None:
    """ALTER TABLE ... SWAP WITH: both names change hands in one step."""
    for key in (one, other):
        if not _there(session, key):
            raise not_found("Table", dotted(key))
    if one[0] != other[0]:
        raise unsupported("SWAP WITH across databases")
    between = (one[0], one[1], _PASSING)
    with session.engine.passage.passing({dotted(one): dotted(other), dotted(other): dotted(one)}):
        _at_once(session, (one, between), (other, one), (between, other))
    rights.exchanged(session, dotted(one), dotted(other))


def rename(session: Session, kind: str, old: Key, new: Key) -> None:
    """ALTER TABLE or VIEW ... RENAME TO."""
    if kind == "VIEW":
        session.duck.execute(f'ALTER VIEW {_quoted(old)} RENAME TO "{new[2]}"')
        views.renamed(session, dotted(old), dotted(new))
    elif old in session.temporary:
        hidden = session.temporary.pop(old)
        session.temporary[new] = hidden
        return
    elif not _there(session, old):
        raise not_found("Table", dotted(old))
    elif _there(session, new):
        raise exists_already(new[2])
    else:
        _check_target(session, old, new)
        with session.engine.passage.passing({dotted(old): dotted(new)}):
            _at_once(session, (old, new))
    rights.exchanged(session, dotted(old), dotted(new))


def _check_target(session: Session, old: Key, new: Key) -> None:
    """docs.snowflake.com/en/sql-reference/sql/alter-table: what moving a table to another schema takes."""
    if old[:2] == new[:2]:
        return
    if not session.engine.has_schema(new[0], new[1]):
        raise not_found("Schema", ".".join(new[:2]))
    rights.need_create(session, "TABLE", new[0], new[1])
    schema = ".".join(new[:2])
    owners = session.engine.catalog.owners
    # Into a schema with managed access only if the owner of the table owns the schema too.
    if rights.manages_access(session, schema) and owners.get(f"TABLE {dotted(old)}") != owners.get(
        f"SCHEMA {schema}"
    ):
        raise not_allowed("schema", new[1])


def clone_table(
    session: Session, source: Key, target: Key, *, replace: bool, exists: bool, rows: bool = True
) -> None:
    """CREATE TABLE ... CLONE: a copy with the same columns, without the load history; LIKE: without rows."""
    if _there(session, target):
        if exists:
            return
        if not replace:
            raise exists_already(target[2])
    passing = (target[0], target[1], _PASSING)
    with _one_step(session):
        _copy(session, source, passing, rows=rows)
        session.duck.execute(f"DROP TABLE IF EXISTS {_quoted(target)}")
        session.duck.execute(f'ALTER TABLE {_quoted(passing)} RENAME TO "{target[2]}"')
    _copy_lengths(session, source, target)


def _copy_lengths(session: Session, source: Key, target: Key) -> None:
    """What DuckDB's types do not know of a table's columns: the lengths of text and BINARY."""
    session.duck.execute(f"DELETE FROM {_LENGTHS} WHERE {_WHOSE}", list(target))  # noqa: S608 - constants
    session.duck.execute(
        f"INSERT INTO {_LENGTHS} SELECT * REPLACE (? AS ext_table_catalog, ? AS ext_table_schema,"  # noqa: S608
        f" ? AS ext_table_name) FROM {_LENGTHS} WHERE {_WHOSE}",
        [*target, *source],
    )


def clone_schema(session: Session, source: Key, target: Key, *, replace: bool) -> None:
    """CREATE SCHEMA ... CLONE, of a schema without views."""
    if not session.engine.has_schema(source[0], source[1]):
        raise not_found("Schema", ".".join(source[:2]))
    if session.engine.has_schema(target[0], target[1]) and not replace:
        raise exists_already(target[1])
    views = session.duck.execute(
        "select count(*) from duckdb_views() where database_name = ? and schema_name = ?", list(source[:2])
    ).fetchone()
    if views is not None and views[0]:
        raise unsupported("CLONE of a schema with views")
    names = session.duck.execute(
        "select table_name from duckdb_tables() where database_name = ? and schema_name = ?", list(source[:2])
    ).fetchall()
    schema = f'"{target[0]}"."{target[1]}"'
    with _one_step(session):
        session.duck.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        session.duck.execute(f"CREATE SCHEMA {schema}")
        for (name,) in names:
            _copy(session, (source[0], source[1], name), (target[0], target[1], name))
    for (name,) in names:
        _copy_lengths(session, (source[0], source[1], name), (target[0], target[1], name))
        rights.owns(session, "TABLE", f"{target[0]}.{target[1]}.{name}")
