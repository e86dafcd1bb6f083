"""What dbt's models must hold of RAW, as their YAML declares it, and the SQL that compares the two.

    meta:
      eventreplay:
        holds:
          each: thing                # delivery: a row of RAW.EVENTS; event: an event_id; thing: a key
          types: [shop.v1.Placed]    # of the payloads; of an event or a thing
          key: {order_id: payload.order_id}    # column of the model: column of RAW.EVENTS, or payload.PATH
          day: {order_date: occurred_at}       # likewise; of a thing the last one counts

Of several deliveries of an event_id the first in log order counts, as everywhere. Both sides are counted and
added up by day in the warehouse; keys are looked at only of days that differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Protocol, runtime_checkable

from attrs import frozen

from eventreplay.errors import ConfigError

Each = Literal["delivery", "event", "thing"]
Ask = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a query and gives its rows."""

DAYS_MAX = 366
"""Days that differ which are named in one query; of more, all days are looked at."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PATH = re.compile(r"payload\.([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)")
_RAW = re.compile(rf"{_PLAIN.pattern}|{_PATH.pattern}")
_TYPE = re.compile(r"[A-Za-z0-9_.:/+-]{1,255}")
_EACH: Mapping[str, tuple[dict[str, str], dict[str, str]]] = {
    "delivery": (
        {"log_partition": "log_partition", "log_offset": "log_offset"},
        {"inserted_at": "inserted_at"},
    ),
    "event": ({"event_id": "event_id"}, {"occurred_at": "occurred_at"}),
    "thing": ({}, {}),
}


@frozen(kw_only=True)
class Holds:
    """What one model must hold.

    Attributes:
        model: its name.
        schema: of its table.
        table: its table or view.
        each: what it has one row for.
        types: payload types; empty for deliveries.
        key: column of the model to column of RAW.EVENTS, or `payload.PATH`; in order.
        day: likewise, one pair or none.
    """

    model: str
    schema: str
    table: str
    each: Each
    types: tuple[str, ...]
    key: tuple[tuple[str, str], ...]
    day: tuple[str, str] | None


@frozen(kw_only=True)
class Day:
    """One day, or all of a model without days: what RAW has, and what the model holds."""

    day: date | None
    due: int
    rows: int
    due_hash_sum: int
    hash_sum: int

    @property
    def equal(self) -> bool:
        """Whether both are the same."""
        return (self.due, self.due_hash_sum) == (self.rows, self.hash_sum)


@frozen(kw_only=True)
class NamedKey:
    """One key at which a model differs from RAW.

    Attributes:
        key: its values as text, null as None.
        due: rows that the model ought to have.
        rows: rows that it has.
        day: on which RAW has it; of what RAW has not, the model's.
        detail: for a person.
    """

    key: tuple[str | None, ...]
    due: int
    rows: int
    day: date | None
    detail: str = ""


@frozen(kw_only=True)
class Held:
    """What the comparison of one model found; the counts are exact, some keys are named."""

    days: tuple[Day, ...]
    missing: tuple[NamedKey, ...]
    doubled: tuple[NamedKey, ...]
    altered: tuple[NamedKey, ...]
    unknown: tuple[NamedKey, ...]
    missing_count: int
    doubled_count: int
    altered_count: int
    unknown_count: int

    @property
    def ok(self) -> bool:
        """Whether the model holds exactly what it must."""
        return all(day.equal for day in self.days)


@frozen(kw_only=True)
class Seen:
    """How far a model of deliveries is: rows of RAW that came later are behind, not missing.

    Attributes:
        upto: moment of the newest rows that it has; None if it has none.
        behind: rows of RAW.EVENTS that came after that.
    """

    upto: datetime | None
    behind: int


@runtime_checkable
class SupportsHolding(Protocol):
    """A sink in whose warehouse models can be compared with RAW."""

    def seen(self, holds: Holds) -> Seen:
        """How far a model of deliveries is."""

    def holding(self, holds: Holds, *, seen: datetime | None, samples_max: int) -> Held:
        """Compare a model with the rows of RAW up to the moment `seen`; None: with all."""


class Words(Protocol):
    """What differs between the warehouses; every text is SQL."""

    def table(self, schema: str, name: str) -> str:
        """A table, by names as dbt has them; `RAW` is the sink's own schema."""

    def column(self, name: str) -> str:
        """A column, by its plain name."""

    def payload(self, path: str) -> str:
        """A text in the payload, by its dotted path."""

    def hashed(self, text: str) -> str:
        """64 bits of a text's SHA-256 as a whole number that sums do not overflow."""


