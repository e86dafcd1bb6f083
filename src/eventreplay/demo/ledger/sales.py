"""Closed orders to tables: order grain as it is written, and sums by day, SKU and customer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from attrs import frozen

from eventreplay.demo.generator import names, orders
from eventreplay.demo.generator.dice import Flags, Ints
from eventreplay.demo.generator.history import History
from eventreplay.demo.generator.timeline import DAY_US
from eventreplay.demo.ledger.orderbook import NEVER, Page
from eventreplay.demo.ledger.sums import Sums, decimals

STATUSES = ("placed", "paid", "shipped", "refunded", "cancelled")
CURRENCIES = len(names.CURRENCIES)
_SKU_SPAN = 1 << 20
_SETTLED_DAYS = 30
_CUSTOMER_SPAN = 1 << 21


@frozen(eq=False)
class Closed:
    """The placed orders of a page with their final amounts: by order, and by (order, line).

    `line_order` says which of the orders a line belongs to. Amounts of cancelled orders follow the
    rule: revenue, discount, tax and units sold are 0; gross, price and quantity stay as booked.
    """

    number: Ints
    second: Flags
    has_shipping: Flags
    head: dict[str, Ints]
    insured: Ints
    day: Ints
    status: Ints
    line_order: Ints
    line_number: Ints
    line: dict[str, Ints]
    total: dict[str, Ints]


def close(page: Page) -> Closed:
    """Final amounts of a page's orders."""
    at = np.flatnonzero(page.placed)
    head = {name: column[at] for name, column in page.head.items()}
    status = np.where(head["paid_at"] != NEVER, 1, 0)
    status = np.where(head["shipped_at"] != NEVER, 2, status)
    status = np.where(head["refunded4"] > 0, 3, status)
    status = np.where(head["cancelled_at"] != NEVER, 4, status)
    line_order, cell = np.nonzero(page.line_present[at])
    line = {name: column[at][line_order, cell] for name, column in page.lines.items()}
    sold = (status != 4)[line_order]
    line["gross4"] = line["quantity"] * line["price4"]
    line["revenue4"] = np.where(sold, line["gross4"] - line["discount4"], 0)
    line["units"] = np.where(sold, line["quantity"], 0)
    line["discount4"] = np.where(sold, line["discount4"], 0)
    line["tax9"] = np.where(sold, line["tax9"], 0)
    summed = ("quantity", "units", "gross4", "discount4", "revenue4", "tax9")
    total = {name: _by_order(line_order, line[name], len(at)) for name in summed}
    total["line_count"] = _by_order(line_order, (line["quantity"] > 0).astype(np.int64), len(at))
    return Closed(
        number=page.first + at, second=page.second[at], has_shipping=page.has_shipping[at], head=head,
        insured=page.insured[:, at], day=head["placed_at"] // DAY_US, status=status, line_order=line_order,
        line_number=cell + 1, line=line, total=total,
    )  # fmt: skip


def order_rows(closed: Closed) -> pa.Table:
    """Rows of fct_orders."""
    head, total = closed.head, closed.total
    insured = orders.insured_texts((*closed.insured,), head["insured_form"]).cast(pa.decimal128(38, 18))
    return pa.table(
        {
            "order_id": orders.order_ids(closed.number),
            "customer_id": orders.customer_ids(head["customer"]),
            "order_date": dates(closed.day),
            "placed_at": moments(head["placed_at"]),
            "currency_code": pa.array(names.CURRENCIES).take(pa.array(head["currency"])),
            "channel": pa.array(orders.CHANNELS).take(pa.array(head["channel"])),
            "status": pa.array(STATUSES).take(pa.array(closed.status)),
            "line_count": total["line_count"],
            "quantity": total["quantity"],
            "units_sold": total["units"],
            "gross_amount": decimals(total["gross4"], 4),
            "discount_amount": decimals(total["discount4"], 4),
            "revenue": decimals(total["revenue4"], 4),
            "tax_amount": decimals(total["tax9"], 9),
            "refunded_amount": decimals(head["refunded4"], 4),
            "net_revenue": decimals(total["revenue4"] - head["refunded4"], 4),
            "shipping_fee": decimals(head["shipping4"], 4, closed.has_shipping),
            "insured_value": insured,
            "paid_amount": decimals(head["paid9"], 9),
            "paid_at": moments(head["paid_at"]),
            "shipped_at": moments(head["shipped_at"]),
            "cancelled_at": moments(head["cancelled_at"]),
        }
    )


def line_rows(closed: Closed, sku: pa.Array) -> pa.Table:
    """Rows of fct_order_lines."""
    owner, line = closed.line_order, closed.line
    return pa.table(
        {
            "order_id": orders.order_ids(closed.number[owner]),
            "line_number": closed.line_number,
            "sku": sku.take(pa.array(line["sku"])),
            "customer_id": orders.customer_ids(closed.head["customer"][owner]),
            "order_date": dates(closed.day[owner]),
            "currency_code": pa.array(names.CURRENCIES).take(pa.array(closed.head["currency"][owner])),
            "status": pa.array(STATUSES).take(pa.array(closed.status[owner])),
            "quantity": line["quantity"],
            "units_sold": line["units"],
            "unit_price": decimals(line["price4"], 4),
            "gross_amount": decimals(line["gross4"], 4),
            "discount_amount": decimals(line["discount4"], 4),
            "revenue": decimals(line["revenue4"], 4),
            "tax_amount": decimals(line["tax9"], 9),
        }
    )


