"""What a comparison found, as plain data: exact counts, exact sums as decimals, a few rows as text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from attrs import asdict, frozen

from eventreplay.capabilities.comparison.asked import Place

Kind = Literal["added", "removed", "changed"]


@frozen(kw_only=True)
class Counts:
    """Rows of a table, or of those with one value of the group.

    Attributes:
        before: rows on that side.
        after: rows on this side; `before + added - removed`, always.
        added: rows that only `after` has.
        removed: rows that only `before` has.
        changed: rows with the same key that differ.
    """

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0

    @property
    def equal(self) -> bool:
        """Whether no row differs."""
        return not (self.added or self.removed or self.changed)


@frozen(kw_only=True)
class Sample:
    """One row that differs, as text.

    Of a text that is longer than 200 characters a part is shown, between ellipses: of a changed one the part
    in which it begins to differ, if that is among its first 20,000 characters.

    Attributes:
        kind: what became of it.
        key: by column; None: null. Empty where rows have no key.
        before: of an added row None; of a changed one the columns that differ; else the whole row.
        after: of a removed row None; as `before` otherwise.
        copies: of a row without a key of its own, how many more there are on its side than on the other.
    """

    kind: Kind
    key: Mapping[str, str | None]
    before: Mapping[str, str | None] | None
    after: Mapping[str, str | None] | None
    copies: int = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that `before` or `after` has."""
        sides = (side for side in (self.before, self.after) if side is not None)
        return tuple(dict.fromkeys(name for side in sides for name in side))


@frozen(kw_only=True)
class Duplicates:
    """Keys that more than one row has on either side; their rows count as a multiset, never as changed.

    Attributes:
        keys: how many.
        before: rows that have them there.
        after: rows that have them here.
        samples: the first so many: key, rows before, rows after.
    """

    keys: int
    before: int
    after: int
    samples: tuple[tuple[Mapping[str, str | None], int, int], ...]


@frozen(kw_only=True)
class ColumnType:
    """A column that both tables have, with another type."""

    name: str
    before: str
    after: str


@frozen(kw_only=True)
class Metric:
    """Rows and exact sums of one day and one value of `by`, on both sides.

    Attributes:
        day: ISO date; None: the day is null, or the table has none.
        by: what amounts are summed apart by; None: null, or not asked for.
        before: rows, then the sum of each metric; None: the column is not there, or there is no value.
        after: as `before`.
    """

    day: str | None
    by: str | None
    before: tuple[int | Decimal | None, ...]
    after: tuple[int | Decimal | None, ...]


@frozen(kw_only=True)
class Metrics:
    """What people look at, before and after.

    Attributes:
        day: column of the day; None if there is none.
        by: column whose values are summed apart; None if there is none.
        names: `rows`, then the columns that were summed.
        days: by day and `by`, ascending, nulls first.
        cut: earlier days were left out, because there are too many.
    """

    day: str | None
    by: str | None
    names: tuple[str, ...]
    days: tuple[Metric, ...]
    cut: bool = False


@frozen(kw_only=True)
class TableDifference:
    """How two tables differ.

    Attributes:
        before: one side; None: it is not there.
        after: the other; None: it is not there.
        key: columns by which rows were told apart; empty: as a multiset.
        counts: of all rows.
        columns: changed rows by column, for the columns that differ in any; most first.
        columns_added: columns that only `after` has.
        columns_removed: columns that only `before` has.
        types: columns of both whose type is another one; their values were compared all the same.
        ignored: columns that were not compared because the question says so.
        groups: counts by value of the group, for values with a difference; None: null.
        duplicates: keys that are none; None: there are none, or the tables are equal and nobody looked.
        samples: rows of each kind.
        metrics: of two tables that differ; None: they are equal.
    """

    before: Place | None
    after: Place | None
    key: tuple[str, ...]
    counts: Counts
    columns: Mapping[str, int]
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    types: tuple[ColumnType, ...] = ()
    ignored: tuple[str, ...] = ()
    groups: Mapping[str | None, Counts] = {}
    duplicates: Duplicates | None = None
    samples: tuple[Sample, ...] = ()
    metrics: Metrics | None = None

    @property
    def same_layout(self) -> bool:
        """Whether both tables are there, with the same columns and types."""
        there = self.before is not None and self.after is not None
        return there and not (self.columns_added or self.columns_removed or self.types)

    @property
    def equal(self) -> bool:
        """Whether nothing differs: no row, column or type."""
        return self.counts.equal and self.same_layout

    def to_json(self) -> dict[str, Any]:
        """As JSON data: decimals as text."""
        return {
            "before": None if self.before is None else str(self.before),
            "after": None if self.after is None else str(self.after),
            "equal": self.equal,
            "key": list(self.key),
            "rows": asdict(self.counts),
            "columns": dict(self.columns),
            "columns_added": list(self.columns_added),
            "columns_removed": list(self.columns_removed),
            "types": [asdict(one) for one in self.types],
            "ignored": list(self.ignored),
            "groups": [{"value": value, **asdict(counts)} for value, counts in self.groups.items()],
            "duplicates": None if self.duplicates is None else _duplicates(self.duplicates),
            "samples": [asdict(sample) for sample in self.samples],
            "metrics": None if self.metrics is None else _metrics(self.metrics),
        }


def _duplicates(found: Duplicates) -> dict[str, Any]:
    samples = [{"key": dict(key), "before": before, "after": after} for key, before, after in found.samples]
    return {"keys": found.keys, "before": found.before, "after": found.after, "samples": samples}


def _metrics(found: Metrics) -> dict[str, Any]:
    days = [
        {
            "day": one.day,
            "by": one.by,
            "before": [_figure(value) for value in one.before],
            "after": [_figure(value) for value in one.after],
        }
        for one in found.days
    ]
    return {
        "day": found.day,
        "by": found.by,
        "names": list(found.names),
        "days": days,
        "cut": found.cut,
    }


def _figure(value: int | Decimal | None) -> int | str | None:
    return format(value, "f") if isinstance(value, Decimal) else value