def holds_of(manifest: Mapping[str, Any]) -> list[Holds]:
    """What the models of a dbt project declare, those of deliveries first, then by name.

    Args:
        manifest: the content of dbt's manifest.json.

    Raises:
        ConfigError: a declaration is malformed; it names the model.
    """
    found = []
    for node in manifest.get("nodes", {}).values():
        meta = {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}
        declared = (meta.get("eventreplay") or {}).get("holds")
        if node.get("resource_type") == "model" and declared is not None:
            found.append(_holds(node, declared))
    return sorted(found, key=lambda holds: (holds.each != "delivery", holds.model))


def _holds(node: Mapping[str, Any], declared: object) -> Holds:
    name = str(node["name"])
    if not isinstance(declared, Mapping) or set(declared) - {"each", "types", "key", "day"}:
        raise _malformed(name, "it has each, types, key and day, and nothing else")
    each: Any = declared.get("each")
    if each not in _EACH:
        raise _malformed(name, f"each is one of {', '.join(_EACH)}")
    types = tuple(str(one) for one in declared.get("types") or ())
    key, day = _EACH[each]
    key, day = dict(declared.get("key") or key), dict(declared.get("day", day) or {})
    if bool(types) == (each == "delivery") or not all(_TYPE.fullmatch(one) for one in types):
        raise _malformed(name, "an event or a thing has types of payloads, a delivery has none")
    if not key or len(day) > 1:
        raise _malformed(name, "it has a key of one column or more, and at most one day")
    for column, value in (*key.items(), *day.items()):
        if not (_PLAIN.fullmatch(str(column)) and _RAW.fullmatch(str(value))):
            raise _malformed(name, f"{column}: {value} is no column and column of RAW.EVENTS or payload.PATH")
    return Holds(
        model=name,
        schema=str(node["schema"]),
        table=str(node.get("alias") or name),
        each=each,
        types=types,
        key=tuple((str(column), str(value)) for column, value in key.items()),
        day=next(iter(day.items()), None),
    )


def _malformed(model: str, why: str) -> ConfigError:
    return ConfigError(
        f"What {model} declares as meta.eventreplay.holds is malformed: {why}.",
        hint="See docs/guides/verify.md; run dbt again afterwards, the manifest has to know it.",
        model=model,
    )


def seen(words: Words, ask: Ask, holds: Holds) -> Seen:
    """See `SupportsHolding.seen`."""
    moment = words.column("inserted_at")
    ((upto,),) = ask(f"SELECT MAX({moment}) FROM {words.table(holds.schema, holds.table)}")
    where = "" if upto is None else f" WHERE {moment} > {_moment(upto)}"
    ((behind,),) = ask(f"SELECT COUNT(*) FROM {words.table('RAW', 'EVENTS')}{where}")
    return Seen(upto=upto, behind=int(behind))


def holding(words: Words, ask: Ask, holds: Holds, since: datetime | None, samples_max: int) -> Held:
    """See `SupportsHolding.holding`."""
    sides = _Sides(words, holds, since)
    due, held = (_tally(ask, words, side) for side in (sides.due, sides.held))
    days = tuple(
        Day(day=day, due=due.get(day, _NONE)[0], rows=held.get(day, _NONE)[0],
            due_hash_sum=due.get(day, _NONE)[1], hash_sum=held.get(day, _NONE)[1])
        for day in sorted(due.keys() | held.keys(), key=lambda day: (day is not None, day))
    )  # fmt: skip
    differ = [day.day for day in days if not day.equal]
    found: dict[str, Any] = {}
    for kind, condition in _KINDS.items():
        found[f"{kind}_count"] = 0
        found[kind] = ()
        if differ:
            query = sides.differing(differ, condition)
            ((found[f"{kind}_count"],),) = ask(f"SELECT COUNT(*) FROM ({query}) AS DIFFER")
            if found[f"{kind}_count"] and samples_max:
                rows = ask(f"SELECT * FROM ({query}) AS DIFFER ORDER BY 1 LIMIT {int(samples_max)}")
                found[kind] = tuple(_named(kind, row) for row in rows)
    return Held(days=days, **found)


_NONE = (0, 0)
_KINDS = {
    "missing": "COALESCE(H.N, 0) < D.N",
    "doubled": "D.N IS NOT NULL AND H.N > D.N",
    "altered": "H.N = D.N AND H.ON_DAY IS DISTINCT FROM D.ON_DAY",
    "unknown": "D.N IS NULL",
}


