"""The two warehouses' words: what a column's type means, how its values are compared, hashed and shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, Protocol

from attrs import frozen

Family = Literal["exact", "text", "json", "bytes", "date", "moment", "zoned", "float", "boolean", "other"]

TEXT_CHARACTERS_MAX = 200
"""Characters of a value that a sample shows."""
LOOKED_AT_CHARACTERS_MAX = 20_000
"""Characters of two values in which the place is looked for where they differ."""

_INTEGER_DIGITS = {
    "TINYINT": 3,
    "UTINYINT": 3,
    "SMALLINT": 5,
    "USMALLINT": 5,
    "INTEGER": 10,
    "UINTEGER": 10,
    "BIGINT": 19,
    "UBIGINT": 20,
    "HUGEINT": 39,
}
_DUCKDB: dict[str, Family] = {
    "VARCHAR": "text",
    "JSON": "json",
    "BLOB": "bytes",
    "DATE": "date",
    "TIMESTAMP": "moment",
    "TIMESTAMP_S": "moment",
    "TIMESTAMP_MS": "moment",
    "TIMESTAMP_NS": "moment",
    "TIMESTAMP WITH TIME ZONE": "zoned",
    "FLOAT": "float",
    "DOUBLE": "float",
    "BOOLEAN": "boolean",
}
_SNOWFLAKE: dict[str, Family] = {
    "VARCHAR": "text",
    "VARIANT": "json",
    "OBJECT": "json",
    "ARRAY": "json",
    "BINARY": "bytes",
    "DATE": "date",
    "TIMESTAMP_NTZ": "moment",
    "TIMESTAMP_LTZ": "zoned",
    "TIMESTAMP_TZ": "zoned",
    "FLOAT": "float",
    "BOOLEAN": "boolean",
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMBER)\((\d+),\s*(\d+)\)")


@frozen
class Column:
    """A column of a table as the warehouse describes it.

    Attributes:
        name: exactly.
        kind: its type, as the warehouse prints it.
        family: what that means.
        digits: of an exact number, all of them; else 0.
        scale: of an exact number, those behind the point.
        required: whether nulls are refused.
    """

    name: str
    kind: str
    family: Family
    digits: int = 0
    scale: int = 0
    required: bool = False


class Dialect(Protocol):
    """What differs between the warehouses; every text is SQL."""

    with_words: str
    """What stands between a name and its query in WITH, so that it is no table of its own."""

    def quoted(self, *parts: str) -> str:
        """Exact names as one qualified identifier."""

    def column(self, name: str, kind: str, *, required: bool) -> Column:
        """A column as the warehouse describes it."""

    def known_as(self, name: str) -> str:
        """The name as a person writes it."""

    moment: str
    """The type of a moment without a zone."""

    def whole(self, expression: str) -> str:
        """An exact number without its fraction, in the widest type of whole numbers."""

    def fraction(self, expression: str, scale: int) -> str:
        """What is behind the point, in a type of `scale` digits there."""

    def upper(self, expression: str) -> str:
        """A whole number without its last 18 digits, towards zero."""

    def lower(self, expression: str) -> str:
        """Its last 18 digits, with its sign."""

    def comparable(self, expression: str, column: Column) -> str:
        """A value as IS DISTINCT FROM, GROUP BY and the hash may have it."""

    def text(self, expression: str, column: Column) -> str:
        """A value as text, whatever its type; the same for values that are the same."""

    def shown(self, expression: str, column: Column, characters: int = TEXT_CHARACTERS_MAX) -> str:
        """A value to be shown: of text that is longer, one character more, to see that it is."""

    def hash_sums(self, expressions: Sequence[str]) -> tuple[str, ...]:
        """Aggregates that say whether two sets of rows are the same: exact sums of hashes."""


def _quoted(parts: Sequence[str]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _hash_sums(expressions: Sequence[str]) -> tuple[str, ...]:
    # Two hashes of 64 bits that mix the columns in another order: what one of them misses the other does not.
    return tuple(
        f"SUM(HASH({', '.join(one)}))" for one in ([*expressions, "1"], ["2", *reversed(expressions)])
    )


class DuckDBDialect:
    """DuckDB 2."""

    with_words = "AS NOT MATERIALIZED"
    moment = "TIMESTAMP"

    def quoted(self, *parts: str) -> str:
        """See `Dialect`; also the methods below."""
        return _quoted(parts)

    def column(self, name: str, kind: str, *, required: bool) -> Column:
        """By the name of its type."""
        decimal = _DECIMAL.fullmatch(kind)
        if decimal:
            return Column(name, kind, "exact", int(decimal[1]), int(decimal[2]), required)
        if kind in _INTEGER_DIGITS:
            return Column(name, kind, "exact", _INTEGER_DIGITS[kind], 0, required)
        return Column(name, kind, _DUCKDB.get(kind, "other"), required=required)

    def known_as(self, name: str) -> str:
        """As it is."""
        return name

    def whole(self, expression: str) -> str:
        """As HUGEINT, which holds every 38 digits and every integer type but UHUGEINT."""
        return f"CAST(TRUNC({expression}) AS HUGEINT)"

    def fraction(self, expression: str, scale: int) -> str:
        """Exact: a decimal less its own whole part."""
        return f"CAST({expression} - TRUNC({expression}) AS DECIMAL(38, {scale}))"

    def upper(self, expression: str) -> str:
        """Whole division goes towards zero."""
        return f"({expression} // 1000000000000000000)"

    def lower(self, expression: str) -> str:
        """The remainder has the sign of what is divided."""
        return f"({expression} % 1000000000000000000)"

    def comparable(self, expression: str, column: Column) -> str:
        """As it is: DuckDB compares every type."""
        del column
        return expression

    def text(self, expression: str, column: Column) -> str:
        """DuckDB's own text of a value is exact."""
        if column.family == "bytes":
            return f"LOWER(HEX({expression}))"
        return f"CAST({expression} AS VARCHAR)"

    def shown(self, expression: str, column: Column, characters: int = TEXT_CHARACTERS_MAX) -> str:
        """Its text, cut."""
        return f"LEFT({self.text(expression, column)}, {characters + 1})"

    def hash_sums(self, expressions: Sequence[str]) -> tuple[str, ...]:
        """Of DuckDB's hash."""
        return _hash_sums(expressions)


