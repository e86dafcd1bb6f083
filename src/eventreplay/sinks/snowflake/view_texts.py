"""The text of a view with other schemas in it: names are told from texts, comments, aliases and columns.

No parser of Snowflake's SQL is at hand, and none is needed: a table stands in a view as `db.schema.name`, as
dbt writes it, or as `schema.name`. Everything else is passed through letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from attrs import frozen

from eventreplay.errors import GenerationError
from eventreplay.sinks.snowflake.names import quoted

Rename = Callable[[str, str], str | None]
"""Exact schema and object to the schema that stands there instead; None: the name stays."""

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*)'
_TOKEN = re.compile(
    rf"""(?P<skip>\s+|--[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\]|\\.|'')*'|\$\$.*?\$\$)
    |(?P<names>{_NAME}(?:\s*\.\s*{_NAME})*)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_HEAD = re.compile(
    rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?P<kind>(?:SECURE\s+|RECURSIVE\s+)*)VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"{_NAME}(?:\s*\.\s*{_NAME})*",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"""AND | AS | ASOF | ANTI | ASC | BETWEEN | BY | CASE | CROSS | CUBE | DESC | DISTINCT | ELSE
    | END | EXCEPT | FETCH | FROM | FULL | GROUP | HAVING | IN | INNER | INTERSECT | IS | JOIN
    | LATERAL | LEFT | LIKE | LIMIT | MATCH_RECOGNIZE | MINUS | NATURAL | NOT | OFFSET | ON |
    OR | ORDER | OUTER | PIVOT | QUALIFY | RIGHT | SAMPLE | SELECT | SEMI | SET | START |
    TABLESAMPLE | THEN | UNION | UNPIVOT | USING | VALUES | WHEN | WHERE | WITH""",
    re.VERBOSE,
)
"""What stands before a name that is no alias."""


@frozen
class _Token:
    kind: str
    text: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Exact names of a dotted chain."""
        found = re.findall(_NAME, self.text)
        return tuple(
            part[1:-1].replace('""', '"') if part.startswith('"') else part.upper() for part in found
        )


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        yield _Token(str(match.lastgroup), match[0])


def moved_text(text: str, database: str, rename: Rename) -> str:
    """`text` with every table that moves named where it will be.

    A chain of two names is a table, unless its first one is an alias somewhere in the text: then a column.
    """
    tokens = list(_tokens(text))
    aliases = _aliases(tokens)
    return "".join(_moved(token, database, rename, aliases) for token in tokens)


def _moved(token: _Token, database: str, rename: Rename, aliases: set[str]) -> str:
    if token.kind != "names":
        return token.text
    parts = token.parts
    if len(parts) >= 3 and parts[0] == database:  # noqa: PLR2004 - database, schema, name
        schema = rename(parts[1], parts[2])
        return token.text if schema is None else quoted(parts[0], schema, *parts[2:])
    if len(parts) >= 2 and parts[0] not in aliases:  # noqa: PLR2004 - schema, name
        schema = rename(parts[0], parts[1])
        return token.text if schema is None else quoted(schema, *parts[1:])
    return token.text


def _aliases(tokens: list[_Token]) -> set[str]:
    """Names that a table, a query or a column is given: after AS, or right behind a name or a parenthesis."""
    seen = [token for token in tokens if token.kind != "skip"]
    found: set[str] = set()
    for before, token in pairwise(seen):
        if token.kind != "names" or len(token.parts) != 1:
            continue
        word = before.text.upper()
        behind_name = before.kind == "names" and _WORDS.fullmatch(word) is None
        if word == "AS" or behind_name or word == ")":
            found.add(token.parts[0])
    return found


def creating(ddl: str, name: str) -> str:
    """What GET_DDL gave of a view as the statement that makes it under `name`, keeping a former one's rights.

    Args:
        ddl: as Snowflake answered.
        name: as it stands in statements.

    Raises:
        GenerationError: it is no definition of a view that is understood here.
    """
    head = _HEAD.match(ddl)
    if head is None:
        raise GenerationError(
            f"The definition of the view {name} is not understood.",
            hint="Only plain and secure views can be moved: drop it there, and make it again afterwards.",
            view=name,
        )
    rest = ddl[head.end() :].rstrip().removesuffix(";")
    columns = _columns_end(rest)
    kind = " ".join(head["kind"].upper().split())
    words = f"CREATE OR REPLACE {kind + ' ' if kind else ''}VIEW {name}"
    after = re.sub(r"^\s*COPY\s+GRANTS\b", "", rest[columns:], flags=re.IGNORECASE)
    return f"{words}{rest[:columns]} COPY GRANTS{after}"


def _columns_end(text: str) -> int:
    """Where the list of columns that follows a view's name ends; 0 if there is none."""
    depth = at = 0
    for token in _tokens(text):
        at += len(token.text)
        if token.kind == "other":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0:
                return at
        elif token.kind != "skip" and depth == 0:
            return 0
    return 0
