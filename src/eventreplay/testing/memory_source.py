"""A source that lives in memory, with markers in the stream that crash or end a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from attrs import evolve

from eventreplay.errors import ConfigError
from eventreplay.event import Event, Position
from eventreplay.sources.rows import Rejected, RowSource
from eventreplay.testing.crash import SimulatedCrash


class Marker(Enum):
    """Something in the stream that is not an event and takes no position."""

    CRASH = "crash"
    END = "end"


CRASH = Marker.CRASH
"""The process dies when a read comes here for the first time; the next read passes."""

END = Marker.END
"""The head stops here once; the next call of `head` sees what follows."""

Item = Event | Rejected | Marker


class MemorySource(RowSource):
    """A `Source` over a list; positions are given by place, from `first_position`, `step` apart.

    Args:
        items: events and rejected records in order, with markers between them. An item's own
            `source_position` is replaced.
        name: the source's name.
        epoch: the epoch; may be set later through `replace_epoch`, as a restored source would change.
        first_position: position of the first item; 0 by default, because 0 is a position.
        step: distance of positions; more than 1 leaves gaps, which are allowed.
        batch_rows_max: rows per batch.
    """

    def __init__(
        self,
        items: Iterable[Item] = (),
        *,
        name: str = "memory",
        epoch: str = "1",
        first_position: int = 0,
        step: int = 1,
        batch_rows_max: int = 8_192,
    ) -> None:
        if first_position < 0 or step < 1:
            raise ConfigError(
                "Positions begin at 0 or above and ascend.", hint="Set first_position >= 0, step >= 1."
            )
        super().__init__(name, self._rows, self._last, epoch=epoch, batch_rows_max=batch_rows_max)
        self._items: list[Item] = []
        self._next_position = first_position
        self._step = step
        self.append(items)

    def append(self, items: Iterable[Item]) -> None:
        """Let more arrive, after what is there."""
        for item in items:
            if isinstance(item, Marker):
                self._items.append(item)
                continue
            self._items.append(evolve(item, source_position=self._next_position))
            self._next_position += self._step

    def replace_epoch(self, epoch: str) -> None:
        """Become another source, as after a restore."""
        self._epoch = epoch

    def _rows(self, after: Position | None, upto: Position) -> Iterator[Event | Rejected]:
        for at, item in enumerate(self._items):
            if item is CRASH:
                del self._items[at]
                raise SimulatedCrash(f"A crash marker stands before item {at}.")
            if isinstance(item, Marker):
                continue
            position = item.source_position
            if position is not None and position > upto:
                return
            if position is not None and (after is None or position > after):
                yield item

    def _last(self) -> int | None:
        last: int | None = None
        for at, item in enumerate(self._items):
            if item is END:
                del self._items[at]
                return last
            if not isinstance(item, Marker):
                last = item.source_position
        return last
