"""pika's connection, with deliveries taken out of its byte stream before it looks at them.

pika does what is done once: connecting, TLS, the handshake, heartbeats, channel methods, closing. It spends
about 11 microseconds of Python on each delivery; here a delivery costs a tenth of that, because its frames
go to `Splitter` and never become objects. Every other frame reaches pika as it came.

Three places of pika that are not public are used, each guarded by a test: `_on_data_available` and
`bytes_received` of the connection, and the reader callback of its transport.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.select_connection import IOLoop, SelectConnection

from eventreplay.sources.rabbitmq.frames import Splitter

# The driver logs every lost connection as an error. Where nobody has set up logging, that is not for the
# screen: what matters of it is raised. Where somebody has, it still arrives there.
logging.getLogger("pika").addHandler(logging.NullHandler())

READ_BYTES_MAX = 256 * 1024
"""Bytes of one read from the socket; pika's own 4 KiB cost a system call for every ten messages."""

REST_BYTES = 32 * 1024
"""After fewer bytes at a time the socket is left alone for `REST_S`, so that more can gather.

A broker that delivers more slowly than we read would wake this thread for every few messages; where both
share a machine, the broker lacks that time. It is a hundredth of the age at which a segment is closed.
"""

REST_S = 0.004

_PAUSE_TICK_S = 0.5


class LeanConnection(SelectConnection):  # type: ignore[misc] # the driver ships no types
    """A connection on which one channel's deliveries go to a `Splitter`.

    Args:
        parameters: where to connect and how.
        on_open, on_failed, on_closed: as pika calls them.
        loop: the event loop of the thread that owns this connection.
    """

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        *,
        on_open: Callable[[Any], None],
        on_failed: Callable[[Any, BaseException], None],
        on_closed: Callable[[Any, BaseException], None],
        loop: IOLoop,
    ) -> None:
        self._splitter: Splitter | None = None
        self._received: Callable[[], bool] | None = None
        self._gate: _Gate | None = None
        super().__init__(parameters, on_open, on_failed, on_closed, custom_ioloop=loop)

    def divert(self, channel: int, *, message_bytes_max: int, received: Callable[[], bool]) -> Splitter:
        """From now on, deliveries to `channel` go to the splitter that is returned.

        Args:
            channel: its number.
            message_bytes_max: see `Splitter`.
            received: called after each read; says whether there is room for more.
        """
        self._splitter = Splitter(
            super()._on_data_available,
            channel=channel,
            frame_bytes_max=self.params.frame_max,
            message_bytes_max=message_bytes_max,
        )
        self._received = received
        return self._splitter

    def resume(self) -> None:
        """There is room again: read on. Only on the loop's thread."""
        if self._gate is not None:
            self._gate.open()

    def abandon(self) -> None:
        """Close the socket, if it is still open; the loop has ended and will not."""
        if self._gate is not None:
            self._gate.abandon()

    def _on_data_available(self, data_in: bytes) -> None:
        if self._splitter is None or self._received is None:
            super()._on_data_available(data_in)
            return
        # What is no whole frame yet is a sign of life too; the heartbeat checker looks at this number.
        self.bytes_received += len(data_in)
        self._splitter.feed(data_in)
        if not self._received() and self._gate is not None:
            self._gate.shut()
            self._stay_alive()

    def _has_read_little(self, read: Callable[[], None]) -> bool:
        """Read; whether so little came that the next read can wait."""
        before = self.bytes_received
        read()
        return self._splitter is not None and 0 < self.bytes_received - before < REST_BYTES

    def _stay_alive(self) -> None:
        """While we do not read, silence is ours and not the broker's."""
        if self._gate is not None and self._gate.is_shut and self.is_open:
            self.bytes_received += 1
            self._adapter_call_later(_PAUSE_TICK_S, self._stay_alive)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = READ_BYTES_MAX  # noqa: SLF001
        transport._MAX_CONSUME_BYTES = READ_BYTES_MAX  # noqa: SLF001
        self._gate = _Gate(transport, self._has_read_little)
        super()._proto_connection_made(transport)


class _Gate:
    """Whether a transport reads its socket. Shut, the socket fills, and the broker waits.

    `has_read_little` is given what reads, and says whether the next read can wait for `REST_S`.
    """

    def __init__(self, transport: Any, has_read_little: Callable[[Callable[[], None]], bool]) -> None:
        self._has_read_little = has_read_little
        self._rests = False
        self._socket = transport._sock  # noqa: SLF001
        self._loop = transport._nbio  # noqa: SLF001
        self._read = transport._on_socket_readable  # noqa: SLF001
        self.is_shut = False
        # The transport registers this callback again by its name: the attribute is what it finds.
        transport._on_socket_readable = self._readable  # noqa: SLF001
        self._loop.set_reader(self._socket.fileno(), self._readable)

    def shut(self) -> None:
        self.is_shut = True

    def open(self) -> None:
        if self.is_shut:
            self.is_shut = False
            self._go_on()

    def _wake(self) -> None:
        self._rests = False
        self._go_on()

    def _go_on(self) -> None:
        if not self.is_shut and not self._rests and self._socket.fileno() >= 0:
            self._loop.set_reader(self._socket.fileno(), self._readable)
            self._readable()  # TLS may hold bytes that make no socket readable

    def abandon(self) -> None:
        self._socket.close()

    def _readable(self) -> None:
        if not self.is_shut and not self._rests:
            self._rests = self._has_read_little(self._read)
            if self._rests:
                self._loop.call_later(REST_S, self._wake)
        if (self.is_shut or self._rests) and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
