"""Deliveries out of the byte stream of a connection, many at a time; everything else goes to the driver.

A delivery is three or more frames (AMQP 0-9-1, sections 2.3.5 and 4.2): the method, the content header, and
the body in pieces of at most `frame_max`. `Splitter` walks over whole deliveries whose body is one frame,
which is what a queue is full of, touching each frame's first bytes only. Whatever is not that (the rest of a
read, a frame of another channel in between, a body in pieces, no body at all) is taken a frame at a time.
Either way a delivery ends up in the store in one form: method frame, header frame, body frame.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Callable

from attrs import define, field, frozen

FRAME_METHOD, FRAME_HEADER, FRAME_BODY = 1, 2, 3
FRAME_OVERHEAD_BYTES = 8
"""Type, channel and size before a frame's content, and the end mark behind it."""

_FRAME_END = 0xCE
_BASIC_DELIVER = 60 << 16 | 60
_CHANNEL_CLOSE = 20 << 16 | 40
_FRAME = struct.Struct(">BHI")
_METHOD = struct.Struct(">BHII")
_HEADER = struct.Struct(">BHIIQ")
_BODY_SIZE_AT = 11


class FrameError(Exception):
    """The stream is not what the protocol allows; the connection has to be given up."""


@frozen
class Oversized:
    """A message above the bound: it was counted and hashed, not kept."""

    bytes_received: int
    sha256: str


@frozen
class Chunk:
    """Whole deliveries in the order they came.

    Attributes:
        data: frames, normalised: of each delivery the method, the header and, unless it is empty, one body
            frame; nothing else.
        starts: where each delivery begins in `data`.
        oversized: by row, messages whose body is not in `data`.
    """

    data: bytearray
    starts: list[int]
    oversized: dict[int, Oversized]

    @property
    def rows(self) -> int:
        """Deliveries in it."""
        return len(self.starts)


@define
class _Content:
    """A delivery whose frames have not all come."""

    method: bytes
    header: bytes = b""
    body_bytes: int = 0
    received: int = 0
    body: bytearray = field(factory=bytearray)
    hashing: hashlib._Hash | None = None


