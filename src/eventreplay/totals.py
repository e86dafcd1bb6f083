"""What a whole run captured: over rounds, retries and consumers, and also in attempts that failed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from attrs import define, field

from eventreplay.capture import CaptureReceipt, between
from eventreplay.log import Commit, Log, PartitionReader

LAST_ONE_HOLDS = frozenset({"partition", "source", "position", "digest"})
"""Fields of a receipt that say where the partition is; all other numbers are counts, and add up."""


@define
class Totals:
    """The receipt of one partition, adding up.

    A verb that ends with an error gives no receipt, although it may have committed much. What it did is
    then read from the log: the head now less the head at its beginning. A commit whose acknowledgement was
    lost counts by that, too. One writer holds a partition, so what came in between is this run's own.

    Attributes:
        attempts: how often the verb was begun.
        failed: how many of those ended early.
    """

    log: Log
    partition: str
    attempts: int = 0
    failed: int = 0
    _sum: CaptureReceipt | None = field(default=None, init=False)
    _head: Commit | None = field(default=None, init=False)
    _is_open: bool = field(default=False, init=False)
    _reader: PartitionReader | None = field(default=None, init=False)

    def begin(self) -> None:
        """An attempt begins; what a broken one before it had committed counts from now on."""
        self._settle()
        self.attempts += 1
        self._head, self._is_open = self._now(), True

    def done(self, receipt: CaptureReceipt) -> None:
        """The attempt ended well."""
        self._sum, self._is_open = added(self._sum, receipt), False

    def receipt(self) -> CaptureReceipt:
        """Everything that this run captured."""
        self._settle()
        if self._sum is not None:
            return self._sum
        head = self._now()
        if head is None:
            return CaptureReceipt(partition=self.partition, source="")
        return between(head, head)

    def _settle(self) -> None:
        if not self._is_open:
            return
        self.failed += 1
        now = self._now()
        if now is not None and (self._head is None or now.number > self._head.number):
            self._sum = added(self._sum, between(self._head, now))
        self._is_open = False

    def _now(self) -> Commit | None:
        if self._reader is None:
            self._reader = self.log.reader(self.partition)
        return self._reader.head()


def added(so_far: CaptureReceipt | None, more: CaptureReceipt) -> CaptureReceipt:
    """Two receipts of one partition as one: counts add up, of places the later holds."""
    if so_far is None:
        return more
    known = attrs.asdict(so_far, recurse=False)
    values = attrs.asdict(more, recurse=False)
    # By whatever fields a receipt has: each keeps its own type.
    summed: dict[str, Any] = {name: _sum(name, known[name], value) for name, value in values.items()}
    return CaptureReceipt(**summed)


def _sum(name: str, known: object, value: object) -> object:
    is_count = isinstance(value, int) and isinstance(known, int) and name not in LAST_ONE_HOLDS
    return known + value if is_count else value  # type: ignore[operator] # both are int


def over_partitions(receipts: Iterable[CaptureReceipt]) -> dict[str, int]:
    """The counts of several partitions together."""
    found: dict[str, int] = {}
    for receipt in receipts:
        for name, value in attrs.asdict(receipt, recurse=False).items():
            if isinstance(value, int) and name not in LAST_ONE_HOLDS:
                found[name] = found.get(name, 0) + value
    return found
