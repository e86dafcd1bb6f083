"""A queue in memory that does what brokers do to consumers: redelivers, repeats and reorders."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from attrs import evolve, frozen

from eventreplay.batch import Batch
from eventreplay.errors import SourceUnavailableError
from eventreplay.event import Event
from eventreplay.interfaces import Delivery


@frozen
class _Token:
    """Which connection delivered which messages; another connection cannot settle them."""

    connection: int
    messages: tuple[int, ...]


class MemoryBroker:
    """What outlives a consumer: messages, until somebody settles them.

    Args:
        seed: of the order and the repetitions in which unsettled messages come again.
        repeats_max: how often an unsettled message may be delivered again at once; brokers repeat.
    """

    def __init__(self, *, seed: int = 0, repeats_max: int = 2) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible, not secret
        self._repeats_max = repeats_max
        self._messages: dict[int, Event] = {}
        self._ready: deque[int] = deque()
        self._held: dict[int, list[int]] = {}
        self._next = 0
        self.deliveries = 0

    def publish(self, events: Iterable[Event]) -> None:
        """Confirm `events`: from here on they must not be lost."""
        for event in events:
            self._messages[self._next] = evolve(event, source_position=None)
            self._ready.append(self._next)
            self._next += 1

    @property
    def unsettled(self) -> int:
        """Messages that nobody has settled yet."""
        return len(self._messages)

    def connect(self) -> int:
        """A new connection's number."""
        connection = len(self._held)
        self._held[connection] = []
        return connection

    def take(self, connection: int, rows_max: int) -> list[tuple[int, Event]]:
        """Hand out up to `rows_max` ready messages to a connection."""
        taken: list[tuple[int, Event]] = []
        while self._ready and len(taken) < rows_max:
            message = self._ready.popleft()
            # A repetition may come after its message was settled; real brokers send those too, but what
            # is sent here must be settleable, so that a test can wait for an empty queue.
            if message in self._messages:
                taken.append((message, self._messages[message]))
        self._held[connection] += [message for message, _ in taken]
        self.deliveries += len(taken)
        return taken

    def settle(self, connection: int, messages: Iterable[int]) -> None:
        """Forget messages, if the connection that took them still holds them."""
        held = self._held[connection]
        for message in messages:
            if message in held:
                held.remove(message)
                self._messages.pop(message, None)

    def drop(self, connection: int) -> None:
        """The connection is gone: what it held comes again, in another order, some of it twice."""
        held, self._held[connection] = self._held[connection], []
        again = [message for message in dict.fromkeys(held) if message in self._messages]
        again = [
            message for message in again for _ in range(self._random.randint(1, max(1, self._repeats_max)))
        ]
        self._random.shuffle(again)
        self._ready.extendleft(again)


class MemoryQueue:
    """A `QueueSource`: one consumer of a `MemoryBroker`.

    Args:
        broker: shared by consumers, outlives them.
        name: the queue's name.
        delivery_rows_max: messages per delivery.
        advance: told the seconds that an empty `receive` would have waited, e.g. a manual clock's
            `advance`; nothing ever sleeps.
    """

    def __init__(
        self,
        broker: MemoryBroker | None = None,
        *,
        name: str = "memory-queue",
        delivery_rows_max: int = 100,
        advance: Callable[[float], None] | None = None,
    ) -> None:
        self._broker = MemoryBroker() if broker is None else broker
        self._name = name
        self._delivery_rows_max = delivery_rows_max
        self._advance = advance
        self._connection = self._broker.connect()
        self._closed = False

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    @property
    def broker(self) -> MemoryBroker:
        """The broker behind it."""
        return self._broker

    def receive(self, timeout_s: float) -> Delivery | None:
        """Ready messages, or None at once, having told `advance` of the wait.

        Raises:
            SourceUnavailableError: the queue was closed.
        """
        if self._closed:
            raise SourceUnavailableError("The memory queue is closed.", hint="Open another consumer.")
        taken = self._broker.take(self._connection, self._delivery_rows_max)
        if not taken:
            if self._advance is not None:
                self._advance(timeout_s)
            return None
        token = _Token(self._connection, tuple(message for message, _ in taken))
        return Delivery(batch=Batch.from_events([event for _, event in taken]), token=token)

    def settle(self, delivery: Delivery) -> None:
        """Forget the delivery's messages; nothing if its connection is gone."""
        token = delivery.token
        if isinstance(token, _Token) and token.connection == self._connection and not self._closed:
            self._broker.settle(token.connection, token.messages)

    def reconnect(self) -> None:
        """Lose the connection and get another: what was not settled comes again."""
        self._broker.drop(self._connection)
        self._connection = self._broker.connect()

    def close(self) -> None:
        """Return everything unsettled to the broker. Idempotent."""
        if not self._closed:
            self._broker.drop(self._connection)
            self._closed = True