class SnowflakeDialect:
    """Snowflake."""

    with_words = "AS"
    moment = "TIMESTAMP_NTZ"
    _plain = re.compile(r"[A-Z_][A-Z0-9_$]*")

    def quoted(self, *parts: str) -> str:
        """See `Dialect`; also the methods below."""
        return _quoted(parts)

    def column(self, name: str, kind: str, *, required: bool) -> Column:
        """By the name of its type, as DESCRIBE prints it."""
        decimal = _DECIMAL.fullmatch(kind)
        if decimal:
            return Column(name, kind, "exact", int(decimal[1]), int(decimal[2]), required)
        return Column(name, kind, _SNOWFLAKE.get(kind.partition("(")[0], "other"), required=required)

    def known_as(self, name: str) -> str:
        """A plain name in lower case, as people write it."""
        return name.lower() if self._plain.fullmatch(name) else name

    def whole(self, expression: str) -> str:
        """As NUMBER(38,0), which holds every number."""
        return f"CAST(TRUNC({expression}) AS NUMBER(38, 0))"

    def fraction(self, expression: str, scale: int) -> str:
        """Exact: a number less its own whole part."""
        return f"CAST({expression} - TRUNC({expression}) AS NUMBER(38, {scale}))"

    def upper(self, expression: str) -> str:
        """Only what can be divided is divided, since a quotient has few places and is rounded."""
        return f"TRUNC(({expression} - MOD({expression}, 1000000000000000000)) / 1000000000000000000)"

    def lower(self, expression: str) -> str:
        """The remainder has the sign of what is divided."""
        return f"MOD({expression}, 1000000000000000000)"

    def comparable(self, expression: str, column: Column) -> str:
        """Semi-structured values as their JSON text."""
        return f"TO_JSON({expression})" if column.family == "json" else expression

    def text(self, expression: str, column: Column) -> str:
        """Exact for every type but FLOAT, of which it is as many digits as Snowflake prints."""
        if column.family == "json":
            return f"TO_JSON({expression})"
        if column.family == "bytes":
            return f"LOWER(HEX_ENCODE({expression}))"
        return f"CAST({expression} AS VARCHAR)"

    def shown(self, expression: str, column: Column, characters: int = TEXT_CHARACTERS_MAX) -> str:
        """Text cut; numbers and moments as the driver gives them, whose text no session setting changes."""
        if column.family in ("text", "json", "bytes", "boolean", "other"):
            return f"LEFT({self.text(expression, column)}, {characters + 1})"
        return expression

    def hash_sums(self, expressions: Sequence[str]) -> tuple[str, ...]:
        """Of Snowflake's hash, which is the same for equal values."""
        return _hash_sums(expressions)
