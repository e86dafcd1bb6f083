"""The gap-safe head: the highest position below which nothing can appear any more. See decision 013.

(a) One snapshot shows the holes. (b) After that, the transactions that hold a write lock are listed. (c) When
all of them are gone, prepared ones are listed once more (PREPARE gives locks a new holder) and waited for.
(d) Another snapshot shows what is still missing: that is dead for good. The order is what makes it right: an
id below a visible one was taken before the first snapshot, its taker had its lock by then, and a transaction
becomes visible before it releases its locks. So whoever is not listed in (b) has ended, and is seen in (d).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import pyarrow as pa
from attrs import define, field

from eventreplay.interfaces import Gaps
from eventreplay.sources.postgres.holes import Hold, Look

POLL_MIN_S = 0.005
POLL_MAX_S = 0.5
HOLDERS_TOLD_MAX = 8
"""Transactions that the ledger describes; all of them are named by their virtual ids."""


@define
class _Pending:
    """Holes that somebody may still fill, and the transactions that could."""

    below: int
    upto: int
    holes: np.ndarray
    snapshot: str
    waiting: set[str]
    listed: list[str]
    since: datetime
    holders: dict[tuple[str, bool], str]
    prepared_listed: bool = False


@define
class Horizon:
    """What is known of the holes; lives as long as its source, so that a long wait is not begun anew.

    Attributes:
        look: holes above a position, up to another or to the highest id, in a new snapshot.
        list_writers: who holds a write lock now.
        now: wall clock, for the ledger.
        is_decidable: False on a replica, where no lock shows who may fill a hole: each one is held.
    """

    look: Callable[[int, int | None], Look]
    list_writers: Callable[[], list[Hold]]
    is_decidable: bool = True
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    held_by: list[Hold] = field(factory=list)
    decided: list[Gaps] = field(factory=list)
    highest_seen: int = -1
    is_new: bool = True
    _safe: int = -1
    _pending: _Pending | None = None

    def resume(self, after: int) -> None:
        """Everything at or below `after` is settled; what was learnt above it stays if it still fits."""
        self.is_new = False
        if after < self._safe:
            self._pending, self.held_by, self.decided = None, [], []
        pending = self._pending
        if pending is not None and (len(pending.holes) == 0 or int(pending.holes[0, 0]) <= after):
            self._pending = None
        self._safe = after
        self.decided = [each for each in self.decided if each.upto > after]

    def advance(self, wait_s: float) -> int:
        """The safe position, waiting up to `wait_s` for who could fill holes; never skips one."""
        deadline_s = time.monotonic() + wait_s
        if self._pending is not None and not self._settled(self._pending, deadline_s):
            return self._below(self._pending)
        # What an earlier call had left open is settled: see how far it goes by now.
        self._begin()
        if self._pending is not None and not self._settled(self._pending, deadline_s):
            return self._below(self._pending)
        return self._safe

    def _settled(self, pending: _Pending, deadline_s: float) -> bool:
        if not self.is_decidable or not self._drained(pending, deadline_s):
            return False
        self._decide(pending)
        return True

    def _begin(self) -> None:
        seen = self.look(self._safe, None)
        if seen.highest is None:
            return
        self.highest_seen = max(self.highest_seen, seen.highest)
        if not len(seen.holes):
            self._safe = seen.highest
            return
        # The list comes after the snapshot, never before: see the module's text.
        found = self.list_writers() if self.is_decidable else []
        self._pending = _Pending(
            below=self._safe,
            upto=seen.highest,
            holes=seen.holes,
            snapshot=seen.snapshot,
            waiting={hold.transaction for hold in found},
            listed=[hold.transaction for hold in found],
            since=self.now(),
            holders=_described(found),
        )

    def _drained(self, pending: _Pending, deadline_s: float) -> bool:
        """Whether every listed transaction is gone, prepared ones among them."""
        pause_s, idle = POLL_MIN_S, threading.Event()
        while True:
            found = self.list_writers()
            self.held_by = [hold for hold in found if hold.transaction in pending.waiting]
            pending.holders |= _described(self.held_by)
            if not self.held_by:
                if pending.prepared_listed:
                    return True
                # One of those gone may have become a prepared one, under a new name.
                prepared = [hold for hold in self.list_writers() if hold.pid is None]
                names = [hold.transaction for hold in prepared]
                pending.waiting, pending.prepared_listed = set(names), True
                pending.listed += names
                pending.holders |= _described(prepared)
                continue
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            idle.wait(min(pause_s, left_s))
            pause_s = min(2 * pause_s, POLL_MAX_S)

    def _decide(self, pending: _Pending) -> None:
        seen = self._again(pending)
        if len(seen.holes):
            evidence = {
                "first_snapshot": pending.snapshot,
                "second_snapshot": seen.snapshot,
                "waited_for": ",".join(pending.listed),
                "held_by": "; ".join(islice(pending.holders.values(), HOLDERS_TOLD_MAX)),
                "held_since": pending.since.isoformat(timespec="milliseconds"),
                "decided_at": self.now().isoformat(timespec="milliseconds"),
            }
            self.decided.append(
                Gaps(
                    after=pending.below,
                    upto=pending.upto,
                    first=pa.array(seen.holes[:, 0]),
                    last=pa.array(seen.holes[:, 1]),
                    evidence=evidence,
                )
            )
        self._safe, self._pending = max(self._safe, pending.upto), None

    def _below(self, pending: _Pending) -> int:
        """The position below the lowest hole that is still open."""
        pending.holes = self._again(pending).holes
        if not len(pending.holes):
            self._safe, self._pending = max(self._safe, pending.upto), None
            return self._safe
        return max(self._safe, int(pending.holes[0, 0]) - 1)

    def _again(self, pending: _Pending) -> Look:
        return self.look(int(pending.holes[0, 0]) - 1, int(pending.holes[-1, 1]))


def _described(holds: Iterable[Hold]) -> dict[tuple[str, bool], str]:
    """Holders as they are now; one that was prepared meanwhile is another, under whichever name."""
    return {(hold.transaction, hold.pid is None): str(hold) for hold in holds}
