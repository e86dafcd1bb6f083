"""What is asked of a sink: which two tables, by which key, which rows of them, how many samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from attrs import field, frozen

from eventreplay.errors import ConfigError

if TYPE_CHECKING:
    from eventreplay.capabilities.comparison.found import TableDifference


@frozen
class Place:
    """A table or view: the names of its schema and of itself, in either case where they are plain."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@frozen
class In:
    """Rows whose column has one of these values; no row if there are none."""

    column: str
    values: Sequence[str]


@frozen
class AtLeast:
    """Rows whose moment, the first of these columns that is not null, is this one or later.

    The columns hold moments in UTC without a zone, as RAW's do.
    """

    columns: tuple[str, ...]
    moment: datetime


@frozen
class Below:
    """Rows that lie below the bound of their group; rows of another group are left out."""

    group: str
    column: str
    bounds: Mapping[str, int]


Condition = In | AtLeast | Below


@frozen(kw_only=True)
class Question:
    """Two tables to be compared. Of columns whose names differ in case alone, the exact one is meant.

    Attributes:
        before: one side.
        after: the other one.
        key: columns that say which row is which; empty: rows are compared as a multiset.
        ignored: columns that are not compared; those that a table does not have are passed over.
        where: rows that are compared, the same on both sides.
        group: a column by whose values rows are counted apart.
        day: a column of dates or moments, by whose days the metrics are summed; None: over all.
        by: a column whose values are summed apart, such as a currency.
        guesses: where no `day` is given, the only column of dates is it, or else `day`, `*_date`, `*_day`;
            where no `by` is given, `currency_code` or `currency`.
        metrics: columns that are summed; None: every exact number outside of the key but ids, offsets and the
            like; no column: rows only.
        samples_max: rows shown of each kind.
    """

    before: Place
    after: Place
    key: tuple[str, ...] = ()
    ignored: Collection[str] = ()
    where: tuple[Condition, ...] = ()
    group: str | None = None
    day: str | None = None
    by: str | None = None
    guesses: bool = True
    metrics: tuple[str, ...] | None = None
    samples_max: int = field(default=5)

    @samples_max.validator
    def _check(self, attribute: object, value: int) -> None:
        del attribute
        if value < 0:
            raise ConfigError(f"samples_max is {value}.", hint="It is at least 0.", setting="samples_max")


@runtime_checkable
class SupportsTableComparison(Protocol):
    """A sink whose warehouse can compare two of its tables. Only what is committed counts."""

    def tables(self, schema: str) -> Sequence[str]:
        """Names of the tables and views of a schema, ascending; none if there is no such schema."""

    def compare(self, question: Question) -> TableDifference:
        """Compare two tables.

        Raises:
            ConfigError: neither table is there, or a column that is asked for is in none of them.
            SinkUnavailableError: trying again may help.
        """
