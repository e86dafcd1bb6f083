"""Tables and views of two sets of schemas change places, inside one transaction that is the caller's.

DuckDB 2.0 moves no table between schemas and renames no schema. So the tables of STAGING and MART are
copied, row for row in their order, by the definition that the catalog has of them. RAW is larger than all of
them together, and its tables are the sink's own: those of another generation stand in the live RAW under a
name with a suffix from the beginning, with a view of the usual name in the other schema, and change places by
their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from eventreplay.errors import GenerationError, SinkUnavailableError
from eventreplay.sinks.duckdb_tables import TABLES
from eventreplay.sinks.duckdb_views import DOTTED, Name, View, moved_query, quoted, read_view

if TYPE_CHECKING:
    import duckdb

Moved = dict[str, dict[str, list[str]]]
"""By schema: names that `came` into it, and those that `left` it for the other place."""

_MOVING = "__moving"
_OWN = frozenset({*(name.lower() for name in TABLES), "generations", "dismissed"})
"""Those in RAW that are the sink's own. The last two speak of all generations, and stay."""
_TABLE = re.compile(rf"CREATE TABLE {DOTTED}", re.DOTALL)
_INDEX = re.compile(rf"(CREATE (?:UNIQUE )?INDEX {DOTTED} ON ){DOTTED}(.*)", re.DOTALL)


@frozen
class Table:
    """A table as the catalog has it.

    Attributes:
        definition: columns and constraints, as text with parentheses.
        columns: those that hold values, quoted; generated ones do not.
        comments: of the table and of its columns; the table's has None for a column.
        indexes: texts before and behind the table's name.
    """

    schema: str
    name: str
    definition: str
    columns: str
    comments: Sequence[tuple[str | None, str]]
    indexes: Sequence[tuple[str, str]]


@frozen
class Schema:
    """Tables and views of one schema, by lower-case name."""

    name: str
    tables: Mapping[str, Table]
    views: Mapping[str, tuple[View, Sequence[tuple[str | None, str]]]]

    def named(self, key: str) -> str | None:
        """A name as the catalog spells it; None if there is none."""
        found = self.tables.get(key)
        return found.name if found is not None else self.views[key][0].name if key in self.views else None

    @property
    def keys(self) -> set[str]:
        """Names of everything in it."""
        return {*self.tables, *self.views}


def hidden(table: str, suffix: str) -> str:
    """How a table of the sink is called in the live RAW while it is not the live one."""
    return f"{table}_{suffix}"


