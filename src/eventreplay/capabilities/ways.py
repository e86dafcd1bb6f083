"""Historical against real-time: the events that came by two ways, compared one by one in the warehouse.

A way is all partitions of the log whose names begin alike: `live` for what came by the queue, `journal` for
what was read from the journal. Events are compared and not counts: one lost and another doubled do not make
up for each other. Of the days, in business time and UTC, those are judged that both ways cover in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Protocol, runtime_checkable

from attrs import asdict, evolve, frozen

from eventreplay.errors import ConfigError

Ask = Callable[[str], Sequence[Sequence[Any]]]

_KINDS = ("only_first", "only_second", "other_payload")


@frozen(kw_only=True)
class WaysDay:
    """One day: events of either way, and those in which the ways differ.

    Attributes:
        day: business time, UTC.
        first: events that came by the first way.
        second: by the second.
        only_first: by the first and not by the second.
        only_second: by the second and not by the first.
        other_payload: by both, and not with one payload throughout.
        judged: whether both ways cover the day in full.
    """

    day: date
    first: int
    second: int
    only_first: int
    only_second: int
    other_payload: int
    judged: bool = False

    @property
    def equal(self) -> bool:
        """Whether every event came by both, with one payload."""
        return not (self.only_first + self.only_second + self.other_payload)


@frozen(kw_only=True)
class NamedEvent:
    """An event in which the ways differ, on a day that is judged."""

    event_id: str
    day: date


@frozen(kw_only=True)
class Ways:
    """What the comparison of two ways found; counts are exact, some events are named.

    Attributes:
        first: how the names of the first way's partitions begin.
        second: and those of the second.
        days: all there are.
        only_first: events of judged days; and so on.
    """

    first: str
    second: str
    days: tuple[WaysDay, ...]
    only_first: tuple[NamedEvent, ...]
    only_second: tuple[NamedEvent, ...]
    other_payload: tuple[NamedEvent, ...]

    @property
    def ok(self) -> bool:
        """Whether no judged day differs."""
        return all(day.equal for day in self.days if day.judged)

    def count(self, kind: str) -> int:
        """Events of a kind on judged days."""
        return sum(int(getattr(day, kind)) for day in self.days if day.judged)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        facts = asdict(self)
        for rows in (facts["days"], *(facts[kind] for kind in _KINDS)):
            for row in rows:
                row["day"] = row["day"].isoformat()
        return {"ok": self.ok, **facts, **{f"{kind}_count": self.count(kind) for kind in _KINDS}}


@runtime_checkable
class SupportsWays(Protocol):
    """A sink in whose warehouse two ways can be compared."""

    def ways(self, first: str, second: str, *, samples_max: int) -> Ways:
        """Compare the events of partitions whose names begin so."""


class Words(Protocol):
    """The parts of `holding.Words` that this needs."""

    def table(self, schema: str, name: str) -> str:
        """A table."""

    def column(self, name: str) -> str:
        """A column."""


def checked_prefixes(text: str) -> tuple[str, str]:
    """`live,journal` as two beginnings of names.

    Raises:
        ConfigError: they are not two, or one partition could be of both.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004 - a pair
        raise ConfigError(
            f"{text[:80]!r} does not name two ways.", hint="Write two beginnings of names: live,journal."
        )
    first, second = parts
    if first.startswith(second) or second.startswith(first):
        raise ConfigError(
            f"A partition could be of both {first!r} and {second!r}.", hint="Name them so that they differ."
        )
    return first, second


def ways(words: Words, ask: Ask, first: str, second: str, samples_max: int) -> Ways:
    """See `SupportsWays.ways`."""
    events = _events(words, first, second)
    rows = ask(
        "SELECT ON_DAY, SUM(A), SUM(B), SUM(1 - B), SUM(1 - A), SUM(OTHER)"
        f" FROM ({events}) AS EVENTS_OF GROUP BY ON_DAY ORDER BY ON_DAY"
    )
    days = [
        WaysDay(
            day=day,
            first=int(mine),
            second=int(theirs),
            only_first=int(only_mine),
            only_second=int(only_theirs),
            other_payload=int(other),
        )
        for day, mine, theirs, only_mine, only_theirs, other in rows
    ]
    days = _judged(days)
    named: dict[str, tuple[NamedEvent, ...]] = dict.fromkeys(_KINDS, ())
    tests = {"only_first": "B = 0", "only_second": "A = 0", "other_payload": "OTHER = 1"}
    for kind, test in tests.items():
        differ = [day for day in days if day.judged and getattr(day, kind)]
        if differ and samples_max:
            within = f"ON_DAY BETWEEN DATE '{differ[0].day}' AND DATE '{differ[-1].day}'"
            found = ask(
                f"SELECT EVENT, ON_DAY FROM ({events}) AS EVENTS_OF WHERE {test} AND {within}"
                f" ORDER BY ON_DAY, EVENT LIMIT {int(samples_max)}"
            )
            named[kind] = tuple(NamedEvent(event_id=name, day=day) for name, day in found)
    return Ways(first=first, second=second, days=tuple(days), **named)


def _events(words: Words, first: str, second: str) -> str:
    """One row for each event: its day, by which ways it came, and whether with several payloads."""
    partition = words.column("log_partition")
    tests = [f"LEFT({partition}, {len(prefix)}) = '{_text(prefix)}'" for prefix in (first, second)]
    flags = ", ".join(
        f"MAX(CASE WHEN {test} THEN 1 ELSE 0 END) AS {name}" for name, test in zip("AB", tests, strict=True)
    )
    hashed = words.column("event_hash")
    return (
        f"SELECT {words.column('event_id')} AS EVENT,"
        f" MIN(CAST({words.column('occurred_at')} AS DATE)) AS ON_DAY,"
        f" {flags}, CASE WHEN COUNT(DISTINCT CASE WHEN {tests[0]} THEN 1 ELSE 2 END) = 2"
        f" AND MIN({hashed}) <> MAX({hashed}) THEN 1 ELSE 0 END AS OTHER FROM {words.table('RAW', 'EVENTS')}"
        f" WHERE {tests[0]} OR {tests[1]} GROUP BY 1"
    )


def _judged(days: Sequence[WaysDay]) -> list[WaysDay]:
    """Days behind the first and before the last of either way, which may be there in part."""
    edges = [[day.day for day in days if getattr(day, name)] for name in ("first", "second")]
    if not all(edges):
        return list(days)
    after, before = max(edge[0] for edge in edges), min(edge[-1] for edge in edges)
    return [evolve(day, judged=after < day.day < before) for day in days]


def _text(text: str) -> str:
    return text.replace("'", "''")
