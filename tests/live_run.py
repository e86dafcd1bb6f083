"""A live run over memory doubles, in a thread of its own: what tests of it share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from eventreplay.codecs.json import JsonCodec
from eventreplay.errors import SinkUnavailableError, SourceUnavailableError
from eventreplay.event import Checkpoint, Event
from eventreplay.interfaces import Codec, Delivery, QueueSource, Sink, Source
from eventreplay.live import LiveOptions, LiveReceipt, LiveStatus, live
from eventreplay.loader import LoadOptions
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions
from eventreplay.supervision import PartStatus
from eventreplay.testing import MemoryBroker, MemoryQueue, MemorySink, MemoryWarehouse

WAIT_S_MAX = 12.0
MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


def events(count: int, *, first: int = 0) -> list[Event]:
    return [
        Event(
            event_id=f"event-{number}",
            event_type="shop.ordered",
            occurred_at=MOMENT,
            content_type="application/json",
            payload=b'{"number":%d}' % number,
        )
        for number in range(first, first + count)
    ]


def options(**changes: Any) -> LiveOptions:
    """Quick ones; names of the parts' options are found by themselves."""
    queue = {name: changes.pop(name) for name in ("age_max_s", "rows_max") if name in changes}
    load = {name: changes.pop(name) for name in ("every_s", "rows", "poll_s", "release") if name in changes}
    return LiveOptions(
        queue=QueueOptions(**{"age_max_s": 0.01, "receive_timeout_s": 0.01, **queue}),
        load=LoadOptions(**{"every_s": 0.0, "poll_s": 0.05, **load}),
        **{"look_s": 0.005, "retry_wait_max_s": 0.02, "finish_s": WAIT_S_MAX, **changes},
    )


class SharedBroker(MemoryBroker):
    """One that several threads may use."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.lock = threading.RLock()

    def publish(self, events: Iterable[Event]) -> None:
        with self.lock:
            super().publish(events)

    def take(self, connection: int, rows_max: int) -> list[tuple[int, Event]]:
        with self.lock:
            return super().take(connection, rows_max)

    def settle(self, connection: int, messages: Iterable[int]) -> None:
        with self.lock:
            super().settle(connection, messages)

    def drop(self, connection: int) -> None:
        with self.lock:
            super().drop(connection)

    def connect(self) -> int:
        with self.lock:
            return super().connect()

    def in_flight(self) -> int:
        """Messages that consumers hold."""
        with self.lock:
            return sum(map(len, self._held.values()))


class World:
    """What outlives a live run: a broker, a warehouse; and whether they are there.

    Attributes:
        broker_away, warehouse_away: set while nobody reaches them.
        opened: sinks that are open now.
    """

    def __init__(self) -> None:
        self.broker = SharedBroker(repeats_max=1)
        self.warehouse = MemoryWarehouse()
        self.broker_away = threading.Event()
        self.warehouse_away = threading.Event()
        self.opened = 0

    def queue(self) -> QueueSource:
        return Consumer(self)

    def sink(self) -> Sink:
        if self.warehouse_away.is_set():
            raise SinkUnavailableError("The warehouse is away.", hint="Wait.")
        return Loading(self)

    def rows(self) -> list[str]:
        return [row["event_id"] for row in list(self.warehouse.events)]


class Consumer(MemoryQueue):
    """Waits a moment where nothing comes, and breaks while the broker is away."""

    def __init__(self, world: World, **how: Any) -> None:
        super().__init__(world.broker, **{"delivery_rows_max": 5, **how})
        self.world = world

    def receive(self, timeout_s: float) -> Delivery | None:
        if self.world.broker_away.is_set():
            raise SourceUnavailableError("The broker is away.", hint="Wait.")
        delivery = super().receive(timeout_s)
        if delivery is None:
            self.world.broker_away.wait(min(timeout_s, 0.005))
        return delivery


class Loading(MemorySink):
    """Breaks while the warehouse is away."""

    def __init__(self, world: World) -> None:
        super().__init__(world.warehouse)
        self.world = world
        world.opened += 1
        self._is_open = True

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        if self.world.warehouse_away.is_set():
            raise SinkUnavailableError("The warehouse is away.", hint="Wait.")
        super().commit(checkpoint, expected=expected)

    def close(self) -> None:
        super().close()
        self.world.opened -= self._is_open
        self._is_open = False


class Running:
    """A live run in a thread; ends with the block. `wait_s`: how long something may take to happen."""

    def __init__(self, log: Log, world: World, *, wait_s: float = WAIT_S_MAX, **how: Any) -> None:
        self._wait_s = wait_s
        self.world = world
        self.status: LiveStatus | None = None
        self.statuses: list[LiveStatus] = []
        self.receipt: LiveReceipt | None = None
        self.error: BaseException | None = None
        self._stopped = threading.Event()
        self._how = how
        self._log = log
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        how = dict(self._how)
        codec: Codec = how.pop("codec", None) or JsonCodec()
        sink: Callable[[], Sink] = how.pop("sink", None) or self.world.sink
        queues: dict[str, Callable[[], QueueSource]] | None = how.pop("queues", None)
        journals: dict[str, Callable[[], Source]] | None = how.pop("journals", None)
        try:
            self.receipt = live(
                self._log,
                sink,
                codec,
                queues={"live-0": self.world.queue} if queues is None else queues,
                journals=journals,
                clock=time.monotonic,
                stop=self._stopped.is_set,
                options=options(**how),
                watch=self._watch,
            )
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error

    def _watch(self, status: LiveStatus) -> None:
        self.status = status
        self.statuses.append(status)

    def part(self, name: str) -> PartStatus:
        assert self.status is not None
        return next(part for part in self.status.parts if part.name == name)

    def stop(self) -> LiveReceipt:
        """Tell it to end, and wait for the receipt."""
        self._stopped.set()
        self.join()
        if self.error is not None:
            raise self.error
        assert self.receipt is not None
        return self.receipt

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait until it has ended by itself."""
        self._thread.join(self._wait_s)
        assert not self._thread.is_alive(), "It did not end."

    def until(self, condition: Callable[[], object]) -> None:
        until(lambda: condition() or self.error is not None, self._wait_s)
        if self.error is not None:
            raise self.error

    def until_loaded(self, rows: int) -> None:
        """Wait until the warehouse has so many rows."""
        self.until(lambda: len(self.world.rows()) >= rows)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.status is not None or not self._thread.is_alive())
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(self._wait_s)


def until(condition: Callable[[], object], wait_s: float = WAIT_S_MAX) -> None:
    """Wait for a condition, looking often; fails when the time is over."""
    end_s = time.monotonic() + wait_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, "It did not happen in time."
        pause.wait(0.002)


@contextmanager
def away(part: threading.Event) -> Any:
    """A part is away within the block."""
    part.set()
    try:
        yield
    finally:
        part.clear()
