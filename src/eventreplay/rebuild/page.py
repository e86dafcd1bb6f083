"""A difference as one HTML page: verdict, tables, plots before and after, and rows.

It holds all it needs and asks the network for nothing. The same difference gives the same page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from eventreplay.capabilities.comparison import Metric, Metrics, Sample
from eventreplay.pages import charts, rendered
from eventreplay.pages.wording import NOT_THERE, safe, short_names, whole
from eventreplay.rebuild.difference import Compared, Difference

View = dict[str, Any]

CHARTS_MAX = 36
"""Drawings on one page; tables are there in any case."""
METRIC_CHARTS_MAX = 3
"""Of one table: the metrics that differ, the first ones."""
DAYS_SHOWN_MAX = 60
"""Days of a metric in the table below its drawing: those that differ, the first ones."""
COLUMNS_SHOWN_MAX = 12
"""Columns of a row that only one side has."""
NAME_CHARACTERS_MAX = 24
_NAMES_PX = 168
_SERIES = ("Added", "Removed", "Changed")
_WIDE = Context(prec=100)


def write_page(path: Path, found: Difference) -> None:
    """Write the page to `path`; replaced if it is there."""
    path.write_text(page(found), encoding="utf-8", newline="\n")


def page(found: Difference) -> str:
    """The page's text."""
    room = _Room(CHARTS_MAX)
    differing = [one for one in found.tables if not one.difference.equal]
    return rendered(
        "eventreplay.rebuild",
        "diff.html.j2",
        generation=safe(found.generation),
        ok=found.ok,
        equal=found.equal,
        unexplained=[safe(name) for name in found.unexplained],
        undecided=[safe(name) for name in found.undecided],
        facts=[("Plan", safe(found.plan)), ("Log", safe(found.log)), ("Warehouse", safe(found.sink))],
        heads=_heads(found),
        overview=_overview(differing, room) if differing else None,
        tables=[_row(one) for one in found.tables],
        types=[_type_row(one) for one in found.types],
        details=[_detail(one, room) for one in sorted(differing, key=_urgency)],
        standings=[
            (
                safe(one.partition),
                whole(one.before),
                whole(one.after),
                whole(one.built),
                whole(one.beyond),
            )
            for one in found.standings
        ],
        others=[safe(name) for name in found.others],
        notes=[safe(note) for note in found.notes],
    )


