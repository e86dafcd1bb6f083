"""The thread that talks to the broker: connects, consumes, sends heartbeats, connects again.

One `Link` is one consumer. Its thread runs pika's loop and puts deliveries into the splitter's store; the
thread of the capture takes them out. A connection that was lost is made again with growing waits; what it had
delivered and nobody had settled comes again by the new one. Delivery tags belong to a connection: tags of an
older one are ignored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from pika.adapters.select_connection import IOLoop
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from eventreplay.errors import EventReplayError, SourceError, SourceUnavailableError
from eventreplay.sources.rabbitmq.connection import LeanConnection
from eventreplay.sources.rabbitmq.failures import mapped
from eventreplay.sources.rabbitmq.frames import Chunk, Splitter
from eventreplay.sources.rabbitmq.parameters import parameters
from eventreplay.sources.rabbitmq.settings import RabbitSettings

STABLE_S = 60.0
"""A connection that lived so long, or settled something, was good: attempts are counted from one again."""

CLOSE_S_MAX = 5.0
"""How long closing waits for the broker to confirm it; acknowledgements sent before are then in its hands."""

ATTACH_TIMES = 2
"""Of `connect_timeout_s`: how long it may take until the broker has accepted the consumer."""

_WAIT_FIRST_S = 0.2


class Link:
    """One consumer's connection, with its own thread.

    Args:
        settings: of the consumer.
        arguments: called before each attach for the consumer's arguments (a stream's offset).
    """

    def __init__(self, settings: RabbitSettings, arguments: Callable[[], dict[str, object]]) -> None:
        self._settings = settings
        self._arguments = arguments
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._session = 0
        self._splitter: Splitter | None = None
        self._connection: LeanConnection | None = None
        self._channel: Any = None
        self._loop: IOLoop | None = None
        self._attached = False
        self._attached_at_s = 0.0
        self._settled = False
        self._wanted_rows = 1
        self._since_s = 0.0
        self._lost: EventReplayError | None = None
        self._failure: EventReplayError | None = None
        self._thread = threading.Thread(target=self._run, name="eventreplay-rabbitmq", daemon=True)
        self.sessions_lost = 0

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._thread.start()

    @property
    def attached(self) -> bool:
        """Whether the broker has accepted the consumer and the connection stands."""
        return self._attached

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come that was not taken, not even a part of a message."""
        splitter = self._splitter
        return splitter is not None and splitter.bytes_held == 0

    def attached_s(self) -> float:
        """Seconds since the broker accepted the consumer; 0 while it does not stand."""
        return monotonic() - self._attached_at_s if self._attached else 0.0

    def take(self, rows_max: int, timeout_s: float) -> tuple[int, Chunk] | None:
        """Deliveries of one connection, with its number; None after `timeout_s` without one.

        Waits up to `linger_s` of that for a fuller batch.

        Raises:
            EventReplayError: the thread has given up; what came before that was handed out before.
        """
        until_s = monotonic() + timeout_s
        with self._changed:
            self._wanted_rows = 1
            self._changed.wait_for(lambda: self._rows() > 0 or self._failure is not None, timeout_s)
            if self._rows() == 0:
                if self._failure is not None:
                    raise self._failure
                return None
            linger_s = min(self._settings.linger_s, until_s - monotonic())
            if linger_s > 0:
                self._wanted_rows = rows_max
                self._changed.wait_for(lambda: not 0 < self._rows() < rows_max or self._is_full(), linger_s)
            splitter = self._splitter
            if splitter is None or splitter.rows == 0:
                return None
            chunk = splitter.take(rows_max)
            session, loop, connection = self._session, self._loop, self._connection
        if loop is not None and connection is not None:
            loop.add_callback_threadsafe(connection.resume)
        return session, chunk

    def settle(self, session: int, acknowledge: Callable[[Any], None]) -> None:
        """Run `acknowledge` with the channel on its thread, if `session` is still the current one."""
        with self._changed:
            loop = self._loop
            if loop is None or session != self._session or not self._attached:
                return
        loop.add_callback_threadsafe(lambda: self._acknowledge(session, acknowledge))

    def close(self) -> None:
        """End the thread, after what was asked of it before. Idempotent."""
        self._stopping.set()
        with self._changed:
            loop = self._loop
        if loop is not None:
            loop.add_callback_threadsafe(self._say_goodbye)
        if self._thread.is_alive():
            self._thread.join(CLOSE_S_MAX)
        if self._thread.is_alive() and loop is not None:
            loop.add_callback_threadsafe(loop.stop)
            self._thread.join(CLOSE_S_MAX)

    # ---------------------------------------------------------------- on the caller's thread, lock held
    def _rows(self) -> int:
        return 0 if self._splitter is None else self._splitter.rows

    def _is_full(self) -> bool:
        # Without a whole message there is nothing to wait for: one larger than the buffer has to come first.
        splitter = self._splitter
        return (
            splitter is not None
            and splitter.rows > 0
            and splitter.bytes_held >= self._settings.buffer_bytes_max
        )

    # ---------------------------------------------------------------- on the link's own thread
    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._until_it_held()
        except EventReplayError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 - a silent thread would be an idle consumer
            failure = SourceError(
                f"The thread of queue {self._settings.queue!r} ended by {type(error).__name__}.",
                hint="This is a defect of eventreplay: please report it.",
            )
            failure.__cause__ = error
            self._give_up(failure)

    def _give_up(self, error: EventReplayError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _until_it_held(self) -> None:
        """Attempts, with growing waits, until a connection was good; then they are counted anew."""
        settings = self._settings
        retrying = Retrying(
            retry=retry_if_exception_type(SourceUnavailableError),
            stop=lambda state: self._stopping.is_set() or stop_after_attempt(settings.attempts_max)(state),
            wait=wait_exponential(multiplier=_WAIT_FIRST_S, max=settings.wait_max_s)
            + wait_random(0, _WAIT_FIRST_S),
            sleep=self._sleep,
            retry_error_callback=self._no_more,
        )
        retrying(self._one_connection)

    def _no_more(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, EventReplayError) and not self._stopping.is_set():
            raise error

    def _one_connection(self) -> None:
        """Connect, consume until it is lost. Returns if that was a good connection.

        Raises:
            SourceUnavailableError: it was not, or it could not be made.
            SourceError: trying again is no use.
        """
        if self._stopping.is_set():
            return
        loop = IOLoop()
        self._lost, self._settled, self._since_s = None, False, monotonic()
        connection = LeanConnection(
            parameters(self._settings),
            on_open=self._on_open,
            on_failed=self._on_ended,
            on_closed=self._on_ended,
            loop=loop,
        )
        with self._changed:
            self._loop = loop
        if self._stopping.is_set():
            loop.add_callback_threadsafe(self._say_goodbye)
        self._connection = connection
        loop.call_later(ATTACH_TIMES * self._settings.connect_timeout_s, self._attach_or_lose)
        try:
            loop.start()
        finally:
            connection.abandon()
            was_good = self._attached and (self._settled or monotonic() - self._since_s >= STABLE_S)
            self._detach()
            loop.close()
        lost = self._loss()
        if lost is not None and not self._stopping.is_set() and not (was_good and lost.retryable):
            raise lost

    def _loss(self) -> EventReplayError | None:
        """Why the last connection ended, as its callbacks noted it."""
        return self._lost

    def _sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _detach(self) -> None:
        """What was delivered and not taken is forgotten: the broker delivers it again."""
        with self._changed:
            self.sessions_lost += self._attached
            self._attached = False
            self._session += 1
            self._loop = self._connection = self._channel = self._splitter = None
            self._changed.notify_all()

    def _attach_or_lose(self) -> None:
        """A broker may accept a connection and then answer nothing, e.g. for a queue without a leader."""
        if not self._attached:
            self._lose(
                SourceUnavailableError(
                    f"RabbitMQ did not accept a consumer of queue {self._settings.queue!r} in time.",
                    hint="Has the queue a leader? rabbitmq-queues quorum_status QUEUE.",
                    queue=self._settings.queue,
                )
            )

    def _on_open(self, connection: LeanConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(self._on_cancelled)
        channel.basic_qos(prefetch_count=self._settings.prefetch, callback=lambda _: self._consume(channel))

    def _consume(self, channel: Any) -> None:
        connection = channel.connection
        self._splitter = connection.divert(
            channel.channel_number,
            message_bytes_max=self._settings.message_bytes_max,
            received=self._on_received,
        )
        channel.basic_consume(
            self._settings.queue,
            on_message_callback=_never,
            auto_ack=False,
            arguments=self._arguments(),
            callback=self._on_consuming,
        )

    def _on_consuming(self, _frame: Any) -> None:
        with self._changed:
            self._attached, self._attached_at_s = True, monotonic()
            self._changed.notify_all()

    def _on_received(self) -> bool:
        with self._changed:
            is_full = self._is_full()
            # Waking the other thread for each of many reads would cost more than the reads.
            if is_full or self._rows() >= self._wanted_rows:
                self._changed.notify_all()
            return not is_full

    def _on_cancelled(self, _frame: Any) -> None:
        self._lose(
            SourceUnavailableError(
                f"RabbitMQ cancelled the consumer of queue {self._settings.queue!r}.",
                hint="The queue was deleted, or its node failed: declare it again, or wait.",
                queue=self._settings.queue,
            )
        )

    def _on_channel_closed(self, _channel: Any, reason: BaseException) -> None:
        self._lose(mapped(reason, self._settings, was_attached=self._attached or self.sessions_lost > 0))

    def _on_ended(self, _connection: Any, reason: BaseException) -> None:
        if self._lost is None:
            self._lost = mapped(reason, self._settings, was_attached=self._attached)
        if self._loop is not None:
            self._loop.stop()

    def _lose(self, error: EventReplayError) -> None:
        """Give the connection up for a reason of its own; a fresh one is cheaper than a repaired one."""
        if self._lost is None:
            self._lost = error
        connection = self._connection
        if connection is not None and not (connection.is_closing or connection.is_closed):
            connection.close()
        if self._loop is not None:
            self._loop.call_later(CLOSE_S_MAX, self._loop.stop)  # who does not answer is not waited for

    def _acknowledge(self, session: int, acknowledge: Callable[[Any], None]) -> None:
        if session == self._session and self._channel is not None and self._channel.is_open:
            acknowledge(self._channel)
            self._settled = True

    def _say_goodbye(self) -> None:
        connection = self._connection
        if connection is None or connection.is_closed:
            if self._loop is not None:
                self._loop.stop()
        elif not connection.is_closing:
            connection.close()


def _never(*_: object) -> None:
    raise AssertionError("A delivery reached the driver.")
