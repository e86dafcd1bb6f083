"""Comparing two tables of a Snowflake database: see `eventreplay.capabilities.comparison`.

Each statement sees what was committed when it began; a table that is loaded meanwhile may differ between two
of them, the counts of one statement never disagree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from eventreplay.capabilities.comparison import (
    Layout,
    Place,
    Question,
    SnowflakeDialect,
    TableDifference,
    compared,
)
from eventreplay.errors import ConfigError
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw

_DIALECT = SnowflakeDialect()


class ComparesTables(ABC):
    """`SupportsTableComparison`, on the session of the sink."""

    _raw: Raw

    @abstractmethod
    def _connected(self) -> Session: ...

    def tables(self, schema: str) -> list[str]:
        """Tables and views of a schema; see `SupportsTableComparison`."""
        return tables(self._connected(), self._raw.database, schema)

    def compare(self, question: Question) -> TableDifference:
        """Compare two tables inside Snowflake; see `SupportsTableComparison`."""
        return compare(self._connected(), self._raw.database, question)


def tables(session: Session, database: str, schema: str) -> list[str]:
    """See `SupportsTableComparison.tables`."""
    found = _schema(session, database, schema)
    return [] if found is None else _tables(session, database, found)


def compare(session: Session, database: str, question: Question) -> TableDifference:
    """See `SupportsTableComparison.compare`."""
    before = _layout(session, database, question.before)
    after = _layout(session, database, question.after)
    grants = tuple(
        f"GRANT SELECT ON TABLE {quoted(database, layout.place.schema, layout.place.table)} TO ROLE ..."
        for layout in (before, after)
        if layout is not None
    )
    doing = Doing(f"Comparing {question.before} with {question.after}", grants)

    def ask(sql: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        return session.run(sql, values, doing=doing)

    return compared(_DIALECT, ask, question, before, after)


def _schema(session: Session, database: str, name: str) -> str | None:
    rows = session.run(
        f'SELECT "SCHEMA_NAME" FROM {quoted(database, "INFORMATION_SCHEMA", "SCHEMATA")}'
        ' WHERE UPPER("SCHEMA_NAME") = UPPER(?) ORDER BY 1',
        [name],
        doing=Doing("Listing schemas", (f"GRANT USAGE ON DATABASE {quoted(database)} TO ROLE ...",)),
    )
    return _chosen(name, [str(found) for (found,) in rows])


def _tables(session: Session, database: str, schema: str) -> list[str]:
    rows = session.run(
        f'SELECT "TABLE_NAME" FROM {quoted(database, "INFORMATION_SCHEMA", "TABLES")}'
        ' WHERE "TABLE_SCHEMA" = ? ORDER BY 1',
        [schema],
        doing=Doing(
            f"Listing the tables of {schema}",
            (f"GRANT USAGE ON SCHEMA {quoted(database, schema)} TO ROLE ...",),
        ),
    )
    return [str(name) for (name,) in rows]


def _chosen(name: str, found: Sequence[str]) -> str | None:
    """The one that is called so; in another case if there is only one."""
    if name in found:
        return name
    alike = [one for one in found if one.lower() == name.lower()]
    if len(alike) > 1:
        raise ConfigError(
            f"{name!r} may be {' or '.join(alike)}.", hint="Write it in the case that it has in Snowflake."
        )
    return alike[0] if alike else None


def _layout(session: Session, database: str, place: Place) -> Layout | None:
    schema = _schema(session, database, place.schema)
    table = None if schema is None else _chosen(place.table, _tables(session, database, schema))
    if schema is None or table is None:
        return None
    rows = session.named(
        f"DESCRIBE TABLE {quoted(database, schema, table)}",
        doing=Doing(
            f"Reading the layout of {place}",
            (f"GRANT SELECT ON TABLE {quoted(database, schema, table)} TO ROLE ...",),
        ),
    )
    return Layout(
        place=Place(schema, table),
        columns=tuple(
            _DIALECT.column(row["name"], str(row["type"]), required=row["null?"] == "N")
            for row in rows
            if row.get("kind", "COLUMN") == "COLUMN"
        ),
    )
