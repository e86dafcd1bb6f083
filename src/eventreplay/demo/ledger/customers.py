"""Customers: who they are by their last order, and what they bought.

One row for each customer number, of 13 columns of 8 bytes; there are at most `CUSTOMERS_MAX` customers.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.demo.generator import names, orders
from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.generator.timeline import DAY_US
from eventreplay.demo.ledger.sales import Closed, dates, moments
from eventreplay.demo.ledger.sums import decimals, last_of_each

_FAR = np.iinfo(np.int64).max
_FIELDS = {
    "orders": 0, "kept": 0, "units": 0, "revenue4": 0, "refunded4": 0, "currency": 0, "name": 0, "email": 0,
    "first_at": _FAR, "last_at": -_FAR, "last_position": -1, "email_at": -_FAR, "email_position": -1,
    }  # fmt: skip


class Customers:
    """Accumulates closed orders by customer."""

    def __init__(self) -> None:
        self._columns = {name: np.full(0, start, dtype=np.int64) for name, start in _FIELDS.items()}

    def add(self, closed: Closed) -> None:
        """Enter a page's orders."""
        customer, placed_at = closed.head["customer"], closed.head["placed_at"]
        position = closed.head["placed_position"]
        if len(customer) == 0:
            return
        self._grow(int(customer.max()) + 1)
        kept = closed.status != 4
        columns = self._columns
        np.add.at(columns["orders"], customer, 1)
        np.add.at(columns["kept"], customer[kept], 1)
        np.add.at(columns["units"], customer, closed.total["units"])
        np.add.at(columns["revenue4"], customer, closed.total["revenue4"])
        np.add.at(columns["refunded4"], customer, closed.head["refunded4"])
        np.minimum.at(columns["first_at"], customer, placed_at)
        columns["currency"][customer] = closed.head["currency"]
        everyone = np.arange(len(customer))
        with_mail = np.flatnonzero(closed.head["email"] > 0)
        self._latest("name", "last", closed.head["name"], everyone, customer, placed_at, position)
        self._latest("email", "email", closed.head["email"], with_mail, customer, placed_at, position)

    def people(self) -> pa.Table:
        """dim_customer."""
        number, columns = self._known()
        addresses = orders.emails(number, columns["email"])
        return pa.table(
            {
                "customer_id": orders.customer_ids(number),
                "customer_name": orders.customer_names(columns["name"]),
                "customer_email": pc.if_else(pa.array(columns["email"] > 0), addresses, None),
                "first_order_at": moments(columns["first_at"]),
                "last_order_at": moments(columns["last_at"]),
                "orders": columns["orders"],
            }
        )

    def purchases(self) -> pa.Table:
        """agg_customer_purchases."""
        number, columns = self._known()
        kept, revenue = columns["kept"], columns["revenue4"]
        # Half away from zero, from integers: revenue is never negative.
        average4 = (2 * revenue + kept) // np.maximum(2 * kept, 1)
        return pa.table(
            {
                "customer_id": orders.customer_ids(number),
                "currency_code": pa.array(names.CURRENCIES).take(pa.array(columns["currency"])),
                "orders": kept,
                "cancelled_orders": columns["orders"] - kept,
                "units_sold": columns["units"],
                "revenue": decimals(revenue, 4),
                "refunded_amount": decimals(columns["refunded4"], 4),
                "net_revenue": decimals(revenue - columns["refunded4"], 4),
                "first_order_date": dates(columns["first_at"] // DAY_US),
                "last_order_date": dates(columns["last_at"] // DAY_US),
                "average_order_value": decimals(average4, 4, kept > 0),
            }
        )

    def _latest(
        self, name: str, clock: str, value: Ints, rows: Ints, customer: Ints, placed_at: Ints, position: Ints
    ) -> None:
        """Keep the value of each customer's latest order by (placed_at, position)."""
        columns = self._columns
        last = rows[last_of_each(customer[rows], placed_at[rows], position[rows])]
        who, at, seen = customer[last], placed_at[last], position[last]
        before = columns[f"{clock}_at"][who]
        newer = (at > before) | ((at == before) & (seen > columns[f"{clock}_position"][who]))
        columns[name][who[newer]] = value[last[newer]]
        columns[f"{clock}_at"][who[newer]] = at[newer]
        columns[f"{clock}_position"][who[newer]] = seen[newer]

    def _known(self) -> tuple[Ints, dict[str, Ints]]:
        number = np.flatnonzero(self._columns["orders"] > 0)
        return number, {name: column[number] for name, column in self._columns.items()}

    def _grow(self, count: int) -> None:
        have = len(self._columns["orders"])
        if count > have:
            more = max(count, have + have // 2) - have
            for name, start in _FIELDS.items():
                self._columns[name] = np.concatenate(
                    [self._columns[name], np.full(more, start, dtype=np.int64)]
                )
