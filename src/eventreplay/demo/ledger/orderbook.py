"""What became of every order: kept open while steps may still come, then closed and handed on.

Orders lie in pages of one block each. A page closes when no later block can hold a step of its orders
(`Layout.lag`), so what is open is bounded: about 0.6 kB an order, for at most `LAG_PERIODS_MAX` periods
of 312 orders, which is 290 MB for the longest histories and some 4 MB for a million events.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import define

from eventreplay.demo.generator.dice import Flags, Ints
from eventreplay.demo.generator.history import BLOCK_ROWS, History, Plan
from eventreplay.demo.generator.layout import PERIOD_ORDERS, PERIOD_SLOTS, Kind
from eventreplay.demo.generator.orders import LINES_MAX, Lines
from eventreplay.demo.ledger.sums import last_of_each

PAGE_PERIODS = BLOCK_ROWS // PERIOD_SLOTS
PAGE_ORDERS = PAGE_PERIODS * PERIOD_ORDERS
CELLS = LINES_MAX + 1
"""Line numbers an order can have: a change may add one."""

LINE_COLUMNS = ("sku", "quantity", "price4", "discount4", "tax9")
HEAD_COLUMNS = (
    "customer", "name", "email", "currency", "channel", "shipping4", "insured_form", "placed_at",
    "placed_position", "paid9", "paid_at", "shipped_at", "cancelled_at", "refunded4",
)  # fmt: skip
NEVER = -1
_UNSET = np.iinfo(np.int64).min


@define(eq=False)
class Page:
    """Orders `first` to `first + PAGE_ORDERS - 1`: integer columns by order, and by order and line number."""

    first: int
    placed: Flags
    second: Flags
    has_shipping: Flags
    head: dict[str, Ints]
    insured: Ints
    line_present: Flags
    lines: dict[str, Ints]
    changed_at: Ints
    changed_position: Ints

    @classmethod
    def empty(cls, number: int) -> Page:
        """A page of orders nobody has placed yet."""
        cells = (PAGE_ORDERS, CELLS)
        head = {name: np.zeros(PAGE_ORDERS, dtype=np.int64) for name in HEAD_COLUMNS}
        for name in ("paid_at", "shipped_at", "cancelled_at"):
            head[name][:] = NEVER
        return cls(
            first=number * PAGE_ORDERS,
            placed=np.zeros(PAGE_ORDERS, dtype=bool),
            second=np.zeros(PAGE_ORDERS, dtype=bool),
            has_shipping=np.zeros(PAGE_ORDERS, dtype=bool),
            head=head,
            insured=np.zeros((4, PAGE_ORDERS), dtype=np.int64),
            line_present=np.zeros(cells, dtype=bool),
            lines={name: np.zeros(cells, dtype=np.int64) for name in LINE_COLUMNS},
            changed_at=np.full(cells, _UNSET, dtype=np.int64),
            changed_position=np.full(cells, _UNSET, dtype=np.int64),
        )

    def put(self, at: Ints, cell: Ints, lines: Lines) -> None:
        """Set lines of orders; each (order, line number) at most once."""
        self.line_present[at, cell] = True
        for name in LINE_COLUMNS:
            self.lines[name][at, cell] = getattr(lines, name)


class OrderBook:
    """Takes plans in order; gives back pages of orders that nothing can change any more."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._open: dict[int, Page] = {}
        self._lag_max = int(history.layout.lag.max())

    def record(self, plan: Plan) -> None:
        """Enter the first arrivals among a plan's rows; copies and conflicts change nothing."""
        self._placed(plan)
        self._changed(plan)
        for kind, column in (
            (Kind.PAID, "paid_at"),
            (Kind.SHIPPED, "shipped_at"),
            (Kind.CANCELLED, "cancelled_at"),
        ):
            rows = plan.rows(kind, fresh_only=True)
            for page, chosen, at in self._pages(plan.subject[rows]):
                page.head[column][at] = plan.occurred[rows[chosen]]
                if kind == Kind.PAID:
                    page.head["paid9"][at] = self._history.orders.due9(plan.subject[rows[chosen]])
        rows = plan.rows(Kind.REFUNDED, fresh_only=True)
        for page, chosen, at in self._pages(plan.subject[rows]):
            page.head["refunded4"][at] = self._history.orders.refund4(plan.subject[rows[chosen]])

    def closed(self, next_period: int | None) -> Iterator[Page]:
        """Pages that no event from `next_period` on can touch; all that are left if None."""
        for number in sorted(self._open):
            last = (number + 1) * PAGE_PERIODS - 1 + self._lag_max
            if next_period is None or last < next_period:
                yield self._open.pop(number)

    def _placed(self, plan: Plan) -> None:
        rows = plan.rows(Kind.PLACED, fresh_only=True)
        for page, chosen, at in self._pages(plan.subject[rows]):
            placed = self._history.orders.placed(plan.subject[rows[chosen]])
            page.placed[at] = True
            page.second[at] = placed.second_version
            page.has_shipping[at] = placed.has_shipping
            for name in ("customer", "name", "email", "currency", "channel", "shipping4", "insured_form"):
                page.head[name][at] = getattr(placed, name)
            page.head["placed_at"][at] = plan.occurred[rows[chosen]]
            page.head["placed_position"][at] = plan.position[rows[chosen]]
            for part in range(4):
                page.insured[part, at] = placed.insured[part]
            of_line = np.repeat(at, np.diff(placed.offsets))
            cell = placed.lines.number - 1
            untouched = page.changed_at[of_line, cell] == _UNSET
            page.put(of_line[untouched], cell[untouched], _chosen(placed.lines, untouched))

    def _changed(self, plan: Plan) -> None:
        rows = plan.rows(Kind.CHANGED, Kind.CHANGED_AGAIN, fresh_only=True)
        for page, chosen, at in self._pages(plan.subject[rows]):
            mine = rows[chosen]
            again = (plan.kind[mine] == Kind.CHANGED_AGAIN).astype(np.int64)
            lines = self._history.orders.changed(plan.subject[mine], again)
            occurred, position, cell = plan.occurred[mine], plan.position[mine], lines.number - 1
            before, seen = page.changed_at[at, cell], page.changed_position[at, cell]
            newer = (occurred > before) | ((occurred == before) & (position > seen))
            last = np.zeros(len(at), dtype=bool)
            last[last_of_each(at * CELLS + cell, occurred, position)] = True
            won = newer & last
            page.put(at[won], cell[won], _chosen(lines, won))
            page.changed_at[at[won], cell[won]] = occurred[won]
            page.changed_position[at[won], cell[won]] = position[won]

    def _pages(self, order: Ints) -> Iterator[tuple[Page, Ints, Ints]]:
        """The pages of some orders: for each the rows of `order` that lie in it, and where in the page."""
        number = order // PAGE_ORDERS
        for each in np.unique(number):
            page = self._open.get(int(each))
            if page is None:
                page = self._open[int(each)] = Page.empty(int(each))
            chosen = np.flatnonzero(number == each)
            yield page, chosen, order[chosen] - page.first


def _chosen(lines: Lines, mask: Flags) -> Lines:
    return Lines(
        number=lines.number[mask], sku=lines.sku[mask], quantity=lines.quantity[mask],
        price4=lines.price4[mask], discount4=lines.discount4[mask],
        has_discount=lines.has_discount[mask], tax9=lines.tax9[mask],
    )  # fmt: skip
