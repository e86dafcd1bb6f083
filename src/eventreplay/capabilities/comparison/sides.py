"""Two tables as the named parts of a statement: B(efore) and A(fter), with aliases of ours. Pure.

Their conditions stand there alone, so the values to bind are those of B, then those of A.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from eventreplay.capabilities.comparison.asked import Below, Condition, In
from eventreplay.capabilities.comparison.dialects import Column
from eventreplay.capabilities.comparison.pairing import SIDES, Form, Layout, Pair, Side
from eventreplay.errors import ConfigError

LETTER = {"before": "B", "after": "A"}
Items = dict[Side, list[tuple[str, str]]]
"""What each side selects: aliases of ours and expressions."""


@frozen
class Statement:
    """SQL with `?` for values, and those."""

    sql: str
    values: tuple[object, ...]


@frozen
class Sides:
    """One pair of tables.

    Args:
        pair: the tables.
        without_duplicates: rows whose key is none are left out of the join.
        without_nulls: no key has a null, so that `=` finds all, which is faster.
    """

    pair: Pair
    without_duplicates: bool = False
    without_nulls: bool = False

    @property
    def _limit(self) -> int:
        return int(self.pair.question.samples_max)

    def _statement(self, items: Items, query: str, *, duplicates: bool = False) -> Statement:
        parts: list[str] = []
        values: list[object] = []
        for side in SIDES:
            layout: Layout = getattr(self.pair, side)
            condition, bound = self._where(layout)
            wanted = ", ".join(f'{expression} AS "{name}"' for name, expression in items[side])
            parts.append(
                f"{LETTER[side]} {self.pair.dialect.with_words}"
                f" (SELECT {wanted} FROM {self._place(layout)}{condition})"
            )
            values += bound
        if duplicates:
            keys = self._key_names()
            parts.append(
                f'D AS (SELECT {keys}, SUM("NB") AS "NB", SUM("NA") AS "NA" FROM'
                f' (SELECT {keys}, 1 AS "NB", 0 AS "NA" FROM B UNION ALL SELECT {keys}, 0, 1 FROM A) AS EACH'
                f' GROUP BY {keys} HAVING SUM("NB") > 1 OR SUM("NA") > 1)'
            )
        return Statement(f"WITH {', '.join(parts)} {query}", tuple(values))

    def _place(self, layout: Layout) -> str:
        return self.pair.dialect.quoted(layout.place.schema, layout.place.table)

    def _where(self, layout: Layout) -> tuple[str, tuple[object, ...]]:
        tests, values = [], []
        for condition in self.pair.question.where:
            test, bound = self._condition(layout, condition)
            tests.append(test)
            values += bound
        return (f" WHERE {' AND '.join(tests)}" if tests else ""), tuple(values)

    def _condition(self, layout: Layout, condition: Condition) -> tuple[str, list[object]]:
        if isinstance(condition, In):
            marks = ", ".join("?" for _ in condition.values)
            test = f"{self._column(layout, condition.column)} IN ({marks})" if marks else "1 = 0"
            return test, list(condition.values)
        if isinstance(condition, Below):
            group, column = self._column(layout, condition.group), self._column(layout, condition.column)
            bounds = sorted(condition.bounds.items())
            test = " OR ".join(f"({group} = ? AND {column} < {int(bound)})" for _, bound in bounds)
            return f"({test or '1 = 0'})", [name for name, _ in bounds]
        columns = ", ".join(self._column(layout, column) for column in condition.columns)
        moment = condition.moment.replace(tzinfo=None).isoformat(" ", "microseconds")
        return f"COALESCE({columns}) >= CAST(? AS {self.pair.dialect.moment})", [moment]

    def _column(self, layout: Layout, name: str) -> str:
        found = layout.find(name)
        if found is None:
            raise ConfigError(f"{layout.place} has no column {name!r}.", hint="", column=name)
        return self.pair.dialect.quoted(found.name)

    def _keys(self, side: Side) -> list[tuple[str, str]]:
        return self._compared(side, self.pair.key, "K")

    def _key_names(self, letter: str = "") -> str:
        prefix = f"{letter}." if letter else ""
        return ", ".join(f'{prefix}"{name}"' for name, _ in self._keys("before"))

    def _compared(self, side: Side, forms: Iterable[Form], letter: str = "X") -> list[tuple[str, str]]:
        at_side = SIDES.index(side)
        return [
            (f"{letter}{at}_{part}", pair[at_side])
            for at, form in enumerate(forms)
            for part, pair in enumerate(form.expressions)
        ]

    def _plain(self, columns: Iterable[Column], letter: str) -> list[tuple[str, str]]:
        return [(f"{letter}{at}", self.pair.dialect.quoted(column.name)) for at, column in enumerate(columns)]

    def _texts(self, columns: Iterable[Column], letter: str) -> list[str]:
        """What `_plain` took along, to be shown: only of the few rows that are chosen."""
        return [self.pair.dialect.shown(f'"{letter}{at}"', column) for at, column in enumerate(columns)]

    def _values(self, columns: Iterable[Column], letter: str = "V") -> list[tuple[str, str]]:
        dialect = self.pair.dialect
        return [
            (f"{letter}{at}", dialect.shown(dialect.quoted(column.name), column))
            for at, column in enumerate(columns)
        ]

    def _group(self, side: Side) -> list[tuple[str, str]]:
        name = self.pair.question.group
        return [] if name is None else [("G", self._column(getattr(self.pair, side), name))]

    def _tests(self, columns: Sequence[Form] | None = None) -> list[str]:
        return [
            " OR ".join(
                f'B."C{at}_{part}" IS DISTINCT FROM A."C{at}_{part}"' for part in range(len(form.expressions))
            )
            for at, form in enumerate(self.pair.compared if columns is None else columns)
        ]

    def _on(self, left: str, right: str) -> str:
        """Rows of one key; null is a key like any other."""
        return " AND ".join(
            f'{left}."K{at}_{part}" {"=" if self.without_nulls else "IS NOT DISTINCT FROM"}'
            f' {right}."K{at}_{part}"'
            for at, form in enumerate(self.pair.key)
            for part in range(len(form.expressions))
        )

    def _unique(self, letter: str) -> str:
        if not self.without_duplicates:
            return letter
        return (
            f"(SELECT {letter}.* FROM {letter} LEFT JOIN D ON {self._on(letter, 'D')}"
            f' WHERE D."NB" IS NULL) AS {letter}'
        )


def shown_columns(pair: Pair, side: Side) -> list[Column]:
    """Columns of a row that only one side has: the key's, those compared, those the other does not have."""
    own = pair.columns_added if side == "after" else pair.columns_removed
    return [*(getattr(form, side) for form in (*pair.key, *pair.compared)), *own]
