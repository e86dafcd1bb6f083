"""Writes the ledger: the figures and tables that a correct run must arrive at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eventreplay.demo.generator import names
from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.generator.history import History
from eventreplay.demo.ledger.batchbook import BatchBook, FactoryDays, batch_rows
from eventreplay.demo.ledger.cardbook import CardBook
from eventreplay.demo.ledger.counts import Counts
from eventreplay.demo.ledger.customers import Customers
from eventreplay.demo.ledger.labels import Labels
from eventreplay.demo.ledger.orderbook import OrderBook, Page
from eventreplay.demo.ledger.sales import CURRENCIES, STATUSES, Closed, Sales, close, line_rows, order_rows
from eventreplay.demo.ledger.sums import decimal_text
from eventreplay.interfaces import Source

Progress = Callable[[int, int | None], None]

LEDGER_FILE = "ledger.json"
_INSURED_WEIGHTS = (10**28, 10**18, 10**9, 1)


class _Books:
    """All that is accumulated while the plans pass by."""

    def __init__(self, history: History, folder: Path) -> None:
        self._history = history
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
        self.counts = Counts()
        self.orders = OrderBook(history)
        self.sales = Sales(history)
        self.customers = Customers()
        self.batches = BatchBook(history)
        self.factory = FactoryDays()
        self.cards = _read_cards(history)
        self.labels = _labels(history, self.cards)
        self._amounts = np.zeros((CURRENCIES, 4), dtype=object)
        self._insured = 0
        self._statuses = np.zeros(len(STATUSES), dtype=np.int64)

    def record(self, block: int) -> int:
        """Enter one block; the number of its rows."""
        plan = self._history.plan(block)
        self.counts.record(self._history, plan)
        self.orders.record(plan)
        self.batches.record(plan)
        self._settle(self._history.period_of_block(block + 1))
        return len(plan.position)

    def finish(self) -> dict[str, object]:
        """Close what is open, write the remaining tables, and say the totals."""
        self._settle(None)
        for writer in self._writers.values():
            writer.close()
        tables = {
            "agg_revenue_daily": self.sales.daily(),
            "agg_demand_sku_daily": self.sales.demand_daily(),
            "agg_demand_by_sku": self.sales.demand_by_sku(),
            "agg_customer_purchases": self.customers.purchases(),
            "dim_customer": self.customers.people(),
            "agg_manufacturing_daily": self.factory.daily(),
            "agg_defects_by_kind": self.factory.by_kind(),
        }
        tables |= {f"agg_demand_by_{name}": labels.rows(name) for name, labels in self.labels.items()}
        if self.cards is not None:
            tables["dim_card"] = self.cards.rows()
        for name, table in tables.items():
            pq.write_table(table, self._folder / f"{name}.parquet")
        return self._totals()

    def _settle(self, next_period: int | None) -> None:
        for page in self.orders.closed(next_period):
            closed = close(page)
            self.sales.add(closed)
            self.customers.add(closed)
            for labels in self.labels.values():
                labels.add(closed)
            self._total(page, closed)
            self._append("fct_orders", order_rows(closed))
            self._append("fct_order_lines", line_rows(closed, self._history.catalog.sku))
        for batches in self.batches.closed(next_period):
            self.factory.add(batches)
            self._append("fct_batch_performance", batch_rows(batches, self._history.catalog.sku))

    def _append(self, name: str, rows: pa.Table) -> None:
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self._folder / f"{name}.parquet", rows.schema)
        self._writers[name].write_table(rows)

    def _total(self, page: Page, closed: Closed) -> None:
        currency = closed.head["currency"]
        self._statuses += np.bincount(closed.status, minlength=len(STATUSES))
        columns = (
            closed.total["revenue4"],
            closed.total["discount4"],
            closed.total["tax9"],
            closed.head["refunded4"],
        )
        for at, column in enumerate(columns):
            for each in range(CURRENCIES):
                self._amounts[each, at] += int(column[currency == each].sum())
        # Python integers: a sum of 38-digit values outgrows every integer column.
        parts = [
            int(page.insured[part, page.placed & (page.head["insured_form"] > 0)].sum()) for part in range(4)
        ]
        self._insured += sum(part * weight for part, weight in zip(parts, _INSURED_WEIGHTS, strict=True))

    def _totals(self) -> dict[str, object]:
        known = 0 if self.cards is None else len(self.cards.known())
        return {
            "orders": int(self._statuses.sum()),
            "orders_by_status": dict(zip(STATUSES, map(int, self._statuses), strict=True)),
            "insured_value": decimal_text(self._insured, 18),
            "cards": known,
            "cards_retired": 0 if self.cards is None else len(self.cards.retired()),
            "by_currency": {
                name: {
                    "revenue": decimal_text(int(self._amounts[at, 0]), 4),
                    "discount": decimal_text(int(self._amounts[at, 1]), 4),
                    "tax": decimal_text(int(self._amounts[at, 2]), 9),
                    "refunded": decimal_text(int(self._amounts[at, 3]), 4),
                }
                for at, name in enumerate(names.CURRENCIES)
            },
        }


def _labels(history: History, cards: CardBook | None) -> dict[str, Labels]:
    """Players, and where cards are the history's own, teams: those the cards are left with in the end."""
    found, skus = {}, len(history.catalog.price4)
    players = history.catalog.players
    if players is not None:
        sku = pc.list_parent_indices(players).to_numpy(zero_copy_only=False).astype(np.int64)
        encoded = pc.list_flatten(players).dictionary_encode()
        member: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        pairs = np.unique(np.stack([sku, member], axis=1), axis=0)
        found["player"] = Labels(encoded.dictionary, pairs[:, 0], pairs[:, 1], skus)
    if cards is not None and history.cards is not None:
        known = cards.known()
        team = history.cards.team_numbers(known, cards.version(known))
        found["team"] = Labels(history.cards.teams, known, team, skus)
    return found


