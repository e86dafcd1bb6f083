"""What was sold: headline figures, revenue, orders, demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from eventreplay.demo.report import queries
from eventreplay.demo.report.queries import Row, rows
from eventreplay.demo.report.series import Series, by_total, counted, crossed, title
from eventreplay.pages import charts
from eventreplay.pages.wording import (
    aligned,
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

STATUSES = ("placed", "paid", "shipped", "refunded", "cancelled")
CHANNEL = "SALES_CHANNEL_"
BAR_CHARACTERS_MAX = 12
"""Longest name of a bar that fits beside it."""


def sales(connection: duckdb.DuckDBPyConnection) -> View:
    """Everything about what was sold."""
    period = rows(connection, queries.PERIOD)[0]
    return {
        "period": None if period["first"] is None else f"{day(period['first'])} to {day(period['last'])}",
        "headline": _headline(connection),
        "currencies": _currencies(connection),
        "revenue": _revenue(connection),
        "orders": _orders(connection),
        "demand": [_demand(connection, key) for key in queries.DEMAND_TABLES],
    }


def _headline(connection: duckdb.DuckDBPyConnection) -> list[View]:
    found = rows(connection, queries.HEADLINE)[0]
    return [
        {
            "name": "Orders",
            "value": whole(found["orders"]),
            "note": f"{whole(found['cancelled'])} of them cancelled",
        },
        {
            "name": "Cards sold",
            "value": whole(found["units_sold"]),
            "note": f"{whole(found['cards'])} different ones on offer",
        },
        {"name": "Customers", "value": whole(found["customers"]), "note": "who placed an order"},
        {
            "name": "Cards made",
            "value": whole(found["produced"]),
            "note": f"in {whole(found['batches'])} batches",
        },
        {
            "name": "Defect rate",
            "value": percent(found["defects"], found["produced"]),
            "note": f"{whole(found['defects'])} defective cards",
        },
    ]


def _currencies(connection: duckdb.DuckDBPyConnection) -> list[View]:
    amounts = ("gross_amount", "discount_amount", "revenue", "refunded_amount", "net_revenue", "tax_amount")
    found = rows(connection, queries.CURRENCIES)
    columns = {name: aligned([row[name] for row in found]) for name in amounts}
    return [
        {
            "currency": safe(row["currency_code"]),
            "orders": whole(row["orders"]),
            **{name: column[at] for name, column in columns.items()},
        }
        for at, row in enumerate(found)
    ]


def _revenue(connection: duckdb.DuckDBPyConnection) -> list[View]:
    """A chart and a table of days for each currency, each on a scale of its own."""
    of_currency: dict[str, list[Row]] = {}
    for row in rows(connection, queries.REVENUE_BY_DAY):
        of_currency.setdefault(row["currency_code"], []).append(row)
    most_ordered = [row["currency_code"] for row in rows(connection, queries.CURRENCIES)]
    return [
        _revenue_in(code, of_currency[code], spans=_spans(at, len(most_ordered)))
        for at, code in enumerate(most_ordered)
    ]


def _spans(at: int, count: int) -> bool:
    """Whether a card takes both columns: the first one does, where the others then fill their rows."""
    return at == 0 and count % 2 == 1


def _revenue_in(code: str, found: Sequence[Row], *, spans: bool) -> View:
    means = [None if row["week_revenue"] is None else quotient(row["week_revenue"], 7, 2) for row in found]
    points = [_point(row, mean, code) for row, mean in zip(found, means, strict=True)]
    columns = (
        [day(row["order_date"]) for row in found],
        [whole(row["orders"]) for row in found],
        aligned([row["revenue"] for row in found]),
        aligned([row["net_revenue"] for row in found]),
        aligned(means),
    )
    label = f"Revenue by day in {safe(code)}, {len(found)} days, bars, with the 7-day mean as a line."
    spec = charts.by_day(points, wide_px=charts.WIDE_PX if spans else charts.HALF_PX)
    table = list(zip(*columns, strict=True))
    return {"currency": safe(code), "chart": charts.drawn(spec, label), "days": table, "spans": spans}


def _point(row: Row, mean: Decimal | None, code: str) -> Row:
    """A day in the chart, with its exact text."""
    tip = f"{day(row['order_date'])}: {money(row['revenue'], code)}"
    return {
        "day": row["order_date"].isoformat(),
        "value": charts.height(row["revenue"]),
        "mean": None if mean is None else charts.height(mean),
        "tip": tip if mean is None else f"{tip}; 7-day mean {money(mean, code)}",
    }


def _orders(connection: duckdb.DuckDBPyConnection) -> View | None:
    by_channel = rows(connection, queries.ORDERS_BY_CHANNEL)
    if not by_channel:
        return None
    series = Series(_in_order({row["status"] for row in by_channel}, STATUSES), "orders")
    counts = counted((enum_name(row["channel"], CHANNEL), row["status"], row["orders"]) for row in by_channel)
    channels = by_total((channel, count) for (channel, _), count in counts.items())
    short = short_names(channels, BAR_CHARACTERS_MAX)
    weeks = [
        series.of_week(row["week"], row["status"], row["orders"])
        for row in rows(connection, queries.ORDERS_BY_WEEK)
    ]
    bars = [series.of_bar(short[channel], status, count) for (channel, status), count in counts.items()]
    return {
        "statuses": [title(status) for status in series.names],
        "table": crossed(counts, channels, series.names),
        "weeks": charts.drawn(
            charts.stacked_weeks(weeks, series.titles, wide_px=charts.HALF_PX),
            "Orders a week, stacked by status.",
        ),
        "channels": charts.drawn(
            charts.stacked_bars(bars, list(short.values()), series.titles, wide_px=charts.HALF_PX),
            "Orders by sales channel, stacked by status; the table below has the counts.",
        ),
    }


def _in_order(found: Iterable[str], known: Sequence[str]) -> list[str]:
    """Known words in their order, then unknown ones."""
    names = set(found)
    return [*(word for word in known if word in names), *sorted(names - set(known))]


def _demand(connection: duckdb.DuckDBPyConnection, key: str) -> View:
    """The most wanted by units; revenue beside it, one amount a currency."""
    table = queries.DEMAND_TABLES[key]
    top = rows(
        connection,
        queries.DEMAND.format(
            key=key, table=table, about=queries.DEMAND_ABOUT.get(key, "''"), top=queries.TOP_COUNT
        ),
    )
    names = [row["name"] for row in top]
    revenue: dict[str, list[str]] = {}
    for row in (
        rows(connection, queries.DEMAND_AMOUNTS.format(key=key, table=table), {"names": names}) if top else []
    ):
        revenue.setdefault(row["name"], []).append(money(row["revenue"], row["currency_code"]))
    most = max((row["units_sold"] for row in top), default=1)
    return {
        "key": key,
        "rows": [
            {
                "name": safe(row["name"]) or "Not stated",
                "about": safe(row["about"]),
                "units": whole(row["units_sold"]),
                "orders": whole(row["orders"]),
                "width": _width(row["units_sold"], most),
                "revenue": revenue.get(row["name"], []),
            }
            for row in top
        ],
    }


def _width(value: int, most: int) -> str:
    """The length of a bar, as a share of the longest."""
    share = quotient(value * 100, most, 2)
    return "0" if share is None else f"{share:f}"
