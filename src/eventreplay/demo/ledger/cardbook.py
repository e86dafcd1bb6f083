"""Every card as its last release or correction left it; one row for each SKU of the invented catalog."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.demo.generator.catalog import Cards
from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.generator.history import History, Plan
from eventreplay.demo.generator.layout import Kind
from eventreplay.demo.ledger.sums import decimals, last_of_each

_UNSET = np.iinfo(np.int64).min


class CardBook:
    """Takes plans in order."""

    def __init__(self, history: History, cards: Cards) -> None:
        skus = len(history.catalog.price4)
        self._history = history
        self._cards = cards
        self._version = np.full(skus, -1, dtype=np.int64)
        self._told = {name: np.full(skus, _UNSET, dtype=np.int64) for name in ("at", "position")}
        self._retired = {name: np.full(skus, _UNSET, dtype=np.int64) for name in ("at", "position")}

    def record(self, plan: Plan) -> None:
        """Enter the first arrivals among a plan's rows."""
        rows = plan.rows(Kind.RELEASED, Kind.CORRECTED, fresh_only=True)
        won = self._later(self._told, plan, rows)
        version = np.where(plan.kind[won] == Kind.CORRECTED, self._history.version_of(plan.identity[won]), 0)
        self._version[plan.subject[won]] = version
        self._later(self._retired, plan, plan.rows(Kind.RETIRED, fresh_only=True))

    def known(self) -> Ints:
        """SKU numbers that have been released (or corrected), ascending."""
        return np.flatnonzero(self._version >= 0)

    def version(self, sku: Ints) -> Ints:
        """The version each card is left in."""
        return self._version[sku]

    def retired(self) -> Ints:
        """SKU numbers that are retired: not released or corrected since."""
        told, gone = self._told, self._retired
        later = (gone["at"] > told["at"]) | (
            (gone["at"] == told["at"]) & (gone["position"] > told["position"])
        )
        return np.flatnonzero((self._version >= 0) & later)

    def rows(self) -> pa.Table:
        """Rows of dim_card."""
        sku = self.known()
        card = self._cards.columns(sku, self._version[sku])
        return pa.table(
            {
                "sku": card.sku,
                "base_sku": card.base_sku,
                "players": pc.binary_join(card.players, " / "),
                "team": card.team,
                "sport": card.sport,
                "release": card.release,
                "set_name": card.set_name,
                "card_number": card.card_number,
                "release_year": card.release_year,
                "parallel": card.parallel,
                "print_run": card.print_run,
                "list_price": decimals(self._cards.price4(sku, self._version[sku]), 4),
                "is_retired": pa.array(np.isin(sku, self.retired())),
            }
        )

    def _later(self, seen: dict[str, Ints], plan: Plan, rows: Ints) -> Ints:
        """Keep the last of each SKU by (occurred, position); the rows that won."""
        rows = rows[last_of_each(plan.subject[rows], plan.occurred[rows], plan.position[rows])]
        sku, at, position = plan.subject[rows], plan.occurred[rows], plan.position[rows]
        newer = (at > seen["at"][sku]) | ((at == seen["at"][sku]) & (position > seen["position"][sku]))
        seen["at"][sku[newer]] = at[newer]
        seen["position"][sku[newer]] = position[newer]
        won: Ints = rows[newer]
        return won
