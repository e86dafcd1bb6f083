"""The plan of the history: which event stands where. Both the bytes and the truth follow from it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pyarrow as pa
from attrs import frozen

from eventreplay.demo.generator import catalog as catalogs
from eventreplay.demo.generator.catalog import Cards, Catalog
from eventreplay.demo.generator.dice import Dice, Flags, Ints
from eventreplay.demo.generator.factory import Factory
from eventreplay.demo.generator.layout import (
    BATCH_KINDS,
    ORDER_KINDS,
    PERIOD_BATCHES,
    PERIOD_ORDERS,
    PERIOD_RELEASES,
    PERIOD_SLOTS,
    Kind,
    Layout,
)
from eventreplay.demo.generator.orders import Orders
from eventreplay.demo.generator.timeline import DAY_US, END_US, START_US, Timeline
from eventreplay.errors import ConfigError

EVENTS_MAX = 2_000_000_000
BLOCK_ROWS = 32 * PERIOD_SLOTS
REORDER_ROWS_MAX = 16
"""How far an event may stand from its place in time, in positions."""

_FIRST_IDENTITY = 1 << 40
_LATE_RANKS = (100, 200)
_COPY_DISTANCE_MIN = 64
_COPY_REACH = PERIOD_SLOTS
_COPY_FAR_PERIODS = 40


class Fate(IntEnum):
    """Whether a row is an event's first arrival, a copy of it, or another payload under its id."""

    FRESH = 0
    DUPLICATE = 1
    CONFLICT = 2


@frozen(eq=False)
class Plan:
    """Rows of one block in log order.

    Attributes:
        position: place in the source, ascending by one.
        identity: what the event id is made from; equal for an event, its copies and its conflicts.
        kind: a `Kind` (never DUPLICATE or CONFLICT: those have the kind of their original).
        subject: number of the order, batch or SKU it is about; the identity where there is none.
        fate: a `Fate`.
        occurred, recorded: microseconds since 1970.
    """

    position: Ints
    identity: Ints
    kind: Ints
    subject: Ints
    fate: Ints
    occurred: Ints
    recorded: Ints

    def rows(self, *kinds: Kind, fresh_only: bool = False) -> Ints:
        """Row numbers of the given kinds, ascending."""
        chosen = np.isin(self.kind, kinds)
        return np.flatnonzero(chosen & (self.fate == Fate.FRESH) if fresh_only else chosen)


