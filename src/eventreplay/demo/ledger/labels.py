"""Demand by a label that SKUs carry: a player, a team."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from eventreplay.demo.generator import names
from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.ledger.sales import CURRENCIES, Closed
from eventreplay.demo.ledger.sums import Sums, decimals

_ORDER_SPAN = 1 << 20


class Labels:
    """Sums by label and currency; one row for each pair that occurs.

    Args:
        labels: the labels' names, string; `member` numbers them.
        sku, member: pairs, each once: SKU number `sku` carries label number `member`. A SKU with several
            labels counts in full for each.
        skus: how many SKUs there are.
    """

    def __init__(self, labels: pa.Array, sku: Ints, member: Ints, skus: int) -> None:
        order = np.argsort(sku, kind="stable")
        self._labels = labels
        self._member = member[order]
        self._first: Ints = np.searchsorted(sku[order], np.arange(skus + 1)).astype(np.int64)
        self._sums = Sums(3)

    def add(self, closed: Closed) -> None:
        """Enter a page's orders. An order with several SKUs of one label is one order for it."""
        sku = closed.line["sku"]
        counts = self._first[sku + 1] - self._first[sku]
        line = np.repeat(np.arange(len(sku)), counts)
        nth = np.arange(len(line)) - np.repeat(np.cumsum(counts) - counts, counts)
        label = self._member[self._first[sku[line]] + nth]
        owner, units = closed.line_order[line], closed.line["units"][line]
        key = label * CURRENCIES + closed.head["currency"][owner]
        sold = np.flatnonzero(units > 0)
        counted = np.zeros(len(line), dtype=np.int64)
        counted[sold[np.unique(label[sold] * _ORDER_SPAN + owner[sold], return_index=True)[1]]] = 1
        self._sums.add(key, counted, units, closed.line["revenue4"][line])

    def rows(self, name: str) -> pa.Table:
        """Rows with the label in a column called `name`."""
        key, (orders, units, revenue) = self._sums.result()
        return pa.table(
            {
                name: self._labels.take(pa.array(key // CURRENCIES)),
                "currency_code": pa.array(names.CURRENCIES).take(pa.array(key % CURRENCIES)),
                "orders": orders,
                "units_sold": units,
                "revenue": decimals(revenue, 4),
            }
        )
