"""The databases: one DuckDB file each, attached to one instance, with fakesnow's views and macros in them."""

import re
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import duckdb
from fakesnow import info_schema, macros
from fakesnow.instance import GLOBAL_DATABASE_NAME, FakeSnow
from fakesnow.transforms import show

from eventreplay.testing.standin import moments, numbers, variants
from eventreplay.testing.standin.catalog import Catalog
from eventreplay.testing.standin.failures import SqlError, exists_already, not_found
from eventreplay.testing.standin.history import QueryHistory
from eventreplay.testing.standin.locks import TableLocks
from eventreplay.testing.standin.passing import Passage

TEMPORARY_PREFIX = "__TEMPORARY_"


def search_path(database: str, schema: str | None) -> str:
    """SET schema to a place, whatever its name: inside the text, names are quoted as in SQL."""
    parts = ".".join('"' + part.replace('"', '""') + '"' for part in (database, schema or "main"))
    return "SET schema='" + parts.replace("'", "''") + "'"


PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
LOAD_HISTORY = """
create table if not exists {database}._fs_information_schema._loaded_files (
    schema_name varchar, table_name varchar, file_name varchar, etag varchar,
    rows_loaded bigint, loaded_at timestamptz
)
"""


TABLES_AND_VIEWS = """
create or replace view {database}._fs_information_schema._fs_tables as
select * from ({tables}) where not starts_with("TABLE_NAME", '{temporary}')
union all by name
select database_name as "TABLE_CATALOG", schema_name as "TABLE_SCHEMA", view_name as "TABLE_NAME",
    'SYSADMIN' as "TABLE_OWNER", 'VIEW' as "TABLE_TYPE", 'NO' as "IS_TRANSIENT", null::varchar as "COMMENT"
from duckdb_views where database_name = '{database}' and not internal
    and schema_name not in ('_fs_information_schema', 'main')
"""
"""INFORMATION_SCHEMA.TABLES with views, which fakesnow's lacks, and without others' temporary tables."""


class Engine(FakeSnow):
    """FakeSnow over a folder: what was committed is there again after a kill and a restart."""

    def __init__(self, folder: Path) -> None:  # the parent's would attach its databases in memory
        self.folder = folder
        (folder / "databases").mkdir(parents=True, exist_ok=True)
        self.stage_root = folder / "stages"
        self.stage_root.mkdir(exist_ok=True)
        self.create_database_on_connect = False
        self.create_schema_on_connect = False
        self.db_path = folder / "databases"
        self.nop_regexes = None
        self.results_cache = {}
        self.catalog = Catalog(folder / "catalog.json")
        self.locks = TableLocks()
        self.passage = Passage()
        self.sessions: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self.history = QueryHistory()
        self._attaching = threading.Lock()
        self.duck_conn = duckdb.connect(":memory:", config={"lambda_syntax": "ENABLE_SINGLE_ARROW"})
        variants.register_function(self.duck_conn)
        self._macros("memory.main")
        self.duck_conn.execute("SET GLOBAL TimeZone = 'UTC'")
        self.duck_conn.execute(f"ATTACH '{folder / '_global.db'}' AS {GLOBAL_DATABASE_NAME}")
        self.duck_conn.execute(info_schema.fs_global_creation_sql())
        self.duck_conn.execute(show.fs_global_creation_sql())
        for file in sorted((folder / "databases").glob("*.db")):
            self._attach(file.stem)
            self._drop_leftovers(file.stem)

    def _attach(self, name: str) -> None:
        file = self.folder / "databases" / f"{name}.db"
        self.duck_conn.execute(f"ATTACH '{file}' AS \"{name}\"")
        self.duck_conn.execute(info_schema.per_db_creation_sql(name))
        tables = info_schema.SQL_CREATE_INFORMATION_SCHEMA_TABLES_VIEW.substitute(catalog=name)
        query = tables.partition(" AS\n")[2]
        self.duck_conn.execute(
            TABLES_AND_VIEWS.format(database=name, tables=query, temporary=TEMPORARY_PREFIX)
        )
        self.duck_conn.execute(macros.creation_sql(name))
        self.duck_conn.execute(LOAD_HISTORY.format(database=name))
        self._macros(f'"{name}".main')

    def _macros(self, place: str) -> None:
        self.duck_conn.execute(variants.MACROS.format(place=place))
        self.duck_conn.execute(numbers.MACRO.format(place=place))
        self.duck_conn.execute(moments.MACRO.format(place=place))

    def _drop_leftovers(self, database: str) -> None:
        """Temporary tables belong to a session, and every session ended with the old process."""
        found = self.duck_conn.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = ? and "
            "starts_with(table_name, ?)",
            [database, TEMPORARY_PREFIX],
        ).fetchall()
        for schema, table in found:
            self.duck_conn.execute(f'DROP TABLE "{database}"."{schema}"."{table}"')

    def has_database(self, name: str) -> bool:
        """Whether CREATE DATABASE made it."""
        return bool(
            self.duck_conn.cursor()
            .execute("select 1 from duckdb_databases() where database_name = ? and not internal", [name])
            .fetchone()
        )

    def has_schema(self, database: str, schema: str) -> bool:
        """Whether the schema is there."""
        return bool(
            self.duck_conn.cursor()
            .execute(
                "select 1 from duckdb_schemas() where database_name = ? and schema_name = ?",
                [database, schema],
            )
            .fetchone()
        )

    def create_database(self, name: str, *, replace: bool = False, if_missing: bool = False) -> bool:
        """Make a database with its PUBLIC schema; False where it stood already and IF NOT EXISTS was said."""
        if PLAIN_NAME.fullmatch(name) is None:
            raise SqlError(
                f"SQL compilation error:\nthe stand-in takes plain database names, not '{name}'", 2, "0A000"
            )
        with self._attaching:
            if self.has_database(name):
                if if_missing:
                    return False
                if not replace:
                    raise exists_already(name)
                self._detach(name)
            self._attach(name)
            self.duck_conn.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}".PUBLIC')
        return True

    def _detach(self, name: str) -> None:
        self.duck_conn.execute(f'DETACH "{name}"')
        for suffix in (".db", ".db.wal"):
            (self.folder / "databases" / f"{name}{suffix}").unlink(missing_ok=True)

    def drop_database(self, name: str, *, if_exists: bool) -> None:
        """Drop a database with everything in it."""
        with self._attaching:
            if self.has_database(name):
                self._detach(name)
            elif not if_exists:
                raise not_found("Database", name)
