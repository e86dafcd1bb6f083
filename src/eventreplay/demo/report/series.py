"""Parts of stacked bars, in one order and under names that fit the chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from attrs import frozen

from eventreplay.pages.wording import day, safe, short_names, whole

SERIES_CHARACTERS_MAX = 16
"""Longest name of a series that fits a legend."""


@frozen
class Series:
    """The series of a chart, lowest first; `unit` is what is counted, a plural."""

    names: Sequence[str]
    unit: str

    @property
    def titles(self) -> list[str]:
        """What the legend shows, one a series."""
        return list(short_names([title(name) for name in self.names], SERIES_CHARACTERS_MAX).values())

    def of_week(self, monday: date, name: str, count: int) -> dict[str, Any]:
        """A part of the column of a week."""
        return {"day": monday.isoformat(), **self._part(name, count, f"Week of {day(monday)}")}

    def of_bar(self, bar: str, name: str, count: int) -> dict[str, Any]:
        """A part of the bar called `bar`."""
        return {"name": bar, **self._part(name, count, bar)}

    def _part(self, name: str, count: int, where: str) -> dict[str, Any]:
        at = self.names.index(name)
        tip = f"{where}, {title(name)}: {whole(count)} {self.unit}"
        return {"series": self.titles[at], "order": at, "value": int(count), "tip": tip}


def title(word: str) -> str:
    """A word with a capital letter, as names of series are shown."""
    shown = safe(word)
    return shown[:1].upper() + shown[1:]


def counted(found: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], int]:
    """Counts by two names; two spellings that are shown alike count together."""
    counts: dict[tuple[str, str], int] = {}
    for first, second, count in found:
        counts[first, second] = counts.get((first, second), 0) + int(count)
    return counts


def by_total(pairs: Iterable[tuple[str, int]]) -> list[str]:
    """Names by the sum of their counts, largest first."""
    totals: dict[str, int] = {}
    for name, count in pairs:
        totals[name] = totals.get(name, 0) + count
    return sorted(totals, key=lambda name: (-totals[name], name))


def crossed(
    counts: dict[tuple[str, str], int], rows: Iterable[str], columns: Sequence[str]
) -> list[tuple[str, ...]]:
    """A table of counts, row by row, with each row's total at its end."""
    table = []
    for row in rows:
        line = [counts.get((row, column), 0) for column in columns]
        table.append((row, *(whole(count) for count in line), whole(sum(line))))
    return table
