"""What stands in which slot: a period of 1,024 slots, repeated for as long as the history is.

An order placed in a period is paid, shipped, cancelled in fixed slots of the same or a later period, so
that a slot knows its order by arithmetic alone and a block of the history needs no other block. Coins
tossed per order decide whether a step really happens; where it does not, the slot is a page view.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.generator.timeline import DAYS

PERIOD_SLOTS = 1_024
PERIOD_ORDERS = 312
PERIOD_BATCHES = 10
PERIOD_RELEASES = 4

LAG_PERIODS_MAX = 1_500
"""No step comes later than this after what it refers to: it bounds what a ledger must keep open."""


class Kind(IntEnum):
    """What a slot holds. From DUPLICATE on: dirt."""

    PLACED = 0
    CHANGED = 1
    CHANGED_AGAIN = 2
    PAID = 3
    SHIPPED = 4
    CANCELLED = 5
    REFUNDED = 6
    STARTED = 7
    FINISHED = 8
    INSPECTED = 9
    REINSPECTED = 10
    RELEASED = 11
    CORRECTED = 12
    RETIRED = 13
    VIEWED = 14
    DUPLICATE = 15
    CONFLICT = 16
    MALFORMED = 17
    BAD_DECIMAL = 18
    UNKNOWN = 19
    NULL_ID = 20
    EMPTY_ID = 21


ORDER_KINDS = (
    Kind.PLACED,
    Kind.CHANGED,
    Kind.CHANGED_AGAIN,
    Kind.PAID,
    Kind.SHIPPED,
    Kind.CANCELLED,
    Kind.REFUNDED,
)
BATCH_KINDS = (Kind.STARTED, Kind.FINISHED, Kind.INSPECTED, Kind.REINSPECTED)

# Slots after the placing (or starting), and the same as minutes of business time.
_STEP_SLOTS = {
    Kind.CHANGED: 14, Kind.CHANGED_AGAIN: 21, Kind.PAID: 9, Kind.SHIPPED: 45, Kind.CANCELLED: 27,
    Kind.REFUNDED: 230, Kind.FINISHED: 11, Kind.INSPECTED: 24, Kind.REINSPECTED: 70,
}  # fmt: skip
_STEP_MINUTES = {
    Kind.CHANGED: 180, Kind.CHANGED_AGAIN: 400, Kind.PAID: 20, Kind.SHIPPED: 2_000, Kind.CANCELLED: 600,
    Kind.REFUNDED: 14_000, Kind.FINISHED: 300, Kind.INSPECTED: 900, Kind.REINSPECTED: 3_000,
}  # fmt: skip

_DIRT_SLOTS = {
    Kind.DUPLICATE: (37, 131, 233, 335, 437, 539, 641, 743, 845, 947),
    Kind.CONFLICT: (412,),
    Kind.MALFORMED: (77, 777),
    Kind.BAD_DECIMAL: (177, 877),
    Kind.UNKNOWN: (277,),
    Kind.NULL_ID: (377,),
    Kind.EMPTY_ID: (705,),
}


class Layout:
    """The period as arrays by slot, and the lags of the steps for a history of `slots` slots.

    Attributes:
        kind, rank: what stands in a slot, and which of its period's orders, batches or releases.
        lag: periods between a step and what it refers to.
        placed_slot: slot of each of a period's orders, by rank.
    """

    def __init__(self, slots: int) -> None:
        entries = _entries()
        free = [slot for slot in range(PERIOD_SLOTS) if slot not in _dirty()]
        if len(entries) > len(free):
            raise AssertionError("the period is too short for what it has to hold")
        self.kind: Ints = np.full(PERIOD_SLOTS, Kind.VIEWED, dtype=np.int64)
        self.rank: Ints = np.zeros(PERIOD_SLOTS, dtype=np.int64)
        self.lag: Ints = np.zeros(PERIOD_SLOTS, dtype=np.int64)
        self.placed_slot: Ints = np.zeros(PERIOD_ORDERS, dtype=np.int64)
        for slot, dirt in _dirty().items():
            self.kind[slot] = dirt
            self.rank[slot] = slot
        for at, (_, kind, rank, wraps) in enumerate(sorted(entries)):
            slot = free[at * len(free) // len(entries)]
            self.kind[slot], self.rank[slot] = kind, rank
            self.lag[slot] = wraps + _base_lag(Kind(kind), slots)
            if kind == Kind.PLACED:
                self.placed_slot[rank] = slot


def _entries() -> list[tuple[int, int, int, int]]:
    """(place in the period in 1/312 slots, kind, rank, whether it wrapped into the next period)."""
    length = PERIOD_SLOTS * PERIOD_ORDERS
    entries: list[tuple[int, int, int, int]] = []
    for rank in range(PERIOD_ORDERS):
        for kind in _order_steps(rank):
            place = rank * PERIOD_SLOTS + _STEP_SLOTS.get(kind, 0) * PERIOD_ORDERS
            entries.append((place % length, kind, rank, place // length))
    for rank in range(PERIOD_BATCHES):
        for kind in BATCH_KINDS if rank % 3 == 0 else BATCH_KINDS[:3]:
            place = (rank * length) // PERIOD_BATCHES + _STEP_SLOTS.get(kind, 0) * PERIOD_ORDERS
            entries.append((place % length, kind, rank, place // length))
    entries += [(200 * PERIOD_ORDERS + rank, Kind.RELEASED, rank, 0) for rank in range(PERIOD_RELEASES)]
    entries += [(length * part // 7, Kind.CORRECTED, part, 0) for part in (2, 5)]
    entries.append((length * 4 // 7, Kind.RETIRED, 0, 0))
    return entries


def _order_steps(rank: int) -> list[Kind]:
    """Which steps an order may take, by its rank: cancelled ones are not shipped, shipped ones are paid."""
    cancelled, paid = rank % 12 == 5, rank % 16 != 7
    steps = [Kind.PLACED]
    steps += [Kind.PAID] if paid else []
    steps += [Kind.CANCELLED] if cancelled else []
    steps += [Kind.SHIPPED] if paid and not cancelled and rank % 16 != 15 else []
    steps += [Kind.REFUNDED] if rank % 12 == 2 and rank % 16 != 7 and rank % 16 != 15 else []
    steps += [Kind.CHANGED] if rank % 12 == 8 else []
    steps += [Kind.CHANGED_AGAIN] if rank % 48 == 8 else []
    return steps


def _base_lag(kind: Kind, slots: int) -> int:
    periods = slots * _STEP_MINUTES.get(kind, 0) // (DAYS * 1_440 * PERIOD_SLOTS)
    return min(periods, LAG_PERIODS_MAX - 1)


def _dirty() -> dict[int, Kind]:
    return {slot: kind for kind, slots in _DIRT_SLOTS.items() for slot in slots}
