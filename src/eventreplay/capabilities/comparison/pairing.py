"""Two tables side by side: which columns they share, and in which form each is compared. Pure.

Names and types come from the warehouse; what stands in statements is quoted, and given an alias of ours at
once, so that no name from outside reaches further than the first SELECT.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from attrs import frozen

from eventreplay.capabilities.comparison.asked import Place, Question
from eventreplay.capabilities.comparison.dialects import Column, Dialect
from eventreplay.capabilities.comparison.found import ColumnType
from eventreplay.errors import ConfigError

METRICS_MAX = 32
"""Columns that are summed unless the question names them."""
Side = Literal["before", "after"]
SIDES: tuple[Side, Side] = ("before", "after")
_CURRENCIES = ("currency_code", "currency")
_DAY_ENDS = ("_date", "_day")
_NO_AMOUNTS = ("_id", "_hash", "_key", "_number", "_offset", "_position")
"""Numbers whose sum says nothing; a question may name them all the same."""


@frozen(kw_only=True)
class Layout:
    """A table that is there: its exact place and its columns in their order."""

    place: Place
    columns: tuple[Column, ...]

    def find(self, name: str) -> Column | None:
        """The column of this name; in another case if only one has it so."""
        exact = [column for column in self.columns if column.name == name]
        alike = exact or [column for column in self.columns if column.name.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else None


@frozen(kw_only=True)
class Form:
    """A column of both tables as it is compared.

    Attributes:
        name: as people write it.
        before: there.
        after: here.
        expressions: SQL on either side, one pair or, for decimals of two scales, whole parts and fractions.
    """

    name: str
    before: Column
    after: Column
    expressions: tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class Summed:
    """A metric.

    Attributes:
        name: as people write it.
        before: its column there; None: there is none.
        after: its column here.
        is_wide: the sum may not fit into the warehouse's widest number, and is taken in parts.
    """

    name: str
    before: Column | None
    after: Column | None
    is_wide: bool = False

    @property
    def scale(self) -> int:
        """Digits behind the point, those of the side that has more."""
        return max(column.scale for column in (self.before, self.after) if column is not None)

    def value(self, dialect: Dialect, side: Side) -> str:
        """SQL of a value."""
        column: Column | None = getattr(self, side)
        return "CAST(NULL AS DECIMAL(38, 0))" if column is None else dialect.quoted(column.name)

    def parts(self, dialect: Dialect, side: Side) -> tuple[str, ...]:
        """SQL of what is summed: the value; or what is above 10^18, below it, and behind the point."""
        value = self.value(dialect, side)
        if not self.is_wide:
            return (value,)
        whole = dialect.whole(value)
        return dialect.upper(whole), dialect.lower(whole), dialect.fraction(value, self.scale)


@frozen(kw_only=True)
class Pair:
    """Two tables and a question, resolved."""

    dialect: Dialect
    question: Question
    before: Layout
    after: Layout
    key: tuple[Form, ...]
    compared: tuple[Form, ...]
    columns_added: tuple[Column, ...]
    columns_removed: tuple[Column, ...]
    types: tuple[ColumnType, ...]
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, dialect: Dialect, question: Question, before: Layout, after: Layout) -> Pair:
        """Resolve the names.

        Raises:
            ConfigError: the key, or what the question speaks of, is not there.
        """
        shared = _shared(before, after)
        forms = {here.name: _form(dialect, there, here) for there, here in shared}
        ignored = {id(column) for name in question.ignored for column in _found(name, before, after)}
        key = tuple(forms[_key_column(name, before, after).name] for name in question.key)
        key_names = {form.after.name for form in key}
        known = {id(column) for pair in shared for column in pair} | ignored
        return cls(
            dialect=dialect,
            question=question,
            before=before,
            after=after,
            key=key,
            compared=tuple(
                forms[here.name]
                for there, here in shared
                if here.name not in key_names and not {id(there), id(here)} & ignored
            ),
            columns_added=tuple(column for column in after.columns if id(column) not in known),
            columns_removed=tuple(column for column in before.columns if id(column) not in known),
            types=tuple(
                ColumnType(name=dialect.known_as(here.name), before=there.kind, after=here.kind)
                for there, here in shared
                if there.kind != here.kind and id(here) not in ignored
            ),
            ignored=tuple(
                dialect.known_as(column.name)
                for column in after.columns
                if id(column) in ignored and column.name not in key_names
            ),
        )

    def named(self, name: str, what: str) -> tuple[Column | None, Column | None]:
        """A column that the question speaks of, on either side.

        Raises:
            ConfigError: it is on neither.
        """
        there, here = self.before.find(name), self.after.find(name)
        if there is None and here is None:
            raise ConfigError(
                f"{self.after.place} has no column {name!r}, which is to be its {what}.",
                hint="Mend meta.eventreplay in the model's YAML.",
                column=name,
            )
        return there, here

    @property
    def day(self) -> tuple[Column | None, Column | None] | None:
        """The column of the day on either side; None if there is none."""
        wanted = self.question.day
        if wanted is not None:
            found = self.named(wanted, "day")
            if any(column is not None and column.family not in ("date", "moment") for column in found):
                raise ConfigError(
                    f"{wanted!r} of {self.after.place} holds neither dates nor moments without a zone.",
                    hint="Name another column as `day` in meta.eventreplay of the model's YAML.",
                    column=wanted,
                )
            return found
        if not self.question.guesses:
            return None
        dates = [column for column in self.after.columns if column.family == "date"]
        if len(dates) != 1:
            fitting = [column for column in self.after.columns if column.family in ("date", "moment")]
            dates = [column for column in fitting if column.name.lower() == "day"] or [
                column for column in fitting if column.name.lower().endswith(_DAY_ENDS)
            ]
        return (self.before.find(dates[0].name), dates[0]) if dates else None

    @property
    def by(self) -> tuple[Column | None, Column | None] | None:
        """The column whose values are summed apart; None if there is none."""
        if self.question.by is not None:
            return self.named(self.question.by, "`by`")
        for name in _CURRENCIES if self.question.guesses else ():
            here = self.after.find(name)
            if here is not None and here.family == "text":
                return self.before.find(name), here
        return None

    @property
    def metrics(self) -> tuple[Summed, ...]:
        """What is summed, in the order of the columns or of the question.

        Raises:
            ConfigError: a named one is no exact number.
        """
        if self.question.metrics is not None:
            found = [(name, *self.named(name, "metric")) for name in self.question.metrics]
            for name, *sides in found:
                if any(column is not None and column.family != "exact" for column in sides):
                    raise ConfigError(
                        f"{name!r} of {self.after.place} is no exact number and cannot be summed as one.",
                        hint="Take it off `metrics` in meta.eventreplay of the model's YAML.",
                        column=name,
                    )
            return tuple(self._summed(there, here) for _, there, here in found)
        apart = {form.after.name for form in self.key}
        chosen = [
            (form.before, form.after)
            for form in self.compared
            if form.after.family == form.before.family == "exact"
            and form.after.name not in apart
            and not form.after.name.lower().endswith(_NO_AMOUNTS)
        ]
        return tuple(self._summed(there, here) for there, here in chosen[:METRICS_MAX])

    def _summed(self, there: Column | None, here: Column | None) -> Summed:
        name = next(column.name for column in (here, there) if column is not None)
        return Summed(name=self.dialect.known_as(name), before=there, after=here)


def _found(name: str, *layouts: Layout) -> Iterable[Column]:
    return [column for layout in layouts if (column := layout.find(name)) is not None]


def _shared(before: Layout, after: Layout) -> Sequence[tuple[Column, Column]]:
    """Columns of both sides; each is paired once, and one of the same letters goes before one alike."""
    pairs = [(there, here) for here in after.columns if (there := before.find(here.name)) is not None]
    exact = {there.name for there, here in pairs if there.name == here.name}
    return [(there, here) for there, here in pairs if there.name == here.name or there.name not in exact]


def _key_column(name: str, before: Layout, after: Layout) -> Column:
    there, here = before.find(name), after.find(name)
    if there is None or here is None:
        raise ConfigError(
            f"{before.place if there is None else after.place} has no column {name!r}, which is its key.",
            hint="Say by what its rows are told apart: `key` in meta.eventreplay of the model's YAML; an"
            " empty list compares them as a multiset.",
            column=name,
        )
    return here


def _form(dialect: Dialect, there: Column, here: Column) -> Form:
    name = dialect.known_as(here.name)
    left, right = dialect.quoted(there.name), dialect.quoted(here.name)
    if there.kind == here.kind or (there.family == here.family and there.family in _ALIKE):
        pairs: tuple[tuple[str, str], ...] = (
            (dialect.comparable(left, there), dialect.comparable(right, here)),
        )
    elif there.family == here.family == "exact":
        scale = max(there.scale, here.scale)
        whole = (dialect.whole(left), dialect.whole(right))
        fractions = (dialect.fraction(left, scale), dialect.fraction(right, scale))
        pairs = (whole, fractions) if scale else (whole,)
    else:
        pairs = ((dialect.text(left, there), dialect.text(right, here)),)
    return Form(name=name, before=there, after=here, expressions=pairs)


_ALIKE = frozenset({"text", "json", "bytes", "float"})
"""Families of which the warehouse compares any two types exactly. Moments are not among them: those of
nanoseconds reach less far, and a cast would fail."""
