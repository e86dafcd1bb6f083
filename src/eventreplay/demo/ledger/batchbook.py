"""What became of every manufacturing batch, and the factory's days."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from attrs import define

from eventreplay.demo.generator import names
from eventreplay.demo.generator.dice import Flags, Ints
from eventreplay.demo.generator.factory import CURRENCY, DEFECT_KINDS, batch_ids, machines
from eventreplay.demo.generator.history import BLOCK_ROWS, History, Plan
from eventreplay.demo.generator.layout import PERIOD_BATCHES, PERIOD_SLOTS, Kind
from eventreplay.demo.generator.timeline import DAY_US
from eventreplay.demo.ledger.orderbook import NEVER, PAGE_PERIODS
from eventreplay.demo.ledger.sales import dates, moments
from eventreplay.demo.ledger.sums import Sums, decimals, last_of_each, quotient9

PAGE_BATCHES = BLOCK_ROWS // PERIOD_SLOTS * PERIOD_BATCHES
SHIFTS = ("SHIFT_UNSPECIFIED", "SHIFT_EARLY", "SHIFT_LATE", "SHIFT_NIGHT")
STATUSES = ("running", "finished", "inspected")
_COLUMNS = (
    "sku",
    "line",
    "machine",
    "shift",
    "planned",
    "started_at",
    "produced",
    "cost9",
    "finished_at",
    "inspected_at",
)
_UNSET = np.iinfo(np.int64).min


@define(eq=False)
class BatchPage:
    """Batches `first` to `first + PAGE_BATCHES - 1`; defects by batch and kind."""

    first: int
    started: Flags
    columns: dict[str, Ints]
    defects: Ints
    inspected_position: Ints

    @classmethod
    def empty(cls, number: int) -> BatchPage:
        """A page of batches nobody has started yet."""
        columns = {name: np.zeros(PAGE_BATCHES, dtype=np.int64) for name in _COLUMNS}
        columns["finished_at"][:] = NEVER
        columns["inspected_at"][:] = _UNSET
        return cls(
            first=number * PAGE_BATCHES,
            started=np.zeros(PAGE_BATCHES, dtype=bool),
            columns=columns,
            defects=np.zeros((PAGE_BATCHES, len(DEFECT_KINDS)), dtype=np.int64),
            inspected_position=np.full(PAGE_BATCHES, _UNSET, dtype=np.int64),
        )


class BatchBook:
    """Takes plans in order; gives back pages of batches that nothing can change any more."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._open: dict[int, BatchPage] = {}
        self._lag_max = int(history.layout.lag.max())

    def record(self, plan: Plan) -> None:
        """Enter the first arrivals among a plan's rows."""
        factory = self._history.factory
        rows = plan.rows(Kind.STARTED, fresh_only=True)
        for page, chosen, at in self._pages(plan.subject[rows]):
            started = factory.started(plan.subject[rows[chosen]])
            page.started[at] = True
            for name in ("sku", "line", "machine", "shift", "planned"):
                page.columns[name][at] = getattr(started, name)
            page.columns["started_at"][at] = plan.occurred[rows[chosen]]
        rows = plan.rows(Kind.FINISHED, fresh_only=True)
        for page, chosen, at in self._pages(plan.subject[rows]):
            page.columns["produced"][at] = factory.produced(plan.subject[rows[chosen]])
            page.columns["cost9"][at] = factory.cost9(plan.subject[rows[chosen]])
            page.columns["finished_at"][at] = plan.occurred[rows[chosen]]
        self._inspected(plan)

    def closed(self, next_period: int | None) -> Iterator[BatchPage]:
        """Pages that no event from `next_period` on can touch; all that are left if None."""
        for number in sorted(self._open):
            last = (number + 1) * PAGE_PERIODS - 1 + self._lag_max
            if next_period is None or last < next_period:
                yield self._open.pop(number)

    def _inspected(self, plan: Plan) -> None:
        rows = plan.rows(Kind.INSPECTED, Kind.REINSPECTED, fresh_only=True)
        rows = rows[last_of_each(plan.subject[rows], plan.occurred[rows], plan.position[rows])]
        for page, chosen, at in self._pages(plan.subject[rows]):
            mine = rows[chosen]
            occurred, position = plan.occurred[mine], plan.position[mine]
            before, seen = page.columns["inspected_at"][at], page.inspected_position[at]
            newer = (occurred > before) | ((occurred == before) & (position > seen))
            again = (plan.kind[mine] == Kind.REINSPECTED).astype(np.int64)
            found = self._history.factory.defects(plan.subject[mine], again)
            counts = np.zeros((len(mine), len(DEFECT_KINDS)), dtype=np.int64)
            counts[np.repeat(np.arange(len(mine)), np.diff(found.offsets)), found.kind - 1] = found.count
            page.defects[at[newer]] = counts[newer]
            page.columns["inspected_at"][at[newer]] = occurred[newer]
            page.inspected_position[at[newer]] = position[newer]

    def _pages(self, batch: Ints) -> Iterator[tuple[BatchPage, Ints, Ints]]:
        number = batch // PAGE_BATCHES
        for each in np.unique(number):
            page = self._open.get(int(each))
            if page is None:
                page = self._open[int(each)] = BatchPage.empty(int(each))
            chosen = np.flatnonzero(number == each)
            yield page, chosen, batch[chosen] - page.first


