"""From a table's columns to events: what is selected, by which expression, with which filter.

Identifiers and values only ever pass through the driver's composer. Constants are not fetched; Arrow repeats
them. jsonb payloads are the text that the server prints, as bytes: jsonb does not keep what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from eventreplay.errors import ConfigError
from eventreplay.sources.postgres import drivers
from eventreplay.sources.postgres.positions import parse_positions
from eventreplay.sources.postgres.settings import COLUMNS, PostgresSettings
from eventreplay.sources.postgres.table import Journal

_NEEDED = ("event_id", "event_type", "occurred_at", "payload")
_TEXT = {"text", "character varying", "character", "uuid", "bigint", "integer", "smallint", "name"}
_PAYLOAD = {"bytea", "jsonb", "json", "text", "character varying"}
_MOMENT = "timestamp with time zone"
_NAIVE = "timestamp without time zone"


@frozen
class Selection:
    """What one statement fetches.

    Attributes:
        fetched: attributes in the order of the columns fetched, behind the id.
        constants: text by attribute.
        statement: composed SQL that ends in `WHERE id > {} AND id <= {}` and the order by id; call `between`.
        where: composed filter, beginning with ` AND `, or empty.
        event_id: composed expression of the id, as it is fetched.
        hashed: composed expression: the bytes of which a record's hash is made.
    """

    fetched: tuple[str, ...]
    constants: Mapping[str, str]
    columns: Any
    table: Any
    id: Any
    where: Any
    event_id: Any
    hashed: Any

    def between(self, after: int, upto: int) -> Any:
        """Composed SQL for the events in (after, upto]."""
        sql = drivers.psycopg2().sql
        return sql.SQL("SELECT {} FROM {} WHERE {} > {} AND {} <= {}{} ORDER BY {}").format(
            self.columns,
            self.table,
            self.id,
            sql.Literal(after),
            self.id,
            sql.Literal(upto),
            self.where,
            self.id,
        )


def select(journal: Journal, settings: PostgresSettings) -> Selection:
    """Check the mapping against the table, and compose it.

    Raises:
        ConfigError: a column is missing or of a type that cannot become its attribute; the columns that
            the table has are listed.
    """
    sql = drivers.psycopg2().sql
    fetched: list[str] = []
    constants: dict[str, str] = {}
    expressions: dict[str, Any] = {}
    parts = [sql.SQL("{}::bigint").format(sql.Identifier(settings.id_column))]
    for name in COLUMNS:
        column = settings.columns.get(name, name)
        if column.startswith("=") and name in settings.columns:
            constants[name] = column[1:]
            expressions[name] = sql.Literal(column[1:])
            continue
        if column not in journal.columns:
            if name in settings.columns or name in _NEEDED:
                raise _unfit(journal, f"There is no column {column!r} for {name}.", name)
            continue
        expressions[name] = _expression(journal, settings, name, column)
        fetched.append(name)
        parts.append(expressions[name])
    return Selection(
        tuple(fetched),
        constants,
        sql.SQL(", ").join(parts),
        sql.Identifier(journal.schema, journal.name),
        sql.Identifier(settings.id_column),
        _filter(settings, expressions),
        expressions["event_id"],
        _hashed(journal, settings, expressions),
    )


def _expression(journal: Journal, settings: PostgresSettings, name: str, column: str) -> Any:
    sql = drivers.psycopg2().sql
    identifier, kind = sql.Identifier(column), journal.columns[column].kind
    if name in {"occurred_at", "recorded_at"}:
        if kind not in {_MOMENT, _NAIVE}:
            raise _unfit(journal, f"Column {column!r} for {name} is of type {kind}, not {_MOMENT}.", name)
        if kind == _NAIVE and settings.naive_timezone is None:
            raise ConfigError(
                f"Column {column!r} for {name} is a {_NAIVE}.",
                hint="Set naive_timezone to the zone it is written in, e.g. UTC; it is never guessed.",
                setting="naive_timezone",
            )
        moment = identifier
        if kind == _NAIVE:
            moment = sql.SQL("({} AT TIME ZONE {})").format(identifier, sql.Literal(settings.naive_timezone))
        # Arrow has no infinity; the ends of what PostgreSQL can say lie beyond what is admitted.
        return sql.SQL(
            "CASE {0} WHEN 'infinity' THEN '294276-01-01 00:00:00+00'::timestamptz"
            " WHEN '-infinity' THEN '4713-01-02 00:00:00+00 BC'::timestamptz ELSE {0} END"
        ).format(moment)
    if name == "headers":
        if kind != "jsonb":
            raise _unfit(journal, f"Column {column!r} for headers is of type {kind}, not jsonb.", name)
        return sql.SQL("{}::text").format(identifier)
    if name == "payload":
        if kind not in _PAYLOAD:
            raise _unfit(
                journal,
                f"Column {column!r} for payload is of type {kind}, not bytea, jsonb, json, text.",
                name,
            )
        return identifier if kind == "bytea" else sql.SQL("{}::text").format(identifier)
    if kind not in _TEXT:
        raise _unfit(journal, f"Column {column!r} for {name} is of type {kind}, which is no text.", name)
    return identifier if kind == "text" else sql.SQL("{}::text").format(identifier)


def _hashed(journal: Journal, settings: PostgresSettings, expressions: Mapping[str, Any]) -> Any:
    """Id in UTF-8 and SHA-256 of the payload's bytes, as `hashing.event_hash` takes them."""
    sql = drivers.psycopg2().sql
    payload = expressions["payload"]
    if journal.columns[settings.columns.get("payload", "payload")].kind != "bytea":
        payload = sql.SQL("convert_to({}, 'UTF8')").format(payload)
    return sql.SQL("convert_to(coalesce({}, ''), 'UTF8') || sha256(coalesce({}, ''::bytea))").format(
        expressions["event_id"], payload
    )


def _filter(settings: PostgresSettings, expressions: Mapping[str, Any]) -> Any:
    sql = drivers.psycopg2().sql
    parts: list[Any] = []
    if settings.event_types:
        listed = sql.SQL(", ").join(sql.Literal(name) for name in settings.event_types)
        parts.append(sql.SQL(" AND {} IN ({})").format(expressions["event_type"], listed))
    for text, operator in ((settings.since, ">="), (settings.until, "<")):
        if text is not None:
            parts.append(
                sql.SQL(" AND {} " + operator + " {}::timestamptz").format(
                    expressions["occurred_at"], sql.Literal(text)
                )
            )
    ranges = parse_positions(settings.positions)
    if ranges:
        each = (
            sql.SQL("{} BETWEEN {} AND {}").format(
                sql.Identifier(settings.id_column), sql.Literal(first), sql.Literal(last)
            )
            for first, last in ranges
        )
        parts.append(sql.SQL(" AND ({})").format(sql.SQL(" OR ").join(each)))
    return sql.Composed(parts)


def _unfit(journal: Journal, message: str, name: str) -> ConfigError:
    return ConfigError(
        message,
        hint=f"The table has {', '.join(journal.columns)}; say which is meant in columns, {name} = its name.",
        setting="columns",
        attribute=name,
    )
