"""A journal and a queue under registered names, in memory: what real ends do to the command line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from typing import ClassVar

from attrs import define, field, frozen

from eventreplay.batch import Batch
from eventreplay.errors import SourceUnavailableError
from eventreplay.event import Event, Position
from eventreplay.interfaces import Delivery
from eventreplay.secret import Secret
from eventreplay.testing import MemoryBroker, MemoryQueue, MemorySource
from eventreplay.testing.examples import example_events

EVENTS = tuple(example_events(40))


@frozen(kw_only=True)
class JournalSettings:
    """Settings of the journal."""

    ENVIRONMENT: ClassVar[Mapping[str, str]] = {"password": "JOURNAL_PASSWORD"}
    PLACE: ClassVar[str] = "table"

    table: str = "events"
    password: Secret | None = None


@define
class World:
    """What outlives a source that is closed: events, and the faults that are to come.

    Attributes:
        fail_after: for each read to come, after how many events it breaks; an empty list: none does.
        signal_at: for each wait to come, a signal that reaches the process then.
    """

    items: list[Event] = field(factory=lambda: list(EVENTS))
    fail_after: list[int] = field(factory=list)
    arrivals: list[list[Event]] = field(factory=list)
    signal_at_end: signal.Signals | None = None
    waits: int = 0
    opened: int = 0
    closed: int = 0
    held_by: list[str] = field(factory=list)
    settings: list[JournalSettings] = field(factory=list)
    broker: MemoryBroker = field(factory=lambda: MemoryBroker(repeats_max=1))
    queue_faults: int = 0


class Journal:
    """A journal over `world`."""

    world: ClassVar[World]
    Settings: ClassVar[type] = JournalSettings

    def __init__(self, settings: JournalSettings) -> None:
        self.world.settings.append(settings)
        self.world.opened += 1
        self._source = MemorySource(self.world.items, name="journal", batch_rows_max=4)

    @property
    def name(self) -> str:
        return f"journal:{self.world.settings[-1].table}"

    def epoch(self) -> str:
        return "1"

    def head(self) -> Position | None:
        return self._source.head()

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        left = self.world.fail_after.pop(0) if self.world.fail_after else None
        for batch in self._source.read(after, upto):
            yield batch
            if left is not None:
                left -= batch.rows
                if left <= 0:
                    raise SourceUnavailableError("The journal went away.", hint="Try again.")

    def wait(self, timeout_s: float) -> None:
        assert timeout_s <= 1
        self.world.waits += 1
        if self.world.arrivals:
            more = self.world.arrivals.pop(0)
            self.world.items += more
            self._source.append(more)
        elif self.world.signal_at_end is not None:
            os.kill(os.getpid(), self.world.signal_at_end)

    def holds(self) -> list[str]:
        return self.world.held_by

    def close(self) -> None:
        self.world.closed += 1
        self._source.close()


def journal_of(world: World) -> type:
    """A class of sources over `world`."""
    return type("Journal", (Journal,), {"world": world})


def queue_of(world: World) -> type:
    """A class of consumers of the broker of `world`, without settings of its own."""

    class Queue:
        def __init__(self, queue: str = "orders") -> None:
            world.opened += 1
            self._queue = MemoryQueue(world.broker, name=f"queue:{queue}", delivery_rows_max=5)
            self.name = self._queue.name

        def receive(self, timeout_s: float) -> Delivery | None:
            if world.queue_faults and world.broker.deliveries >= 10:
                world.queue_faults -= 1
                raise SourceUnavailableError("The broker went away.", hint="Try again.")
            found = self._queue.receive(timeout_s)
            if found is None and world.signal_at_end is not None and not world.broker.unsettled:
                os.kill(os.getpid(), world.signal_at_end)
            return found

        def settle(self, delivery: Delivery) -> None:
            self._queue.settle(delivery)

        def close(self) -> None:
            world.closed += 1
            self._queue.close()

    return Queue
