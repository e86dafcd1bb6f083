"""How customers buy: how often, whether they come back, who buys most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventreplay.demo.report import queries
from eventreplay.demo.report.queries import Row, rows
from eventreplay.demo.report.series import Series
from eventreplay.pages import charts
from eventreplay.pages.wording import money, percent, quotient, safe, whole

if TYPE_CHECKING:
    import duckdb

View = dict[str, Any]


def customers(connection: duckdb.DuckDBPyConnection) -> View | None:
    """How customers buy; None if nobody did."""
    spread = rows(connection, queries.ORDERS_PER_CUSTOMER)
    if not spread:
        return None
    bars = []
    for row in spread:
        name = "10+" if row["orders"] == 10 else str(row["orders"])
        tip = f"{name} orders: {whole(row['customers'])} customers"
        bars.append({"name": name, "value": row["customers"], "text": whole(row["customers"]), "tip": tip})
    top: dict[str, list[View]] = {}
    for row in rows(connection, queries.TOP_CUSTOMERS, {"top": queries.TOP_CUSTOMERS_COUNT}):
        top.setdefault(safe(row["currency_code"]), []).append(_top_customer(row))
    return {
        "spread": charts.drawn(
            charts.columns(bars, wide_px=charts.HALF_PX),
            "How many customers placed how many orders that were not cancelled.",
        ),
        "weeks": _new_and_returning(connection),
        "currencies": [_purchases(row) for row in rows(connection, queries.CUSTOMERS_BY_CURRENCY)],
        "top": top,
    }


def _top_customer(row: Row) -> View:
    return {
        "id": safe(row["customer_id"]),
        "name": safe(row["name"]),
        "orders": whole(row["orders"]),
        "units": whole(row["units_sold"]),
        "net_revenue": money(row["net_revenue"], row["currency_code"]),
        "average": money(row["average_order_value"], row["currency_code"]),
    }


def _purchases(row: Row) -> View:
    code = row["currency_code"]
    return {
        "currency": safe(code),
        "customers": whole(row["customers"]),
        "orders": whole(row["orders"]),
        "returning": percent(row["returning_customers"], row["customers"]),
        "average": money(quotient(row["revenue"], row["orders"], 2), code),
        "per_customer": money(quotient(row["net_revenue"], row["customers"], 2), code),
    }


def _new_and_returning(connection: duckdb.DuckDBPyConnection) -> charts.Chart:
    series = Series(("first order", "later order"), "orders")
    points = [
        series.of_week(row["week"], name, row[column])
        for row in rows(connection, queries.NEW_AND_RETURNING)
        for name, column in zip(series.names, ("first_orders", "later_orders"), strict=True)
    ]
    spec = charts.stacked_weeks(points, series.titles, wide_px=charts.HALF_PX)
    return charts.drawn(spec, "Orders a week: a customer's first one, and later ones.")
