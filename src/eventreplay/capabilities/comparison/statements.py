"""The statements of a comparison. Pure: a pair of tables in, SQL and the values to bind out."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from eventreplay.capabilities.comparison.dialects import LOOKED_AT_CHARACTERS_MAX
from eventreplay.capabilities.comparison.pairing import SIDES, Form, Layout, Side, Summed
from eventreplay.capabilities.comparison.sides import LETTER, Items, Sides, Statement, shown_columns


@frozen
class Statements(Sides):
    """All that may be asked of one pair of tables."""

    def count(self, side: Side) -> Statement:
        """How many rows one table has."""
        layout: Layout = getattr(self.pair, side)
        condition, values = self._where(layout)
        return Statement(f"SELECT COUNT(*) FROM {self._place(layout)}{condition}", values)

    def sums(self) -> Statement:
        """Of each side: its number, rows, sums of hashes, rows whose key has no null. One scan each."""
        items: Items = {
            side: [*self._keys(side), *self._compared(side, self.pair.compared, "C"), ("P", "1")]
            for side in SIDES
        }
        parts = []
        for number, side in enumerate(SIDES):
            names = [f'"{name}"' for name, _ in items[side]]
            filled = " AND ".join(f'"{name}" IS NOT NULL' for name, _ in self._keys(side)) or "1 = 1"
            sums = ", ".join(self.pair.dialect.hash_sums(names))
            parts.append(
                f"SELECT {number}, COUNT(*), {sums}, COUNT(CASE WHEN {filled} THEN 1 END) FROM {LETTER[side]}"
            )
        return self._statement(items, " UNION ALL ".join(parts))

    def duplicates(self) -> Statement:
        """How many keys are none, and the rows of both sides that have them."""
        return self._statement(
            {side: self._keys(side) for side in SIDES},
            'SELECT COUNT(*), SUM("NB"), SUM("NA") FROM D',
            duplicates=True,
        )

    def duplicate_samples(self) -> Statement:
        """The first of them: key, rows before, rows after."""
        keys = self._key_names()
        shown = ", ".join(f'MAX("S{at}")' for at in range(len(self.pair.key)))
        counted = " UNION ALL ".join(
            f'SELECT {keys}, {self._shown_names()}, {nb} AS "NB", {na} AS "NA" FROM {letter}'
            for letter, nb, na in (("B", 1, 0), ("A", 0, 1))
        )
        return self._statement(
            {
                side: [*self._keys(side), *self._values([getattr(form, side) for form in self.pair.key], "S")]
                for side in SIDES
            },
            f'SELECT {shown}, SUM("NB"), SUM("NA") FROM ({counted}) AS COUNTED GROUP BY {keys}'
            f' HAVING SUM("NB") > 1 OR SUM("NA") > 1 ORDER BY {keys} LIMIT {self._limit}',
        )

    def joined(self) -> Statement:
        """By group: its value, rows before and after, added, removed, changed; then changed by column."""
        both = 'B."P" IS NOT NULL AND A."P" IS NOT NULL'
        tests = self._tests()
        counts = [
            'COUNT(B."P")',
            'COUNT(A."P")',
            'COUNT(CASE WHEN B."P" IS NULL THEN 1 END)',
            'COUNT(CASE WHEN A."P" IS NULL THEN 1 END)',
            f"COUNT(CASE WHEN {both} AND ({_any(tests)}) THEN 1 END)",
            *(f"COUNT(CASE WHEN {both} AND ({test}) THEN 1 END)" for test in tests),
        ]
        group = self.pair.question.group is not None
        first, last = (
            ('COALESCE(B."G", A."G")', ' GROUP BY COALESCE(B."G", A."G")') if group else ("NULL", "")
        )
        return self._statement(
            {
                side: [
                    *self._keys(side),
                    *self._compared(side, self.pair.compared, "C"),
                    *self._group(side),
                    ("P", "1"),
                ]
                for side in SIDES
            },
            f"SELECT {first}, {', '.join(counts)} FROM {self._unique('B')} FULL OUTER JOIN"
            f" {self._unique('A')} ON {self._on('B', 'A')}{last}",
            duplicates=self.without_duplicates,
        )

    def changed_samples(self, columns: Sequence[Form]) -> Statement:
        """Of the first rows that changed: the key; of each column whether it differs, before, after."""
        tests = self._tests(columns)
        keys = [form.before for form in self.pair.key]
        inner = [f'B."S{at}"' for at in range(len(keys))]
        wanted = self._texts(keys, "S")
        for at, form in enumerate(columns):
            inner.append(f'CASE WHEN {tests[at]} THEN 1 ELSE 0 END AS "T{at}"')
            inner += [f'B."V{at}"', f'A."V{at}" AS "W{at}"']
            wanted += [
                f'"T{at}"',
                self.pair.dialect.shown(f'"V{at}"', form.before, LOOKED_AT_CHARACTERS_MAX),
                self.pair.dialect.shown(f'"W{at}"', form.after, LOOKED_AT_CHARACTERS_MAX),
            ]
        items: Items = {
            side: [
                *self._keys(side),
                *self._compared(side, columns, "C"),
                *self._plain([getattr(form, side) for form in columns], "V"),
                *(self._plain(keys, "S") if side == "before" else ()),
            ]
            for side in SIDES
        }
        return self._statement(
            items,
            f"SELECT {', '.join(wanted)} FROM (SELECT {self._key_names('B')}, {', '.join(inner)}"
            f" FROM {self._unique('B')} INNER JOIN {self._unique('A')} ON {self._on('B', 'A')}"
            f" WHERE {_any(tests)} ORDER BY {self._key_names('B')} LIMIT {self._limit}) AS CHOSEN"
            f" ORDER BY {self._key_names()}",
            duplicates=self.without_duplicates,
        )

    def one_sided_samples(self, side: Side) -> Statement:
        """The first rows that only one side has: all of its columns."""
        other: Side = "before" if side == "after" else "after"
        here, there = LETTER[side], LETTER[other]
        columns = shown_columns(self.pair, side)
        items: Items = {
            side: [*self._keys(side), *self._plain(columns, "V")],
            other: [*self._keys(other), ("P", "1")],
        }
        inner = ", ".join(f'{here}."V{at}"' for at in range(len(columns)))
        return self._statement(
            items,
            f"SELECT {', '.join(self._texts(columns, 'V'))} FROM (SELECT {self._key_names(here)}, {inner}"
            f" FROM {self._unique(here)} LEFT JOIN {self._unique(there)} ON {self._on(here, there)}"
            f' WHERE {there}."P" IS NULL ORDER BY {self._key_names(here)} LIMIT {self._limit}) AS CHOSEN'
            f" ORDER BY {self._key_names()}",
            duplicates=self.without_duplicates,
        )

    def multiset(self) -> Statement:
        """By group: its value, rows before and after, added, removed; of rows without a key of their own."""
        names = self._multiset_names()
        group = self.pair.question.group is not None
        first, last = ('"G"', ' GROUP BY "G"') if group else ("NULL", "")
        return self._statement(
            {side: self._multiset_items(side) for side in SIDES},
            f'SELECT {first}, SUM("NB"), SUM("NA"), SUM(GREATEST("NA" - "NB", 0)),'
            f' SUM(GREATEST("NB" - "NA", 0)) FROM (SELECT {names}, SUM("NB") AS "NB", SUM("NA") AS "NA"'
            f" FROM ({self._counted(names)}) AS EACH GROUP BY {names}) AS COUNTED{last}",
            duplicates=self.without_duplicates,
        )

    def multiset_samples(self, side: Side) -> Statement:
        """The first rows that one side has more of: all of its columns, and how many more."""
        names = self._multiset_names()
        columns = shown_columns(self.pair, side)
        shown = [f'"V{at}"' for at in range(len(columns))]
        more = '"NA" - "NB"' if side == "after" else '"NB" - "NA"'
        inner = ", ".join(f"MAX({one}) AS {one}" for one in shown)
        items = {
            one: [
                *self._multiset_items(one),
                *(self._values(columns) if one == side else [(name.strip('"'), "NULL") for name in shown]),
            ]
            for one in SIDES
        }
        counted = self._counted(", ".join([names, *shown]))
        return self._statement(
            items,
            f'SELECT {", ".join(shown)}, {more} FROM (SELECT {names}, {inner}, SUM("NB") AS "NB",'
            f' SUM("NA") AS "NA" FROM ({counted}) AS EACH GROUP BY {names}) AS COUNTED'
            f" WHERE {more} > 0 ORDER BY {names} LIMIT {self._limit}",
            duplicates=self.without_duplicates,
        )

    def ranges(self, metrics: Sequence[Summed]) -> Statement:
        """Of each side: rows, the least and the greatest value of each metric, as text.

        As text, because no one type holds the numbers of both sides.
        """
        items: Items = {}
        selects = []
        for side in SIDES:
            columns = [(f"M{at}", metric.value(self.pair.dialect, side)) for at, metric in enumerate(metrics)]
            items[side] = [*columns, ("P", "1")]
            both = "".join(
                f', CAST(MIN("{name}") AS VARCHAR), CAST(MAX("{name}") AS VARCHAR)' for name, _ in columns
            )
            selects.append(f"SELECT COUNT(*){both} FROM {LETTER[side]}")
        return self._statement(items, " UNION ALL ".join(selects))

    def days(self, metrics: Sequence[Summed], rows_max: int) -> Statement:
        """By side, day and `by`, the latest first: rows, and the parts of each sum, as text."""
        items: Items = {}
        selects = []
        for number, side in enumerate(SIDES):
            values = [
                (f"M{at}_{part}", expression)
                for at, metric in enumerate(metrics)
                for part, expression in enumerate(metric.parts(self.pair.dialect, side))
            ]
            items[side] = [("D", self._day(side)), ("Y", self._by(side)), *values]
            sums = "".join(f', CAST(SUM("{name}") AS VARCHAR) AS "{name}"' for name, _ in values)
            selects.append(
                f'SELECT {number} AS "SIDE", "D", "Y", COUNT(*) AS "N"{sums} FROM {LETTER[side]}'
                ' GROUP BY "D", "Y"'
            )
        return self._statement(
            items,
            f"SELECT * FROM ({' UNION ALL '.join(selects)}) AS DAYS"
            f' ORDER BY "D" DESC NULLS FIRST, "Y", "SIDE" LIMIT {int(rows_max)}',
        )

    def _shown_names(self) -> str:
        return ", ".join(f'"S{at}"' for at in range(len(self.pair.key)))

    def _multiset_items(self, side: Side) -> list[tuple[str, str]]:
        return [
            *self._keys(side),
            *(self._compared(side, self.pair.compared, "C")),
            *self._group(side),
            ("P", "1"),
        ]

    def _multiset_names(self) -> str:
        return ", ".join(f'"{name}"' for name, _ in self._multiset_items("before"))

    def _counted(self, names: str) -> str:
        """Every row of either side once; with a key, of those whose key is none."""

        def source(letter: str) -> str:
            if not self.pair.key:
                return letter
            return f"(SELECT {letter}.* FROM {letter} INNER JOIN D ON {self._on(letter, 'D')}) AS {letter}"

        return (
            f'SELECT {names}, 1 AS "NB", 0 AS "NA" FROM {source("B")}'
            f" UNION ALL SELECT {names}, 0, 1 FROM {source('A')}"
        )

    def _day(self, side: Side) -> str:
        found = self.pair.day
        column = None if found is None else found[SIDES.index(side)]
        name = "NULL" if column is None else self.pair.dialect.quoted(column.name)
        return f"CAST({name} AS DATE)"

    def _by(self, side: Side) -> str:
        found = self.pair.by
        column = None if found is None else found[SIDES.index(side)]
        if column is None:
            return "CAST(NULL AS VARCHAR)"
        return self.pair.dialect.text(self.pair.dialect.quoted(column.name), column)


def _any(tests: Sequence[str]) -> str:
    return " OR ".join(tests) or "1 = 0"