def batch_rows(page: BatchPage, sku: pa.Array) -> pa.Table:
    """Rows of fct_batch_performance."""
    at = np.flatnonzero(page.started)
    column = {name: values[at] for name, values in page.columns.items()}
    finished = column["finished_at"] != NEVER
    inspected = column["inspected_at"] != _UNSET
    defects = page.defects[at].sum(axis=1)
    seconds = np.where(finished, (column["finished_at"] - column["started_at"]) // 1_000_000, 0)
    produced, planned = column["produced"], column["planned"]
    good = produced - defects
    return pa.table(
        {
            "batch_id": batch_ids(page.first + at),
            "sku": sku.take(pa.array(column["sku"])),
            "line": pa.array(names.LINES).take(pa.array(column["line"])),
            "machine": machines(column["line"], np.maximum(column["machine"], 1)),
            "shift": pa.array(SHIFTS).take(pa.array(column["shift"])),
            "production_date": dates(column["started_at"] // DAY_US),
            "status": pa.array(STATUSES).take(pa.array(np.where(inspected, 2, finished.astype(np.int64)))),
            "planned": planned,
            "produced": pa.array(produced, mask=~finished),
            "defects": defects,
            "good": pa.array(good, mask=~finished),
            "defect_rate": decimals(quotient9(defects, produced), 9, finished & (produced > 0)),
            "efficiency": decimals(quotient9(good, planned), 9, finished & (planned > 0)),
            "throughput_per_hour": decimals(quotient9(produced * 3_600, seconds), 9, seconds > 0),
            "cost": decimals(column["cost9"], 9, finished),
            "currency_code": pa.array(["", CURRENCY]).take(pa.array(finished.astype(np.int64))),
            "production_seconds": decimals(seconds, 0, finished),
            "started_at": moments(column["started_at"]),
            "finished_at": moments(column["finished_at"]),
            "inspected_at": moments(np.where(inspected, column["inspected_at"], NEVER)),
        }
    )


class FactoryDays:
    """Sums by production day and line; a few hundred rows for each, however long the history."""

    def __init__(self) -> None:
        self._daily = Sums(7)
        self._kinds = Sums(1)

    def add(self, page: BatchPage) -> None:
        """Enter a page's batches."""
        at = np.flatnonzero(page.started)
        column = {name: values[at] for name, values in page.columns.items()}
        cell = column["started_at"] // DAY_US * len(names.LINES) + column["line"]
        finished = column["finished_at"] != NEVER
        # A running batch has no currency yet, and so stands in a row of its own.
        daily = cell * 2 + finished
        seconds = np.where(finished, (column["finished_at"] - column["started_at"]) // 1_000_000, 0)
        defects = page.defects[at]
        self._daily.add(
            daily, np.ones_like(cell), finished.astype(np.int64), column["planned"], column["produced"],
            np.where(finished, defects.sum(axis=1), 0), seconds, column["cost9"],
        )  # fmt: skip
        for kind in range(len(DEFECT_KINDS)):
            found = defects[:, kind] > 0
            self._kinds.add(cell[found] * len(DEFECT_KINDS) + kind, defects[found, kind])

    def daily(self) -> pa.Table:
        """agg_manufacturing_daily: rates are quotients of the row's sums."""
        key, (batches, ended, planned, produced, defects, seconds, cost) = self._daily.result()
        cell = key // 2
        return pa.table(
            {
                "production_date": dates(cell // len(names.LINES)),
                "line": pa.array(names.LINES).take(pa.array(cell % len(names.LINES))),
                "currency_code": pa.array(["", CURRENCY]).take(pa.array(key % 2)),
                "batches": batches,
                "finished_batches": ended,
                "planned": planned,
                "produced": produced,
                "defects": defects,
                "good": produced - defects,
                "defect_rate": decimals(quotient9(defects, produced), 9, produced > 0),
                "efficiency": decimals(quotient9(produced - defects, planned), 9, planned > 0),
                "production_seconds": decimals(seconds, 0),
                "throughput_per_hour": decimals(quotient9(produced * 3_600, seconds), 9, seconds > 0),
                "cost": decimals(cost, 9),
            }
        )

    def by_kind(self) -> pa.Table:
        """agg_defects_by_kind."""
        key, (defects,) = self._kinds.result()
        cell, kind = np.divmod(key, len(DEFECT_KINDS))
        return pa.table(
            {
                "production_date": dates(cell // len(names.LINES)),
                "line": pa.array(names.LINES).take(pa.array(cell % len(names.LINES))),
                "kind": pa.array(DEFECT_KINDS).take(pa.array(kind)),
                "defects": defects,
            }
        )
