"""A publisher that knows what the broker confirmed: the independent account that a capture is held against.

It publishes with confirms and `mandatory`, many at a time, and writes down for every event whether the broker
confirmed it. An event whose confirmation did not come is published again, under the same id: it may then be
in the queue more than once, which is what consumers have to live with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import Any, Self

import pika
from attrs import define, field, frozen
from pika import exceptions
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from eventreplay.event import Event

CONFIRM_S_MAX = 30.0
"""How long a batch may take to be confirmed before its connection is given up."""

_WAIT_S = 0.2


@frozen
class Entry:
    """What was published under one id."""

    event_id: str
    sha256: str


@define
class Ledger:
    """The publisher's own account, by event id.

    Attributes:
        confirmed: the broker has taken them over: they must not be lost.
        unknown: published, and nothing was heard: they may be in the queue, or not.
        returned: the broker had no queue for them.
        published: messages sent, repetitions included.
    """

    confirmed: dict[str, Entry] = field(factory=dict)
    unknown: dict[str, Entry] = field(factory=dict)
    returned: dict[str, Entry] = field(factory=dict)
    published: int = 0


class PublisherError(Exception):
    """Events could not be published in time; the ledger says which."""


class Publisher:
    """Publishes events to an exchange, batch by batch, until the broker has confirmed them.

    Args:
        url: amqp:// URL.
        exchange, routing_key: where to; by default the queue named by `routing_key`.
        batch_rows_max: messages sent before their confirmations are awaited.
        patience_s: how long a batch is tried again over new connections, e.g. while a broker restarts.
        repeat: publish again what was not confirmed; False leaves it `unknown`.
    """

    def __init__(
        self,
        url: str,
        *,
        routing_key: str,
        exchange: str = "",
        batch_rows_max: int = 500,
        patience_s: float = 60.0,
        confirm_s_max: float = CONFIRM_S_MAX,
        repeat: bool = True,
    ) -> None:
        self.ledger = Ledger()
        self._parameters = pika.URLParameters(url)
        self._parameters.blocked_connection_timeout = confirm_s_max
        self._exchange = exchange
        self._routing_key = routing_key
        self._batch_rows_max = batch_rows_max
        self._patience_s = patience_s
        self._confirm_s_max = confirm_s_max
        self._repeat = repeat
        self._connection: Any = None
        self._channel: Any = None
        self._inner: Any = None
        self._answered: set[str] = set()
        self._open: dict[int, str] = {}
        self._next_tag = 1
        self.connections = 0

    def publish(self, events: Iterable[Event]) -> Ledger:
        """Publish all of `events`; returns when each is confirmed, returned, or (without `repeat`) unknown.

        Raises:
            PublisherError: some are still unconfirmed when `patience_s` is over.
        """
        batch: list[Event] = []
        for event in events:
            batch.append(event)
            if len(batch) == self._batch_rows_max:
                self._publish_batch(batch)
                batch = []
        if batch:
            self._publish_batch(batch)
        return self.ledger

    def _publish_batch(self, batch: list[Event]) -> None:
        due = {event.event_id: event for event in batch}
        for event in batch:
            self.ledger.unknown[event.event_id] = entry(event)
        retrying = Retrying(
            retry=retry_if_exception_type((exceptions.AMQPError, OSError)),
            stop=stop_after_delay(self._patience_s if self._repeat else 0),
            wait=wait_fixed(_WAIT_S),
            reraise=True,
        )
        try:
            retrying(self._attempt, due)
        except (exceptions.AMQPError, OSError) as error:
            self._drop()
            if self._repeat:
                raise PublisherError(
                    f"{len(due)} events were not confirmed in {self._patience_s} s ({type(error).__name__})."
                ) from error

    def _attempt(self, due: dict[str, Event]) -> None:
        """Send what is due and wait for the broker's word on it; `due` keeps what none came for."""
        try:
            if self._channel is None or not self._channel.is_open:
                self._connect()
            self._open = {}
            for event in due.values():
                self._open[self._next_tag] = event.event_id
                self._next_tag += 1
                self.ledger.published += 1
                self._send(event)
            until_s = monotonic() + self._confirm_s_max
            while self._open:
                if monotonic() >= until_s:
                    raise exceptions.AMQPHeartbeatTimeout("No confirmation.")
                self._connection.process_data_events(_WAIT_S)
                if not self._channel.is_open:
                    raise exceptions.ChannelWrongStateError("The channel was closed.")
                self._note(due)
            self._note(due)
        except (exceptions.AMQPError, OSError):
            self._note(due)
            self._drop()
            if due:
                raise

    def _note(self, due: dict[str, Event]) -> None:
        """Strike off what the broker has answered for."""
        open_ids = set(self._open.values())
        for event_id in [one for one in due if one in self._answered and one not in open_ids]:
            del due[event_id]
            known = self.ledger.unknown.pop(event_id, None)
            if known is not None and event_id not in self.ledger.returned:
                self.ledger.confirmed[event_id] = known

    def _connect(self) -> None:
        self._drop()
        self._connection = pika.BlockingConnection(self._parameters)
        self._channel = self._connection.channel()
        self._next_tag = 1
        self._answered = set()
        self.connections += 1
        # BlockingChannel waits for each confirmation in turn; the channel under it tells of all of them.
        inner = self._channel._impl  # noqa: SLF001
        inner.confirm_delivery(self._on_answer, callback=lambda _: None)
        inner.add_on_return_callback(self._on_returned)
        self._inner = inner

    def _send(self, event: Event) -> None:
        self._inner.basic_publish(
            self._exchange, self._routing_key, event.payload, properties(event), mandatory=True
        )

    def _on_answer(self, frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        tags = [one for one in self._open if one <= tag] if multiple else [tag]
        is_ack = isinstance(frame.method, pika.spec.Basic.Ack)
        for one in tags:
            event_id = self._open.pop(one, None)
            if event_id is not None and is_ack:
                self._answered.add(event_id)
        if not is_ack and not self._open:
            # Refused (a full queue): the batch is tried again as after a lost connection.
            self._channel.close()

    def _on_returned(self, _channel: Any, _method: Any, props: Any, _body: bytes) -> None:
        known = self.ledger.unknown.get(props.message_id)
        if known is not None:
            self.ledger.returned[props.message_id] = known

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        self._answered = set()
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (exceptions.AMQPError, OSError):
                return  # it was broken: that is why it is dropped

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def entry(event: Event) -> Entry:
    """What the ledger keeps of an event."""
    return Entry(event.event_id, hashlib.sha256(event.payload).hexdigest())


def properties(event: Event) -> pika.BasicProperties:
    """An event's attributes as properties and headers, as `RabbitSource` reads them by default.

    The moment travels as text in a header: the property `timestamp` has whole seconds only.
    """
    headers: dict[str, object] = dict(event.headers)
    headers |= {"occurred_at": _text(event.occurred_at)}
    headers |= {"stream_id": event.stream_id} if event.stream_id else {}
    headers |= {} if event.recorded_at is None else {"recorded_at": _text(event.recorded_at)}
    return pika.BasicProperties(
        message_id=event.event_id,
        type=event.event_type,
        app_id=event.source or None,
        content_type=event.content_type,
        headers=headers,
        delivery_mode=pika.DeliveryMode.Persistent.value,
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def missing(ledger: Mapping[str, Entry], found: Mapping[str, str]) -> list[str]:
    """Ids of `ledger` that are not in `found` (id to SHA-256 in hex) with the same payload."""
    return [event_id for event_id, one in ledger.items() if found.get(event_id) != one.sha256]