class History:
    """A company's history of `events` events, by blocks that can be planned in any order."""

    def __init__(self, seed: int, events: int, catalog: pa.Table | None = None) -> None:
        if not 0 <= events <= EVENTS_MAX:
            raise ConfigError(
                f"events must be 0 to {EVENTS_MAX:,}.", hint="Choose another number.", events=events
            )
        self.events = events
        self.dice = Dice(seed)
        self.cards: Cards | None = None
        self.catalog: Catalog
        if catalog is None:
            self.catalog, self.cards = catalogs.invented(self.dice, events)
        else:
            self.catalog = catalogs.given(self.dice, catalog)
        self.intro_rows = self.catalog.first if self.cards is not None else 0
        slots = events - self.intro_rows
        self.periods = -(-slots // PERIOD_SLOTS)
        self.layout = Layout(slots)
        self.timeline = Timeline(self.dice, slots)
        self.orders = Orders(self.dice, self.catalog, self.periods)
        self.factory = Factory(self.dice, self.catalog)
        skus = max(len(self.catalog.price4), 1)
        self._correct_every = 1 + self.periods * 4 // skus
        self._retire_every = 1 + self.periods * 10 // skus

    @property
    def blocks(self) -> int:
        """How many blocks there are; block 0 is the first catalog where the history has one."""
        return (self.intro_rows > 0) + -(-(self.events - self.intro_rows) // BLOCK_ROWS)

    def block_of(self, position: int) -> int:
        """The block that holds a position."""
        if position < self.intro_rows:
            return 0
        return (self.intro_rows > 0) + (position - self.intro_rows) // BLOCK_ROWS

    def period_of_block(self, block: int) -> int:
        """First period of a block (0 for the first catalog)."""
        return max(block - (self.intro_rows > 0), 0) * (BLOCK_ROWS // PERIOD_SLOTS)

    def plan(self, block: int) -> Plan:
        """Rows of a block, at most `BLOCK_ROWS` (or the first catalog's)."""
        if block == 0 and self.intro_rows > 0:
            return self._intro()
        first = self.period_of_block(block) * PERIOD_SLOTS
        last = min(first + BLOCK_ROWS, self.events - self.intro_rows)
        slot = np.arange(first, last, dtype=np.int64)
        drift = np.arange(len(slot)) + self.dice.below("reorder", slot, REORDER_ROWS_MAX + 1)
        order = np.argsort(drift, kind="stable")
        source, fate = self._sources(slot)
        kind, subject = self._subjects(source)
        occurred = self._occurred(source, kind)
        due = np.maximum(occurred[order], self.timeline.moments(slot))
        delay = (
            40_000
            + self.dice.below("delay", slot, 2_000_000)
            + np.where(fate[order] == Fate.FRESH, 0, 5_000_000)
        )
        return Plan(
            position=slot + self.intro_rows, identity=source[order], kind=kind[order], subject=subject[order],
            fate=fate[order], occurred=occurred[order], recorded=due + delay,
        )  # fmt: skip

    def version_of(self, identity: Ints) -> Ints:
        """Version of the card that a correction of this identity leaves."""
        return Cards.random_version(self.dice, identity)

    def _intro(self) -> Plan:
        sku = np.arange(self.intro_rows, dtype=np.int64)
        occurred = START_US - 30 * DAY_US + sku * (29 * DAY_US // self.intro_rows)
        return Plan(
            position=sku,
            identity=_FIRST_IDENTITY + sku,
            kind=np.full(len(sku), Kind.RELEASED, dtype=np.int64),
            subject=sku,
            fate=np.zeros(len(sku), dtype=np.int64),
            occurred=occurred,
            recorded=occurred + 1_500_000,
        )

    def _sources(self, slot: Ints) -> tuple[Ints, Ints]:
        """The slot whose event each slot sends (its own but for copies and conflicts), and its fate."""
        kind = self.layout.kind[slot % PERIOD_SLOTS]
        far = np.where(
            self.dice.chance("far", slot, 200), self.dice.below("how far", slot, _COPY_FAR_PERIODS), 0
        )
        back = _COPY_DISTANCE_MIN + self.dice.below("back", slot, _COPY_REACH) + far * PERIOD_SLOTS
        copied = slot - back
        # Dirt never stands in two slots side by side, so the slot before a dirty one is a plain event.
        copied = np.where(self.layout.kind[copied % PERIOD_SLOTS] >= Kind.DUPLICATE, copied - 1, copied)
        rank = self.dice.below("contested", slot, PERIOD_ORDERS)
        contested = (slot // PERIOD_SLOTS - 1 - far) * PERIOD_SLOTS + self.layout.placed_slot[rank]
        duplicate = (kind == Kind.DUPLICATE) & (copied >= 0)
        conflict = (kind == Kind.CONFLICT) & (contested >= 0)
        source = np.where(duplicate, copied, np.where(conflict, contested, slot))
        return source, np.where(duplicate, Fate.DUPLICATE, np.where(conflict, Fate.CONFLICT, Fate.FRESH))

    def _subjects(self, slot: Ints) -> tuple[Ints, Ints]:
        """Kind and subject of each slot; a step that does not happen is a page view."""
        period, at = slot // PERIOD_SLOTS, slot % PERIOD_SLOTS
        kind, rank = self.layout.kind[at], self.layout.rank[at]
        kind = np.where((kind == Kind.DUPLICATE) | (kind == Kind.CONFLICT), Kind.VIEWED, kind)
        origin = period - self.layout.lag[at]
        of_order, of_batch = np.isin(kind, ORDER_KINDS), np.isin(kind, BATCH_KINDS)
        subject = np.where(of_order, origin * PERIOD_ORDERS + rank, slot)
        subject = np.where(of_batch, origin * PERIOD_BATCHES + rank, subject)
        happens = ~(of_order | of_batch) | (origin >= 0)
        happens &= (kind != Kind.CANCELLED) | self.orders.cancelled(subject)
        happens &= (kind != Kind.REFUNDED) | self.orders.refunded(subject)
        happens &= (kind != Kind.FINISHED) | self.factory.finished(subject)
        again = (kind == Kind.REINSPECTED).astype(np.int64)
        happens &= ~np.isin(kind, (Kind.INSPECTED, Kind.REINSPECTED)) | self.factory.inspected(subject, again)
        subject, listed = self._cards(kind, rank, period, slot, subject)
        happens &= listed
        return np.where(happens, kind, Kind.VIEWED), np.where(happens, subject, slot)

    def _cards(self, kind: Ints, rank: Ints, period: Ints, slot: Ints, subject: Ints) -> tuple[Ints, Flags]:
        """Subjects of releases, corrections and retirements, and whether each takes place."""
        synthetic = self.cards is not None
        stride = self.catalog.stride
        sku = self.catalog.first + period // stride * PERIOD_RELEASES + rank
        released = (period % stride == 0) & (sku < len(self.catalog.price4)) & synthetic
        known = self.dice.below("card", slot, np.maximum(self.catalog.released(period), 1))
        corrected = (period % self._correct_every == 0) & synthetic
        retired = (period % self._retire_every == 0) & synthetic
        subject = np.where(kind == Kind.RELEASED, sku, subject)
        subject = np.where((kind == Kind.CORRECTED) | (kind == Kind.RETIRED), known, subject)
        listed = (kind != Kind.RELEASED) | released
        listed &= (kind != Kind.CORRECTED) | corrected
        listed &= (kind != Kind.RETIRED) | retired
        return subject, listed

    def _occurred(self, slot: Ints, kind: Ints) -> Ints:
        moment = np.minimum(
            self.timeline.moments(slot) + self.dice.below("jitter", slot, 1_000_000), END_US - 1
        )
        rank = self.layout.rank[slot % PERIOD_SLOTS]
        late = (kind == Kind.PLACED) & np.isin(rank, _LATE_RANKS)
        days_us = DAY_US + self.dice.below("late", slot, 5 * 86_400) * 1_000_000
        moment = np.where(late, moment - days_us, moment)
        # The factory's clock shows whole seconds, so that throughput is a quotient of integers.
        seconds: Ints = np.where(np.isin(kind, BATCH_KINDS), moment // 1_000_000 * 1_000_000, moment)
        return seconds