class _Room:
    """How many drawings the page has room for."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def _urgency(one: Compared) -> bool:
    """What nobody can explain comes first, else in the order in which the tables are made."""
    return one.verdict.state != "unexplained"


def _heads(found: Difference) -> list[View]:
    counts = [one.difference.counts for one in found.tables]
    differing = [one for one in found.tables if not one.difference.equal]
    return [
        {
            "name": "Tables that differ",
            "value": whole(len(differing)),
            "note": f"of {whole(len(found.tables))}",
        },
        {
            "name": "Rows added",
            "value": whole(sum(one.added for one in counts)),
            "note": "in all tables",
        },
        {
            "name": "Rows removed",
            "value": whole(sum(one.removed for one in counts)),
            "note": "in all tables",
        },
        {
            "name": "Rows changed",
            "value": whole(sum(one.changed for one in counts)),
            "note": "in all tables",
        },
        {
            "name": "Unexplained",
            "value": whole(len(found.unexplained)),
            "note": f"undecided: {whole(len(found.undecided))}",
        },
    ]


def _named(one: Compared) -> str:
    return safe(f"{one.name}, {one.note}" if one.note else one.name)


def _row(one: Compared) -> tuple[str, ...]:
    counts = one.difference.counts
    figures = (counts.before, counts.after, counts.added, counts.removed, counts.changed)
    return (_named(one), *map(whole, figures), one.verdict.state, safe("; ".join(one.verdict.why)))


def _type_row(one: Any) -> tuple[str, ...]:
    figures = (
        one.events.changed + one.refused.changed,
        one.events.added,
        one.events.removed,
        one.to_quarantine,
        one.from_quarantine,
    )
    return (safe(one.type), *map(whole, figures), one.verdict.state, safe("; ".join(one.verdict.why)))


def _overview(differing: Sequence[Compared], room: _Room) -> Any:
    names = list(dict.fromkeys(_named(one) for one in differing))
    short = short_names(names, NAME_CHARACTERS_MAX)
    rows = [
        {
            "name": short[_named(one)],
            "series": series,
            "order": order,
            "value": count,
            "tip": f"{_named(one)}: {whole(count)} rows {series.lower()}",
        }
        for one in differing
        for order, (series, count) in enumerate(zip(_SERIES, _changes(one), strict=True))
        if count
    ]
    if not rows or not room.take():
        return None
    spec = charts.stacked_bars(
        rows, list(short.values()), _SERIES, wide_px=charts.WIDE_PX, names_px=_NAMES_PX
    )
    return charts.drawn(spec, "Rows added, removed and changed by table; the table below has the counts.")


def _changes(one: Compared) -> tuple[int, int, int]:
    counts = one.difference.counts
    return counts.added, counts.removed, counts.changed


def _detail(one: Compared, room: _Room) -> View:
    found = one.difference
    return {
        "name": _named(one),
        "state": one.verdict.state,
        "why": [safe(why) for why in one.verdict.why],
        "remarks": list(_remarks(one)),
        "columns": _columns(one, room),
        "column_rows": [(safe(name), whole(count)) for name, count in found.columns.items()],
        "metrics": [] if found.metrics is None else list(_metrics(found.metrics, room)),
        "samples": [row for sample in found.samples for row in _sample(sample)],
    }


def _remarks(one: Compared) -> Iterable[str]:
    found = one.difference
    if found.before is None:
        yield "It was not there before."
    if found.after is None:
        yield "It is not there any more."
    if found.columns_added:
        yield safe(f"New columns: {', '.join(found.columns_added)}.")
    if found.columns_removed:
        yield safe(f"Columns that are gone: {', '.join(found.columns_removed)}.")
    for column in found.types:
        yield safe(f"{column.name} was {column.before} and is {column.after}.")
    if found.duplicates is not None:
        yield (
            f"{whole(found.duplicates.keys)} keys are those of several rows,"
            f" {whole(found.duplicates.before)} before and {whole(found.duplicates.after)} now; these were"
            " compared as whole rows."
        )
    if not found.key:
        yield "It has no key: rows were compared as a whole."


def _columns(one: Compared, room: _Room) -> Any:
    """Changed rows by column; one column needs no drawing."""
    if len(one.difference.columns) <= 1 or not room.take():
        return None
    short = short_names(one.difference.columns, NAME_CHARACTERS_MAX)
    rows = [
        {
            "name": short[name],
            "series": "Changed",
            "order": 0,
            "value": count,
            "tip": f"{safe(name)}: {whole(count)} rows",
        }
        for name, count in one.difference.columns.items()
    ]
    spec = charts.stacked_bars(
        rows, list(short.values()), ("Changed",), wide_px=charts.HALF_PX, names_px=_NAMES_PX
    )
    return charts.drawn(spec, f"Changed rows of {_named(one)} by column; the table has the counts.")


def _metrics(found: Metrics, room: _Room) -> Iterable[View]:
    """The first metrics that differ, of the value of `by` in which they do on most days."""
    chosen = 0
    for at, name in enumerate(found.names):
        differing = [one for one in found.days if one.before[at] != one.after[at]]
        if not differing or chosen == METRIC_CHARTS_MAX:
            continue
        chosen += 1
        counts: dict[str | None, int] = {}
        for one in differing:
            counts[one.by] = counts.get(one.by, 0) + 1
        by = max(sorted(counts, key=str), key=lambda value: counts[value])
        days = [one for one in found.days if one.by == by]
        title = safe(name) + (f", {safe(by)}" if found.by is not None else "")
        rows = [_point(one, at, title) for one in days if one.day is not None]
        is_drawn = len(rows) > 1 and room.take()
        others = len(counts) - 1
        yield {
            "title": f"{title} by {safe(found.day)}" if found.day else title,
            "note": f"{others} other values of {safe(found.by)} differ, too." if others else "",
            "chart": charts.drawn(
                charts.before_and_after(rows, wide_px=charts.HALF_PX),
                f"{title} by day, before and after; below, the change.",
            )
            if is_drawn
            else None,
            "days": [_day(one, at) for one in differing if one.by == by][:DAYS_SHOWN_MAX],
            "more": max(0, counts[by] - DAYS_SHOWN_MAX),
        }


def _point(one: Metric, at: int, title: str) -> View:
    before, after = one.before[at], one.after[at]
    change = _change(before, after)
    return {
        "day": one.day,
        "before": None if before is None else charts.height(before),
        "after": None if after is None else charts.height(after),
        "change": 0 if change is None else charts.height(change),
        "tip": f"{one.day}, {title}: {_figure(before)} before, {_figure(after)} after",
    }


def _day(one: Metric, at: int) -> tuple[str, ...]:
    before, after = one.before[at], one.after[at]
    day = NOT_THERE if one.day is None else date.fromisoformat(one.day).isoformat()
    change = _change(before, after)
    return day, _figure(before), _figure(after), _figure(change, signed=True)


def _change(before: int | Decimal | None, after: int | Decimal | None) -> Decimal | None:
    if before is None and after is None:
        return None
    return _WIDE.subtract(_or_nothing(after), _or_nothing(before))


def _or_nothing(value: int | Decimal | None) -> Decimal:
    return Decimal(0) if value is None else Decimal(value)


def _figure(value: int | Decimal | None, *, signed: bool = False) -> str:
    if value is None:
        return NOT_THERE
    return format(value, "+,f") if signed else format(Decimal(value), ",f")


def _sample(sample: Sample) -> Iterable[tuple[str, ...]]:
    key = safe(", ".join("null" if value is None else value for value in sample.key.values()))
    names = [name for name in sample.columns if name not in sample.key]
    kind = sample.kind if sample.copies == 1 else f"{sample.kind}, {sample.copies:,} times"
    for at, name in enumerate(names[:COLUMNS_SHOWN_MAX]):
        sides = [
            NOT_THERE if side is None else "null" if side.get(name) is None else safe(side[name])
            for side in (sample.before, sample.after)
        ]
        yield (key if at == 0 else "", kind if at == 0 else "", safe(name), *sides)