class Splitter:
    """Takes what was read from a connection; keeps deliveries, hands every other frame on.

    One thread feeds, another takes: the store and the places in it change together, under a lock.

    Args:
        other: called with each whole frame that is no part of a delivery to `channel`.
        channel: number of the channel that consumes.
        frame_bytes_max: longest frame the broker may send, with its overhead.
        message_bytes_max: bodies above this are not kept, see `Oversized`.
    """

    def __init__(
        self,
        other: Callable[[bytes], None],
        *,
        channel: int,
        frame_bytes_max: int,
        message_bytes_max: int,
    ) -> None:
        self._other = other
        self._channel = channel
        self._frame_bytes_max = frame_bytes_max
        self._message_bytes_max = message_bytes_max
        self._rest = b""
        self._content: _Content | None = None
        self._lock = threading.Lock()
        self._store = bytearray()
        self._starts: list[int] = []
        self._oversized: dict[int, Oversized] = {}

    @property
    def rows(self) -> int:
        """Deliveries in the store."""
        return len(self._starts)

    @property
    def bytes_held(self) -> int:
        """Bytes in the store and of what is still incomplete."""
        return len(self._store) + len(self._rest) + (0 if self._content is None else self._content.received)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream.

        Raises:
            FrameError: they break the protocol.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        while at < end:
            if self._content is None:
                at = self._walk(data, at)
            length = self._frame_length(data, at)
            if length is None:
                self._rest = data[at:]
                return
            self._take(data[at : at + length])
            at += length

    def take(self, rows_max: int) -> Chunk:
        """Remove up to `rows_max` deliveries from the front of the store."""
        with self._lock:
            return self._taken(rows_max)

    def _taken(self, rows_max: int) -> Chunk:
        if len(self._starts) <= rows_max:
            chunk = Chunk(self._store, self._starts, self._oversized)
            self._store, self._starts, self._oversized = bytearray(), [], {}
            return chunk
        cut = self._starts[rows_max]
        oversized = {row: big for row, big in self._oversized.items() if row < rows_max}
        chunk = Chunk(self._store[:cut], self._starts[:rows_max], oversized)
        del self._store[:cut]
        self._starts = [start - cut for start in self._starts[rows_max:]]
        self._oversized = {
            row - rows_max: big for row, big in self._oversized.items() if row not in oversized
        }
        return chunk

    def _walk(self, data: bytes, begin: int) -> int:
        """Store the run of whole, plain deliveries at `begin`; the place behind it.

        The one loop that runs per message: three fixed-size reads and no object but the place itself.
        """
        method, header, frame = _METHOD.unpack_from, _HEADER.unpack_from, _FRAME.unpack_from
        channel, at = self._channel, begin
        found: list[int] = []
        append = found.append
        size_max = self._frame_bytes_max - FRAME_OVERHEAD_BYTES
        body_max = self._message_bytes_max
        try:
            while True:
                kind, number, size, name = method(data, at)
                if name != _BASIC_DELIVER or kind != FRAME_METHOD or number != channel or size > size_max:
                    break
                header_at = at + size + 8
                kind, number, size, _, body = header(data, header_at)
                if kind != FRAME_HEADER or number != channel or data[header_at - 1] != _FRAME_END:
                    break
                body_at = header_at + size + 8
                kind, number, body_size = frame(data, body_at)
                if body_size != body or kind != FRAME_BODY or number != channel or size > size_max:
                    break
                behind = body_at + body + 8
                if (
                    data[behind - 1] != _FRAME_END
                    or data[body_at - 1] != _FRAME_END
                    or body > body_max
                    or body > size_max
                ):
                    break
                append(at)
                at = behind
        except (struct.error, IndexError):
            pass  # the last delivery is not whole: it is taken a frame at a time
        if found:
            with self._lock:
                shift = len(self._store) - begin
                self._starts.extend([place + shift for place in found] if shift else found)
                self._store += memoryview(data)[begin:at]
        return at

    def _frame_length(self, data: bytes, at: int) -> int | None:
        """Length of the whole frame at `at`, or None if it has not come whole."""
        if len(data) - at < _FRAME.size:
            return None
        size = _FRAME.unpack_from(data, at)[2]
        if size > self._frame_bytes_max - FRAME_OVERHEAD_BYTES:
            raise FrameError(f"A frame of {size} bytes, though {self._frame_bytes_max} were agreed upon.")
        length = int(size) + FRAME_OVERHEAD_BYTES
        if len(data) - at < length:
            return None
        if data[at + length - 1] != _FRAME_END:
            raise FrameError("A frame does not end where it says.")
        return length

    def _take(self, frame: bytes) -> None:
        """One whole frame, whatever it is."""
        kind, channel, size = _FRAME.unpack_from(frame)
        if channel != self._channel:
            self._other(frame)
        elif kind == FRAME_METHOD and size >= 4:  # noqa: PLR2004 - class and method
            self._take_method(frame)
        elif self._content is None:
            # Content of a method that is not ours, e.g. a returned message.
            self._other(frame)
        elif kind == FRAME_HEADER:
            self._take_header(self._content, frame)
        elif kind == FRAME_BODY:
            self._take_body(self._content, frame)
        else:
            raise FrameError(f"A frame of type {kind} within a delivery.")

    def _take_method(self, frame: bytes) -> None:
        name = _METHOD.unpack_from(frame)[3]
        if self._content is not None and name != _CHANNEL_CLOSE:
            raise FrameError("A method within a delivery.")
        self._content = None
        if name == _BASIC_DELIVER:
            self._content = _Content(frame)
        else:
            self._other(frame)

    def _take_header(self, content: _Content, frame: bytes) -> None:
        if content.header or len(frame) < _HEADER.size + 3:  # two bytes of flags and the end mark
            raise FrameError("A content header where none may be.")
        content.header = frame
        content.body_bytes = _HEADER.unpack_from(frame)[4]
        if content.body_bytes > self._message_bytes_max:
            content.hashing = hashlib.sha256()
        if content.body_bytes == 0:
            self._finish(content)

    def _take_body(self, content: _Content, frame: bytes) -> None:
        piece = memoryview(frame)[_FRAME.size : -1]
        content.received += len(piece)
        if not content.header or content.received > content.body_bytes:
            raise FrameError("More of a body than was announced.")
        if content.hashing is None:
            content.body += piece
        else:
            content.hashing.update(piece)
        if content.received == content.body_bytes:
            self._finish(content)

    def _finish(self, content: _Content) -> None:
        self._content = None
        with self._lock:
            if content.hashing is not None:
                self._oversized[len(self._starts)] = Oversized(content.received, content.hashing.hexdigest())
            self._starts.append(len(self._store))
            self._store += content.method
            self._store += content.header
            if content.body:
                self._store += _FRAME.pack(FRAME_BODY, self._channel, len(content.body))
                self._store += content.body
                self._store.append(_FRAME_END)