@frozen
class Exchange:
    """One change of places; everything but `claim` may raise and leaves the transaction to be rolled back.

    Args:
        connection: in a transaction that has done nothing yet.
        other: another connection to the same file, in none.
        raw: name of the live RAW schema.
        schemas: those that change places, as called when live.
        suffix: of the other place.
    """

    connection: duckdb.DuckDBPyConnection
    other: duckdb.DuckDBPyConnection
    raw: str
    schemas: Sequence[str]
    suffix: str
    _claimed: list[str] = field(factory=list, init=False)

    @property
    def has_raw(self) -> bool:
        """Whether the tables of the sink are among them."""
        return self.raw in self.schemas

    def claim(self) -> None:
        """Let nobody else commit into these tables, and see that nobody has since the transaction began.

        DuckDB refuses a commit into a table that another transaction has altered. It does not refuse to
        alter one that was written to since the transaction began, so rows are counted again from outside.

        Raises:
            SinkUnavailableError: somebody has, or holds one of them.
        """
        for place in self._tables_now():
            self.connection.execute(f"COMMENT ON TABLE {place[0]} IS {literal(place[1])}")
            self._claimed.append(place[0])
        for place_name in self._claimed:
            count = f"SELECT count(*) FROM {place_name}"
            if self.connection.execute(count).fetchall() != self.other.execute(count).fetchall():
                raise _overtaken()
        if self.has_raw:
            for table in ("CHECKPOINTS", hidden("CHECKPOINTS", self.suffix)):
                rows = f"SELECT * FROM {quoted(self.raw)}.{quoted(table)} ORDER BY replay_id"
                if self.connection.execute(rows).fetchall() != self.other.execute(rows).fetchall():
                    raise _overtaken()

    def run(self, back: Moved | None = None) -> Moved:
        """Change places; with what an earlier one has moved, undo that.

        Raises:
            GenerationError: something stands in the way; the message says what.
        """
        live = {schema: self._read(schema) for schema in self.schemas}
        beside = {schema: self._read(schema + self.suffix) for schema in self.schemas}
        up, down = self._chosen(live, beside, back)
        self._refuse_foreign_keys(live, beside, up, down)
        self._refuse_indexes()
        moves = self._moves(up, down)
        views = [live[s].views[key] for s in down for key in down[s] if key in live[s].views]
        views += [beside[s].views[key] for s in up for key in up[s] if key in beside[s].views]
        made = self._views_made(views, moves)
        with self._in_order():
            self._move(live, beside, up, down, [view for view, _ in views])
        for statement in made:
            self.connection.execute(statement)
        return {
            schema: {
                "came": sorted(str(beside[schema].named(key)) for key in up[schema]),
                "left": sorted(str(live[schema].named(key)) for key in down[schema]),
            }
            for schema in self.schemas
        }

    @contextmanager
    def _in_order(self) -> Iterator[None]:
        """Copies come in the order of what they are copied from, whatever this process has set for all."""
        setting = "preserve_insertion_order"
        kept = self.other.execute(f"SELECT current_setting('{setting}')").fetchall() == [(True,)]
        if not kept:
            self.other.execute(f"SET {setting} = true")
        try:
            yield
        finally:
            if not kept:
                self.other.execute(f"SET {setting} = false")

    def _move(
        self,
        live: Mapping[str, Schema],
        beside: Mapping[str, Schema],
        up: Mapping[str, set[str]],
        down: Mapping[str, set[str]],
        views: Sequence[View],
    ) -> None:
        """Everything but the views, which are removed."""
        for view in views:
            self.connection.execute(f"DROP VIEW {quoted(view.schema)}.{quoted(view.name)}")
        if self.has_raw:
            self._swap_raw()
        for schema in self.schemas:
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            for key in sorted(up[schema] | down[schema]):
                risen = beside[schema].tables.get(key) if key in up[schema] else None
                sunk = live[schema].tables.get(key) if key in down[schema] else None
                self._swap(risen, sunk, schema)

    def _chosen(
        self, live: Mapping[str, Schema], beside: Mapping[str, Schema], back: Moved | None
    ) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """What goes up into the live schemas, and what goes down."""
        up: dict[str, set[str]] = {}
        down: dict[str, set[str]] = {}
        for schema in self.schemas:
            own = _OWN if schema == self.raw else frozenset[str]()
            if back is None:
                up[schema] = beside[schema].keys - own
                down[schema] = up[schema] & live[schema].keys
                continue
            up[schema] = {name.lower() for name in back[schema]["left"]}
            down[schema] = {name.lower() for name in back[schema]["came"]} & live[schema].keys
            missing = sorted(up[schema] - beside[schema].keys)
            if missing:
                raise GenerationError(
                    f"{schema}{self.suffix} has no {', '.join(missing)} any more, which was live before.",
                    hint="Somebody has removed it since the promotion. Rebuild instead.",
                    missing=missing,
                )
        return up, down

    def _moves(self, up: Mapping[str, set[str]], down: Mapping[str, set[str]]) -> dict[Name, str]:
        """Where each thing that moves stands afterwards."""
        moves: dict[Name, str] = {}
        for schema in self.schemas:
            own = {name.lower() for name in TABLES} if schema == self.raw else set()
            there = schema + self.suffix
            moves |= {(there.lower(), key): schema for key in up[schema] | own}
            moves |= {(schema.lower(), key): there for key in down[schema] | own}
        return moves

    def _views_made(
        self, views: Sequence[tuple[View, Sequence[tuple[str | None, str]]]], moves: Mapping[Name, str]
    ) -> list[str]:
        """Statements that make the views in their new places, those that are read first."""
        row: Any = self.connection.execute("SELECT current_database()").fetchone()
        statements: dict[Name, list[str]] = {}
        order: TopologicalSorter[Name] = TopologicalSorter()
        for view, comments in views:
            query = moved_query(self.connection, view, moves, row[0])
            place = f"{quoted(moves[view.key])}.{quoted(view.name)}"
            statements[view.key] = [f"CREATE VIEW {place} {view.columns} AS {query}"]
            statements[view.key] += commenting("VIEW", place, comments)
            order.add(view.key, *view.reads)
        return [statement for key in order.static_order() for statement in statements.get(key, [])]

    def _swap_raw(self) -> None:
        """The tables of the sink, by their names: no row is touched."""
        raw = quoted(self.raw)
        for table in TABLES:
            other = hidden(table, self.suffix)
            for old, new in ((table, other + _MOVING), (other, table), (other + _MOVING, other)):
                self.connection.execute(f"ALTER TABLE {raw}.{quoted(old)} RENAME TO {quoted(new)}")

    def _swap(self, risen: Table | None, sunk: Table | None, schema: str) -> None:
        """One table up, one down; either may be missing, or a view, which is seen to elsewhere."""
        there = schema + self.suffix
        if risen is not None:
            self._copy(risen, schema, risen.name + _MOVING)
        if sunk is not None:
            self._copy(sunk, there, sunk.name)
            self._finish(sunk, there)
        if risen is not None:
            old, new = quoted(risen.name + _MOVING), quoted(risen.name)
            self.connection.execute(f"ALTER TABLE {quoted(schema)}.{old} RENAME TO {new}")
            self._finish(risen, schema)

    def _copy(self, table: Table, schema: str, name: str) -> None:
        """Copy the rows, and drop what they were copied from."""
        old = f"{quoted(table.schema)}.{quoted(table.name)}"
        new = f"{quoted(schema)}.{quoted(name)}"
        self.connection.execute(f"CREATE TABLE {new} {table.definition}")
        if table.columns:
            self.connection.execute(f"INSERT INTO {new} ({table.columns}) SELECT {table.columns} FROM {old}")
        self.connection.execute(f"DROP TABLE {old}")

    def _finish(self, table: Table, schema: str) -> None:
        """What is not part of a definition."""
        place = f"{quoted(schema)}.{quoted(table.name)}"
        for statement in commenting("TABLE", place, table.comments):
            self.connection.execute(statement)
        for head, tail in table.indexes:
            self.connection.execute(head + place + tail)

    def _refuse_foreign_keys(
        self,
        live: Mapping[str, Schema],
        beside: Mapping[str, Schema],
        up: Mapping[str, set[str]],
        down: Mapping[str, set[str]],
    ) -> None:
        """DuckDB neither renames a table that a key points to, nor adds a key to one that is there."""
        for schema in self.schemas:
            for place, moving in ((live[schema].name, down[schema]), (beside[schema].name, up[schema])):
                rows = self.connection.execute(
                    "SELECT table_name, referenced_table FROM duckdb_constraints() WHERE database_name ="
                    " current_database() AND constraint_type = 'FOREIGN KEY'"
                    " AND lower(schema_name) = lower(?)",
                    [place],
                ).fetchall()
                found = sorted({row[0] for row in rows if moving & {row[0].lower(), row[1].lower()}})
                if found:
                    raise GenerationError(
                        f"Tables of {place} are bound by foreign keys, and cannot change places: "
                        f"{', '.join(found)}.",
                        hint="Let dbt test the relationship instead of declaring it.",
                        tables=found,
                    )

    def _refuse_indexes(self) -> None:
        """DuckDB does not rename a table that has an index."""
        rows = self._catalog("table_name, index_name", "duckdb_indexes()", self.raw, "index_name")
        own = {name.lower() for table in TABLES for name in (table, hidden(table, self.suffix))}
        found = sorted(index for table, index in rows if self.has_raw and table.lower() in own)
        if found:
            raise GenerationError(
                f"Tables of {self.raw} have indexes, and cannot change places: {', '.join(found)}.",
                hint="Drop them, start again, and make them again.",
                indexes=found,
            )

    def _tables_now(self) -> list[tuple[str, str | None]]:
        """Every table that may move, quoted, with its comment; those of RAW first. Asked from outside."""
        places = {place.lower() for schema in self.schemas for place in (schema, schema + self.suffix)}
        rows = self.other.execute(
            "SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE database_name ="
            " current_database() AND list_contains(?, lower(schema_name))"
            " ORDER BY lower(schema_name) <> lower(?), schema_name, table_name",
            [sorted(places), self.raw],
        ).fetchall()
        beside = {name.lower() for schema, name, _ in rows if schema.lower() != self.raw.lower()}
        own = beside | {name.lower() for table in TABLES for name in (table, hidden(table, self.suffix))}
        return [
            (f"{quoted(schema)}.{quoted(name)}", comment)
            for schema, name, comment in rows
            if schema.lower() != self.raw.lower() or name.lower() in own
        ]

    def _read(self, schema: str) -> Schema:
        """What the catalog has of a schema."""
        comments: dict[str, list[tuple[str | None, str]]] = {}
        columns: dict[str, list[str]] = {}
        for table, column, comment, generated in self._catalog(
            "table_name, column_name, comment, is_generated", "duckdb_columns()", schema, "column_index"
        ):
            if comment is not None:
                comments.setdefault(table, []).append((column, comment))
            if not generated:
                columns.setdefault(table, []).append(quoted(column))
        indexes: dict[str, list[tuple[str, str]]] = {}
        for table, sql in self._catalog("table_name, sql", "duckdb_indexes()", schema, "index_name"):
            parts = _INDEX.fullmatch(sql or "")
            if parts is not None:
                indexes.setdefault(table, []).append((parts[1], parts[2]))
        tables = {
            name.lower(): Table(
                schema,
                name,
                _definition(sql),
                ", ".join(columns.get(name, [])),
                [*([] if comment is None else [(None, comment)]), *comments.get(name, [])],
                indexes.get(name, []),
            )
            for name, sql, comment in self._catalog(
                "table_name, sql, comment", "duckdb_tables()", schema, "table_name"
            )
        }
        views = {
            name.lower(): (
                read_view(self.connection, schema, name, sql),
                [*([] if comment is None else [(None, comment)]), *comments.get(name, [])],
            )
            for name, sql, comment in self._catalog(
                "view_name, sql, comment", "duckdb_views()", schema, "view_name"
            )
        }
        return Schema(schema, tables, views)

    def _catalog(self, columns: str, source: str, schema: str, order: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            f"SELECT {columns} FROM {source} WHERE database_name = current_database()"
            f" AND lower(schema_name) = lower(?) ORDER BY {order}",
            [schema],
        ).fetchall()


def commenting(kind: str, place: str, comments: Sequence[tuple[str | None, str]]) -> list[str]:
    """Statements that comment on a table or view and on its columns."""
    return [
        f"COMMENT ON {kind} {place} IS {literal(comment)}"
        if column is None
        else f"COMMENT ON COLUMN {place}.{quoted(column)} IS {literal(comment)}"
        for column, comment in comments
    ]


def literal(text: str | None) -> str:
    """A text as a literal of a statement that takes no parameters."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def _definition(sql: str) -> str:
    """What stands behind CREATE TABLE and the name."""
    head = _TABLE.match(sql)
    return sql[0 if head is None else head.end() :].rstrip().removesuffix(";")


def _overtaken() -> SinkUnavailableError:
    return SinkUnavailableError(
        "Another connection changed the same tables; nothing was moved.", hint="Start again."
    )
