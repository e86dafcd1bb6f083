"""Views that change places: the same query, with the names of what moved replaced, and nothing else.

Where a name stands in a text, DuckDB's own parser says; what came out is parsed again and must be what was
meant. So a string, an alias or a column that happens to be called like a schema stays what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from eventreplay.errors import GenerationError

if TYPE_CHECKING:
    import duckdb

Name = tuple[str, str]
"""Schema and name of a table or view, in lower case: DuckDB does not tell cases apart."""

_WORD = r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)'
DOTTED = rf"{_WORD}(?:\.{_WORD})*"
"""Expression of a name with its schema, as DuckDB writes it."""
_HEAD = re.compile(rf"CREATE VIEW {DOTTED}( \({_WORD}(?:, {_WORD})*\))? AS ", re.DOTALL)
_DOTTED = re.compile(DOTTED.encode())
_LOCATIONS = ("query_location", "query_location_length")


@frozen
class View:
    """A view as it stands in the catalog.

    Attributes:
        columns: its list of column names, as text with parentheses; empty if it has none.
        query: what it selects.
        reads: everything that it names; a name without a schema is one of the view's own schema.
        tree: the query as DuckDB's parser gives it.
    """

    schema: str
    name: str
    columns: str
    query: str
    reads: frozenset[Name]
    tree: _Tree

    @property
    def key(self) -> Name:
        """Its name, as others name it."""
        return (self.schema.lower(), self.name.lower())


def read_view(connection: duckdb.DuckDBPyConnection, schema: str, name: str, sql: str) -> View:
    """A view from its text in `duckdb_views()`.

    Raises:
        GenerationError: it cannot be read; nothing was changed.
    """
    head = _HEAD.match(sql)
    if head is None:
        raise _unreadable(schema, name)
    query = sql[head.end() :].rstrip().removesuffix(";")
    tree = _parsed(connection, query)
    if tree is None:
        raise _unreadable(schema, name)
    named = {each["key"].lower() for node in _nodes(tree.nodes) for each in _common(node)}
    reads = frozenset(
        ((node["schema_name"] or schema).lower(), node["table_name"].lower())
        for node in _nodes(tree.nodes)
        if node.get("type") == "BASE_TABLE"
        and (node["schema_name"] or node["table_name"].lower() not in named)
    )
    return View(schema, name, (head[1] or "").strip(), query, reads, tree)


def moved_query(
    connection: duckdb.DuckDBPyConnection, view: View, moves: Mapping[Name, str], catalog: str
) -> str:
    """The query of `view` after `moves`: the schema in which each thing stands then.

    Raises:
        GenerationError: what came out is not what was meant; nothing was changed.
    """
    text = view.query.encode()
    for start, place, schema in sorted(_places(view.tree, moves, catalog), reverse=True):
        words = _words(text, start)
        begin, end = words[place]
        text = text[:begin] + quoted(schema).encode() + text[end:]
    query = text.decode()
    if _parsed(connection, query) != _renamed(view.tree, moves, catalog):
        raise _unreadable(view.schema, view.name)
    return query


def quoted(name: str) -> str:
    """A name as an identifier of a statement."""
    return '"' + name.replace('"', '""') + '"'


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> _Tree | None:
    """The syntax tree; None if it is no query. Locations are kept, and left out of comparisons."""
    row: Any = connection.execute("SELECT json_serialize_sql(CAST(? AS VARCHAR))", [query]).fetchone()
    found = json.loads(row[0])
    return None if found["error"] else _Tree(found["statements"])


class _Tree:
    """A syntax tree that is equal to another one of the same meaning."""

    def __init__(self, nodes: Any) -> None:
        self.nodes = nodes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tree) and _bare(self.nodes) == _bare(other.nodes)

    def __hash__(self) -> int:
        return 0


def _bare(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _bare(value) for key, value in node.items() if key not in _LOCATIONS}
    return [_bare(value) for value in node] if isinstance(node, list) else node


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def _common(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Common table expressions of a node, by `key`."""
    found: list[dict[str, Any]] = (node.get("cte_map") or {}).get("map") or []
    return found


def _target(node: Mapping[str, Any], moves: Mapping[Name, str], catalog: str) -> tuple[int, str] | None:
    """Which word of the name that a node has is a schema that changes, and what it becomes."""
    if node.get("type") == "BASE_TABLE":
        schema = moves.get((node["schema_name"].lower(), node["table_name"].lower()))
        return None if schema is None else (1 if node["catalog_name"] else 0, schema)
    if node.get("class") == "COLUMN_REF":
        words = [word.lower() for word in node["column_names"]]
        for place in (0, 1):
            # schema.table.column, or with the catalog before it; two words are a table and its column.
            if len(words) > place + 2 and (place == 0 or words[0] == catalog.lower()):
                schema = moves.get((words[place], words[place + 1]))
                if schema is not None:
                    return place, schema
    return None


def _places(tree: _Tree, moves: Mapping[Name, str], catalog: str) -> Iterator[tuple[int, int, str]]:
    """Where in the text a name begins, which word of it changes, and into what."""
    seen = set()
    for node in _nodes(tree.nodes):
        target = _target(node, moves, catalog)
        if target is not None and node["query_location"] not in seen:
            seen.add(node["query_location"])
            yield node["query_location"], *target


def _words(text: bytes, start: int) -> list[tuple[int, int]]:
    """Begin and end of each word of the dotted name at a byte of the text."""
    found = _DOTTED.match(text, start)
    if found is None:
        return [(start, start)] * 2
    word = re.compile(_WORD.encode())
    return [each.span() for each in word.finditer(text, *found.span())]


def _renamed(tree: _Tree, moves: Mapping[Name, str], catalog: str) -> _Tree:
    made = json.loads(json.dumps(tree.nodes))
    for node in _nodes(made):
        target = _target(node, moves, catalog)
        if target is None:
            continue
        place, schema = target
        if node.get("type") == "BASE_TABLE":
            node["schema_name"] = schema
            if "qualified_name" in node:
                node["qualified_name"]["path"][-2] = schema
        else:
            node["column_names"][place] = schema
    return _Tree(made)


def _unreadable(schema: str, name: str) -> GenerationError:
    return GenerationError(
        f"The view {schema}.{name} cannot be made again with other names; nothing was changed.",
        hint="Make it a table, or write it with plain names of tables; then start again.",
        view=f"{schema}.{name}",
    )