def _read_cards(history: History) -> CardBook | None:
    """The cards as the history leaves them, read ahead: an order's team is that of the card in the end."""
    if history.cards is None:
        return None
    book = CardBook(history, history.cards)
    for block in range(history.blocks):
        book.record(history.plan(block))
    return book


def write_ledger(
    seed: int,
    events: int,
    folder: Path,
    *,
    catalog: pa.Table | None = None,
    catalog_source: Source | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write what is true of the history (seed, events, catalog) to `folder`; return `ledger.json`'s content.

    The truth is read from the generator's plans and integer columns, before anything is encoded; nothing
    of it has passed through a codec, a log or a warehouse. Order and line tables are written as their
    orders close, so memory holds open orders (see `orderbook`), customers and sums only.

    Args:
        seed: as given to `GeneratedSource`.
        events: as given to `GeneratedSource`.
        catalog: as given to `GeneratedSource`.
        folder: made if missing; files of the same names are replaced.
        catalog_source: the source that releases the given catalog's cards, if a run captures it as well:
            its records are counted in.
        progress: told (records done, records in all) after every block.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (*folder.glob("*.parquet"), folder / LEDGER_FILE):
        stale.unlink(missing_ok=True)
    history = History(seed, events, catalog)
    books = _Books(history, folder)
    done = 0
    for block in range(history.blocks):
        done += books.record(block)
        if progress is not None:
            progress(done, events)
    totals = books.finish()
    facts = {"seed": seed, "events": events, **books.counts.as_json(), "totals": totals}
    if catalog_source is not None:
        facts["catalog"] = _count(catalog_source)
    (folder / LEDGER_FILE).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return facts


def _count(source: Source) -> dict[str, int]:
    """Records of the catalog's own source: events, and what it could not make events of."""
    head = source.head()
    if head is None:
        return {"events": 0, "rejected": 0}
    events = rejected = 0
    for batch in source.read(None, head):
        events += batch.events.num_rows
        rejected += 0 if batch.rejected is None else batch.rejected.num_rows
    return {"events": events, "rejected": rejected}