class Sales:
    """Sums over closed orders. Holds a row per (day, currency) and per (day, SKU, currency) that occurs."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._daily = Sums(8)
        self._buyers = Sums(0)
        self._buyer_counts = Sums(1)
        self._demand = Sums(3)

    def add(self, closed: Closed) -> None:
        """Enter a page's orders; no later page may have orders `_SETTLED_DAYS` before this one's last day."""
        head, total = closed.head, closed.total
        if len(closed.number) == 0:
            return
        cell = closed.day * CURRENCIES + head["currency"]
        cancelled = (closed.status == 4).astype(np.int64)
        self._daily.add(
            cell, np.ones_like(cell), cancelled, total["units"], total["gross4"], total["discount4"],
            total["revenue4"], total["tax9"], head["refunded4"],
        )  # fmt: skip
        self._buyers.add(cell * _CUSTOMER_SPAN + head["customer"])
        self._count_buyers(int(closed.day.max()) - _SETTLED_DAYS)
        self._add_demand(closed)

    def daily(self) -> pa.Table:
        """agg_revenue_daily."""
        self._count_buyers(None)
        key, (placed, cancelled, units, gross, discount, revenue, tax, refunded) = self._daily.result()
        _, (buyers,) = self._buyer_counts.result()
        return pa.table(
            {
                "order_date": dates(key // CURRENCIES),
                "currency_code": pa.array(names.CURRENCIES).take(pa.array(key % CURRENCIES)),
                "orders": placed,
                "cancelled_orders": cancelled,
                "customers": buyers,
                "units_sold": units,
                "gross_amount": decimals(gross, 4),
                "discount_amount": decimals(discount, 4),
                "revenue": decimals(revenue, 4),
                "tax_amount": decimals(tax, 9),
                "refunded_amount": decimals(refunded, 4),
                "net_revenue": decimals(revenue - refunded, 4),
            }
        )

    def demand_daily(self) -> pa.Table:
        """agg_demand_sku_daily: SKUs that were on an order that day, sold or not."""
        key, (placed, units, revenue) = self._demand.result()
        day, rest = np.divmod(key, _SKU_SPAN * CURRENCIES)
        return pa.table({"order_date": dates(day), **self._demand_columns(rest, placed, units, revenue)})

    def demand_by_sku(self) -> pa.Table:
        """agg_demand_by_sku."""
        key, values = self._demand.result()
        sums = Sums(3)
        sums.add(key % (_SKU_SPAN * CURRENCIES), *values)
        found, summed = sums.result()
        return pa.table(self._demand_columns(found, *summed))

    def _demand_columns(self, key: Ints, placed: Ints, units: Ints, revenue: Ints) -> dict[str, object]:
        return {
            "sku": self._history.catalog.sku.take(pa.array(key // CURRENCIES)),
            "currency_code": pa.array(names.CURRENCIES).take(pa.array(key % CURRENCIES)),
            "orders": placed,
            "units_sold": units,
            "revenue": decimals(revenue, 4),
        }

    def _add_demand(self, closed: Closed) -> None:
        owner, line = closed.line_order, closed.line
        key = (closed.day[owner] * _SKU_SPAN + line["sku"]) * CURRENCIES + closed.head["currency"][owner]
        # An order with two lines of one SKU is one order for that SKU.
        sold = np.flatnonzero(line["units"] > 0)
        pair = owner[sold] * _SKU_SPAN + line["sku"][sold]
        counted = np.zeros(len(owner), dtype=np.int64)
        counted[sold[np.unique(pair, return_index=True)[1]]] = 1
        self._demand.add(key, counted, line["units"], line["revenue4"])

    def _count_buyers(self, before_day: int | None) -> None:
        limit = 1 << 62 if before_day is None else before_day * CURRENCIES * _CUSTOMER_SPAN
        drained = self._buyers.drain_below(limit)
        self._buyer_counts.add(drained // _CUSTOMER_SPAN, np.ones_like(drained))


def dates(day: Ints) -> pa.Array:
    """date32 from days since 1970."""
    return pa.array(day.astype(np.int32)).cast(pa.date32())


def moments(micros: Ints) -> pa.Array:
    """Naive UTC timestamps; null where `NEVER`."""
    return pa.array(micros, mask=micros == NEVER).cast(pa.timestamp("us"))


def _by_order(owner: Ints, values: Ints, count: int) -> Ints:
    reached = np.concatenate([[0], np.cumsum(values)])
    ends = np.searchsorted(owner, np.arange(count), side="right")
    starts = np.searchsorted(owner, np.arange(count), side="left")
    sums: Ints = reached[ends] - reached[starts]
    return sums
