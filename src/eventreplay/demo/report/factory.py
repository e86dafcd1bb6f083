"""What was made: production lines, their defect rates and efficiency, kinds of defects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventreplay.demo.report import queries
from eventreplay.demo.report.queries import Row, rows
from eventreplay.demo.report.series import Series, by_total, counted, crossed, title
from eventreplay.pages import charts
from eventreplay.pages.wording import (
    NOT_THERE,
    day,
    enum_name,
    money,
    percent,
    quotient,
    safe,
    short_names,
    whole,
)

if TYPE_CHECKING:
    import duckdb

View = dict[str, Any]

KIND = "DEFECT_KIND_"
PANEL_CHARACTERS_MAX = 17
"""Longest name of a line that fits over its panel."""
SECONDS_PER_HOUR = 3_600
LOW_EFFICIENCY = 0.5
"""Below it a chart of efficiency begins at zero."""


def factory(connection: duckdb.DuckDBPyConnection) -> View:
    """Everything about what was made."""
    return {
        "lines": _lines(connection),
        "line_charts": _line_charts(connection),
        "defects": _defects(connection),
    }


def _lines(connection: duckdb.DuckDBPyConnection) -> list[View]:
    costs: dict[str, list[str]] = {}
    for row in rows(connection, queries.LINE_COSTS):
        costs.setdefault(row["line"], []).append(money(row["cost"], row["currency_code"]))
    return [_line(row, costs.get(row["line"], [])) for row in rows(connection, queries.LINES)]


def _line(row: Row, costs: list[str]) -> View:
    hourly = quotient(row["produced"] * SECONDS_PER_HOUR, row["production_seconds"], 1)
    return {
        "line": safe(row["line"]),
        "batches": whole(row["batches"]),
        "planned": whole(row["planned"]),
        "produced": whole(row["produced"]),
        "good": whole(row["good"]),
        "defect_rate": percent(row["defects"], row["produced"]),
        "efficiency": percent(row["good"], row["planned"]),
        "throughput": NOT_THERE if hourly is None else f"{hourly:,f}",
        "costs": costs,
    }


def _line_charts(connection: duckdb.DuckDBPyConnection) -> View | None:
    """Three charts with a panel a line: what 7 days made, how much was bad, how much of the plan was met."""
    found = rows(connection, queries.LINES_BY_DAY)
    if not found:
        return None
    whole_weeks = [row for row in found if row["is_whole"]] or found
    panels = short_names(sorted({row["line"] for row in found}), PANEL_CHARACTERS_MAX)
    measures = (
        ("produced", "Cards made a day, mean of 7 days", "~s", "var(--c1)"),
        ("defect_rate", "Defect rate over 7 days", ".1~%", "var(--c5)"),
        ("efficiency", "Efficiency over 7 days", ".0~%", "var(--c3)"),
    )
    drawn = []
    for name, heading, number, colour in measures:
        points = [
            {
                "panel": panels[row["line"]],
                "day": row["production_date"].isoformat(),
                "value": _measure(row, name),
            }
            for row in whole_weeks
        ]
        # A line may leave zero out where it stays far from it; the note says so.
        lowest = min((point["value"] for point in points if point["value"] is not None), default=0)
        from_zero = name != "efficiency" or lowest < LOW_EFFICIENCY
        spec = charts.lines_by_panel(points, number=number, colour=colour, from_zero=from_zero)
        chart = charts.drawn(spec, f"{heading}, by day, a panel for each production line.")
        note = "" if from_zero else "The scale does not begin at zero."
        drawn.append({"title": heading, "note": note, "chart": chart})
    return {"charts": drawn, "days": [_line_day(row) for row in found if row["batches"] is not None]}


def _measure(row: Row, name: str) -> float | None:
    """A height in a chart; the table has the exact figures."""
    top, bottom = {
        "produced": (row["week_produced"], 7),
        "defect_rate": (row["week_defects"], row["week_produced"]),
        "efficiency": (row["week_good"], row["week_planned"]),
    }[name]
    return top / bottom if bottom else None


def _line_day(row: Row) -> tuple[str, ...]:
    return (
        day(row["production_date"]),
        safe(row["line"]),
        whole(row["batches"]),
        whole(row["produced"]),
        whole(row["defects"]),
        percent(row["defects"], row["produced"]),
        percent(row["good"], row["planned"]),
    )


def _defects(connection: duckdb.DuckDBPyConnection) -> View | None:
    by_line = rows(connection, queries.DEFECTS_BY_LINE)
    if not by_line:
        return None
    counts = counted((safe(row["line"]), enum_name(row["kind"], KIND), row["defects"]) for row in by_line)
    series = Series(by_total((kind, count) for (_, kind), count in counts.items()), "defective cards")
    points = [
        series.of_week(row["week"], enum_name(row["kind"], KIND), row["defects"])
        for row in rows(connection, queries.DEFECTS_BY_WEEK)
    ]
    spec = charts.stacked_weeks(points, series.titles, wide_px=charts.WIDE_PX)
    return {
        "kinds": [title(kind) for kind in series.names],
        "weeks": charts.drawn(
            spec, "Defective cards a week, stacked by kind of defect; by week of production."
        ),
        "table": crossed(counts, sorted({line for line, _ in counts}), series.names),
    }
