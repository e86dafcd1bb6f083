"""Asking a warehouse how two of its tables differ: whether at all, then by key, then samples and sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Context, Decimal
from itertools import takewhile
from typing import Any

from attrs import define, evolve, field

from eventreplay.capabilities.comparison.asked import Question
from eventreplay.capabilities.comparison.dialects import TEXT_CHARACTERS_MAX, Column, Dialect
from eventreplay.capabilities.comparison.found import (
    Counts,
    Duplicates,
    Kind,
    Metric,
    Metrics,
    Sample,
    TableDifference,
)
from eventreplay.capabilities.comparison.pairing import Form, Layout, Pair, Side, Summed
from eventreplay.capabilities.comparison.sides import Statement, shown_columns
from eventreplay.capabilities.comparison.statements import Statements
from eventreplay.errors import ConfigError

Ask = Callable[[str, Sequence[object]], Sequence[Sequence[Any]]]
"""Runs a statement with bound values, and gives its rows, which are few by construction."""

GROUPS_MAX = 10_000
"""Values of the group that are counted apart; more are an error."""
DAYS_MAX = 5_000
"""Days, times values of `by`, that metrics are given for on each side; the latest ones."""
_WIDE = Context(prec=100)
_UPPER = Decimal(10) ** 18
_SUM_END = Decimal(10) ** 38
"""What no sum may reach in either warehouse, point left out."""
_AHEAD = 60
"""Characters shown of what two texts have in common, before the place in which they differ."""


def compared(
    dialect: Dialect, ask: Ask, question: Question, before: Layout | None, after: Layout | None
) -> TableDifference:
    """How two tables differ.

    Args:
        dialect: the warehouse's words.
        ask: its connection; one snapshot for all statements, where the warehouse has such.
        question: what is to be found out.
        before: one table as it is; None: not there.
        after: the other one.

    Raises:
        ConfigError: neither is there, or the question speaks of columns that are not.
    """
    if before is None or after is None:
        return _one_sided(dialect, ask, question, before, after)
    return _Comparison(Pair.of(dialect, question, before, after), ask).difference()


def _one_sided(
    dialect: Dialect, ask: Ask, question: Question, before: Layout | None, after: Layout | None
) -> TableDifference:
    there = after if before is None else before
    if there is None:
        raise ConfigError(
            f"There is neither {question.before} nor {question.after}.", hint="Run the rebuild first."
        )
    pair = Pair.of(dialect, question, there, there)
    side: Side = "after" if before is None else "before"
    rows = int(_asked(ask, Statements(pair).count(side))[0][0])
    return TableDifference(
        before=None if before is None else before.place,
        after=None if after is None else after.place,
        key=tuple(form.name for form in pair.key),
        counts=Counts(after=rows, added=rows) if before is None else Counts(before=rows, removed=rows),
        columns={},
        ignored=pair.ignored,
    )


@define
class _Comparison:
    pair: Pair
    ask: Ask
    groups: dict[str | None, Counts] = field(factory=dict)
    columns: dict[str, int] = field(factory=dict)

    def difference(self) -> TableDifference:
        pair = self.pair
        there, here = sorted(self._rows(Statements(pair).sums()), key=lambda row: int(row[0]))
        counts = Counts(before=int(there[1]), after=int(here[1]))
        duplicates: Duplicates | None = None
        samples: tuple[Sample, ...] = ()
        metrics: Metrics | None = None
        if list(there[1:]) != list(here[1:]):
            duplicates = self._duplicates() if pair.key else None
            statements = Statements(
                pair,
                without_duplicates=duplicates is not None,
                without_nulls=there[1] == there[-1] and here[1] == here[-1],
            )
            if pair.key:
                self._joined(statements)
            if not pair.key or duplicates is not None:
                self._multiset(statements)
            counts = _total(self.groups.values())
            samples = tuple(self._samples(counts, statements))
            metrics = self._metrics()
        changed = sorted(self.columns.items(), key=lambda item: (-item[1], item[0]))
        return TableDifference(
            before=pair.before.place,
            after=pair.after.place,
            key=tuple(form.name for form in pair.key),
            counts=counts,
            columns={name: count for name, count in changed if count},
            columns_added=tuple(pair.dialect.known_as(column.name) for column in pair.columns_added),
            columns_removed=tuple(pair.dialect.known_as(column.name) for column in pair.columns_removed),
            types=pair.types,
            ignored=pair.ignored,
            groups={
                value: found
                for value, found in self.groups.items()
                if pair.question.group is not None and not found.equal
            },
            duplicates=duplicates,
            samples=samples,
            metrics=metrics,
        )

    def _rows(self, statement: Statement) -> Sequence[Sequence[Any]]:
        return _asked(self.ask, statement)

    def _duplicates(self) -> Duplicates | None:
        statements = Statements(self.pair)
        keys, before, after = self._rows(statements.duplicates())[0]
        if not keys:
            return None
        names = [form.name for form in self.pair.key]
        rows = self._rows(statements.duplicate_samples()) if self.pair.question.samples_max else ()
        return Duplicates(
            keys=int(keys),
            before=int(before),
            after=int(after),
            samples=tuple((_named(names, row), int(row[-2]), int(row[-1])) for row in rows),
        )

    def _joined(self, statements: Statements) -> None:
        for group, *counts in self._grouped(statements.joined()):
            before, after, added, removed, changed, *by_column = (int(count) for count in counts)
            self._count(
                group, Counts(before=before, after=after, added=added, removed=removed, changed=changed)
            )
            for form, count in zip(self.pair.compared, by_column, strict=True):
                self.columns[form.name] = self.columns.get(form.name, 0) + count

    def _multiset(self, statements: Statements) -> None:
        for group, *counts in self._grouped(statements.multiset()):
            before, after, added, removed = (int(count or 0) for count in counts)
            self._count(group, Counts(before=before, after=after, added=added, removed=removed))

    def _grouped(self, statement: Statement) -> Sequence[Sequence[Any]]:
        rows = self._rows(Statement(f"{statement.sql} LIMIT {GROUPS_MAX + 1}", statement.values))
        if len(rows) > GROUPS_MAX:
            raise ConfigError(
                f"{self.pair.question.group!r} of {self.pair.after.place} has over {GROUPS_MAX:,} values.",
                hint="Group by a column that has fewer.",
            )
        return rows

    def _count(self, group: str | None, counts: Counts) -> None:
        self.groups[group] = _total([self.groups.get(group, Counts()), counts])

    def _samples(self, counts: Counts, statements: Statements) -> Iterable[Sample]:
        if not self.pair.question.samples_max:
            return
        differing = [form for form in self.pair.compared if self.columns.get(form.name)]
        sides: tuple[tuple[Kind, Side, int], ...] = (
            ("added", "after", counts.added),
            ("removed", "before", counts.removed),
        )
        for kind, side, count in sides:
            rest = self.pair.question.samples_max if count else 0
            if rest and self.pair.key:
                found = [
                    self._whole_row(kind, side, row) for row in self._rows(statements.one_sided_samples(side))
                ]
                rest -= len(found)
                yield from found
            if rest and (statements.without_duplicates or not self.pair.key):
                rows = self._rows(statements.multiset_samples(side))[:rest]
                yield from (self._whole_row(kind, side, row[:-1], int(row[-1])) for row in rows)
        if counts.changed:
            for row in self._rows(statements.changed_samples(differing)):
                yield self._changed_row(differing, row)

    def _whole_row(self, kind: Kind, side: Side, row: Sequence[Any], copies: int = 1) -> Sample:
        columns = shown_columns(self.pair, side)
        keys = len(self.pair.key)
        values = dict(zip([self._name(column) for column in columns], map(text_of, row), strict=True))
        key = _named([form.name for form in self.pair.key], row[:keys])
        return Sample(
            kind=kind,
            key=key,
            before=values if side == "before" else None,
            after=values if side == "after" else None,
            copies=copies,
        )

    def _changed_row(self, columns: Sequence[Form], row: Sequence[Any]) -> Sample:
        keys = len(self.pair.key)
        key = _named([form.name for form in self.pair.key], row[:keys])
        before, after = {}, {}
        for at, form in enumerate(columns):
            differs, there, here = row[keys + 3 * at : keys + 3 * at + 3]
            if int(differs):
                before[form.name], after[form.name] = texts_of(there, here)
        return Sample(kind="changed", key=key, before=before, after=after)

    def _name(self, column: Column) -> str:
        return self.pair.dialect.known_as(column.name)

    def _metrics(self) -> Metrics:
        metrics = self._measured()
        rows = self._rows(Statements(self.pair).days(metrics, 2 * DAYS_MAX + 1))
        is_cut = len(rows) > 2 * DAYS_MAX
        if is_cut:  # the last day may not be whole
            rows = [row for row in rows if row[1] != rows[-1][1]]
        nothing: tuple[int | Decimal | None, ...] = (0, *(None for _ in metrics))
        found: dict[tuple[str | None, str | None], list[tuple[int | Decimal | None, ...]]] = {}
        for side, moment, value, count, *sums in rows:
            day = moment.isoformat() if isinstance(moment, date) else moment
            sides = found.setdefault((day, value), [nothing, nothing])
            sides[int(side)] = (int(count), *_figures(metrics, sums))
        day_columns, by_columns = self.pair.day, self.pair.by
        return Metrics(
            day=None if day_columns is None else self._name(_first(day_columns)),
            by=None if by_columns is None else self._name(_first(by_columns)),
            names=("rows", *(metric.name for metric in metrics)),
            days=tuple(
                Metric(day=day, by=value, before=before, after=after)
                for (day, value), (before, after) in sorted(found.items(), key=_nulls_first)
            ),
            cut=is_cut,
        )

    def _measured(self) -> tuple[Summed, ...]:
        """The metrics, each with whether its sums might not fit; nothing that fits costs more than a sum."""
        metrics = self.pair.metrics
        if not metrics:
            return ()
        sides = self._rows(Statements(self.pair).ranges(metrics))
        made = []
        for at, metric in enumerate(metrics):
            reach = [
                _WIDE.multiply(int(count), abs(Decimal(end)))
                for count, *ends in sides
                for end in ends[2 * at : 2 * at + 2]
                if end is not None
            ]
            made.append(
                evolve(metric, is_wide=any(_unscaled(one, metric.scale) >= _SUM_END for one in reach))
            )
        return tuple(made)


def _asked(ask: Ask, statement: Statement) -> Sequence[Sequence[Any]]:
    return ask(statement.sql, statement.values)


def _total(counts: Iterable[Counts]) -> Counts:
    names = ("before", "after", "added", "removed", "changed")
    known = list(counts)
    return Counts(**{name: sum(getattr(one, name) for one in known) for name in names})


def _named(names: Sequence[str], row: Sequence[Any]) -> dict[str, str | None]:
    return {name: text_of(value) for name, value in zip(names, row, strict=False)}


def _first(columns: Iterable[Column | None]) -> Column:
    return next(column for column in columns if column is not None)


def _nulls_first(item: tuple[tuple[str | None, str | None], Any]) -> tuple[tuple[bool, str], ...]:
    return tuple((part is not None, part or "") for part in item[0])


def _figures(metrics: Sequence[Summed], sums: Sequence[Any]) -> Iterable[int | Decimal | None]:
    """Each metric's sum as one exact figure; no part passes through a float."""
    at = 0
    for metric in metrics:
        parts = sums[at : at + (3 if metric.is_wide else 1)]
        at += len(parts)
        if parts[0] is None:
            yield None
            continue
        total, *rest = [Decimal(part) for part in parts]
        if rest:
            total = _WIDE.add(_WIDE.add(_WIDE.multiply(total, _UPPER), rest[0]), rest[1])
        yield total.quantize(Decimal(1).scaleb(-metric.scale), context=_WIDE) if metric.scale else int(total)


def _unscaled(value: Decimal, scale: int) -> Decimal:
    return _WIDE.scaleb(value, scale)


def text_of(value: object) -> str | None:
    """A value of a sample as text, the same whatever the driver; a long one is cut."""
    text = _whole_text(value)
    return None if text is None else _cut(text, 0)


def texts_of(there: object, here: object) -> tuple[str | None, str | None]:
    """Two values that differ; of long ones the part in which they begin to."""
    texts = before, after = _whole_text(there), _whole_text(here)
    if before is None or after is None or max(len(before), len(after)) <= TEXT_CHARACTERS_MAX:
        return texts
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    start = 0 if same + _AHEAD < TEXT_CHARACTERS_MAX else same - _AHEAD
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    end = start + TEXT_CHARACTERS_MAX
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _whole_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.hex() if isinstance(value, (bytes, bytearray)) else str(value)