@frozen
class _Sides:
    """Both sides as queries of KEY_TEXT and ON_DAY."""

    words: Words
    holds: Holds
    seen: datetime | None

    @property
    def held(self) -> str:
        """The model's rows."""
        holds, words = self.holds, self.words
        key = _key([words.column(column) for column, _ in holds.key])
        day = "CAST(NULL AS DATE)" if holds.day is None else f"CAST({words.column(holds.day[0])} AS DATE)"
        where = ""
        if holds.each == "delivery" and self.seen is not None:
            where = f" WHERE {words.column('inserted_at')} <= {_moment(self.seen)}"
        return (
            f"SELECT {key} AS KEY_TEXT, {day} AS ON_DAY FROM {words.table(holds.schema, holds.table)}{where}"
        )

    @property
    def due(self) -> str:
        """What RAW has for it."""
        holds, words = self.holds, self.words
        raw = words.table("RAW", "EVENTS")
        key = _key([self._raw(value) for _, value in holds.key])
        day = "CAST(NULL AS DATE)" if holds.day is None else f"CAST({self._raw(holds.day[1])} AS DATE)"
        old = [] if self.seen is None else [f"{words.column('inserted_at')} <= {_moment(self.seen)}"]
        rows = f"SELECT {key} AS KEY_TEXT, {day} AS ON_DAY FROM {raw}"
        if holds.each == "delivery":
            return rows + _where(old)
        partition, offset = words.column("log_partition"), words.column("log_offset")
        # Which delivery counts is found from three narrow columns; payloads are read of the types alone.
        first = (
            f"SELECT {partition} AS P, {offset} AS O, ROW_NUMBER() OVER"
            f" (PARTITION BY {words.column('event_id')} ORDER BY {partition}, {offset}) AS DELIVERY"
            f" FROM {raw}{_where(old)}"
        )
        kinds = ", ".join("'" + one.replace("'", "''") + "'" for one in holds.types)
        rows += (
            f" JOIN (SELECT P, O FROM ({first}) AS RANKED WHERE DELIVERY = 1) AS FIRSTS"
            f" ON {partition} = FIRSTS.P AND {offset} = FIRSTS.O"
            + _where([f"{words.column('payload_type')} IN ({kinds})", *old])
        )
        if holds.each == "event":
            return rows
        return f"SELECT KEY_TEXT, MAX(ON_DAY) AS ON_DAY FROM ({rows}) AS EVENTS_OF GROUP BY KEY_TEXT"

    def differing(self, days: Sequence[date | None], condition: str) -> str:
        """Keys of these days at which the sides differ: KEY_TEXT, rows due, rows held, day."""
        known = [day for day in days if day is not None]
        some = ", ".join(f"DATE '{day.isoformat()}'" for day in known)
        where = f" WHERE ON_DAY IN ({some})" if len(known) == len(days) <= DAYS_MAX else ""

        def grouped(query: str) -> str:
            return (
                "SELECT KEY_TEXT, COUNT(*) AS N, MAX(ON_DAY) AS ON_DAY"
                f" FROM ({query}) AS SIDE{where} GROUP BY KEY_TEXT"
            )

        return (
            "SELECT COALESCE(D.KEY_TEXT, H.KEY_TEXT) AS KEY_TEXT, COALESCE(D.N, 0) AS DUE,"
            " COALESCE(H.N, 0) AS HELD, COALESCE(D.ON_DAY, H.ON_DAY) AS ON_DAY"
            f" FROM ({grouped(self.due)}) AS D FULL OUTER JOIN ({grouped(self.held)}) AS H"
            f" ON D.KEY_TEXT = H.KEY_TEXT WHERE {condition}"
        )

    def _raw(self, value: str) -> str:
        path = _PATH.fullmatch(value)
        return self.words.column(value) if path is None else self.words.payload(path[1])


def _tally(ask: Ask, words: Words, query: str) -> dict[date | None, tuple[int, int]]:
    rows = ask(
        f"SELECT ON_DAY, COUNT(*), SUM({words.hashed('KEY_TEXT')}) FROM ({query}) AS SIDE GROUP BY ON_DAY"
    )
    return {day: (int(count), int(total)) for day, count, total in rows}


def _key(columns: Sequence[str]) -> str:
    """Several values as one text from which they can be told again; equal for equal values alone."""
    texts = (f"CAST({column} AS VARCHAR)" for column in columns)
    return " || ".join(
        f"CASE WHEN {text} IS NULL THEN '-;' ELSE CAST(LENGTH({text}) AS VARCHAR) || ':' || {text} || ';' END"
        for text in texts
    )


def key_values(text: str) -> tuple[str | None, ...]:
    """The values of a key's text."""
    made: list[str | None] = []
    at = 0
    while at < len(text):
        if text.startswith("-;", at):
            made.append(None)
            at += 2
            continue
        colon = text.index(":", at)
        end = colon + 1 + int(text[at:colon])
        made.append(text[colon + 1 : end])
        at = end + 1
    return tuple(made)


def _named(kind: str, row: Sequence[Any]) -> NamedKey:
    text, due, rows, day = row
    detail = "the model has it on another day" if kind == "altered" else ""
    return NamedKey(key=key_values(text), due=int(due), rows=int(rows), day=day, detail=detail)


def _where(tests: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(tests)}" if tests else ""


def _moment(moment: datetime) -> str:
    return f"CAST('{moment.replace(tzinfo=None).isoformat(sep=' ')}' AS TIMESTAMP)"
