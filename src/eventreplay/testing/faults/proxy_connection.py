"""One connection through a proxy: two pumps, each with a bounded buffer, under a rule that may change."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from eventreplay.testing.faults.proxy_rule import Direction, Noted, Rule

CHUNK_BYTES = 16 * 1024
BUFFERED_CHUNKS_MAX = 64
"""Per direction: at most 1 MiB waits for its time; then the sender is not read from."""

TRICKLES_PER_S = 50
CONNECT_S_MAX = 10

_RESET = struct.pack("ii", 1, 0)

Note = Callable[[Noted], None]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connection:
    """One accepted connection; lives on the proxy's event loop, only `Proxy` touches it.

    Args:
        number: from 1.
        rule: what happens to its bytes.
        note: told of everything that was done.
    """

    def __init__(self, number: int, rule: Rule, note: Note) -> None:
        self.number = number
        self.rule = rule
        self._note = note
        self._client: asyncio.StreamWriter | None = None
        self._server: asyncio.StreamWriter | None = None
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._cut_left = rule.cut_after
        self._seen: set[tuple[str, Direction]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def set(self, rule: Rule) -> None:
        """Another rule from now on; bytes until a cut are counted from here."""
        self.rule = rule
        self._cut_left = rule.cut_after
        self._seen.clear()
        self._changed.set()
        self._changed = asyncio.Event()
        self._say("rule")

    async def run(self, client: Stream, host: str, port: int) -> None:
        """Pass bytes until both sides have ended, or a fault ends them."""
        self._client = client[1]
        while not self.rule.connect:
            self._say_once("stalled", "up")
            if await self._until_changed():
                return
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                server = await asyncio.open_connection(host, port, limit=CHUNK_BYTES)
        except OSError:
            self._say("unreachable")
            self.reset()
            return
        self._server = server[1]
        if self._over.is_set():
            # Reset while it connected: the side that was not there yet goes now.
            _abort(server[1])
            return
        self._say("connected")
        self._tasks = [
            asyncio.ensure_future(self._pump("up", client[0], server[1])),
            asyncio.ensure_future(self._pump("down", server[0], client[1])),
        ]
        over: asyncio.Future[Any] = asyncio.ensure_future(self._over.wait())
        both: asyncio.Future[Any] = asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.wait([over, both], return_when="FIRST_COMPLETED")
        finally:
            over.cancel()
        if not self._over.is_set():
            self._say("ended")
            self._finish()

    def reset(self) -> None:
        """RST to both sides, now."""
        if self._over.is_set():
            return
        for writer in (self._client, self._server):
            if writer is not None:
                _abort(writer)
        self._say("reset")
        self._finish()

    def close(self) -> None:
        """An orderly end to both sides, now."""
        if self._over.is_set():
            return
        self._say("closed")
        self._finish()

    def _finish(self) -> None:
        self._over.set()
        for task in self._tasks:
            task.cancel()
        for writer in (self._client, self._server):
            if writer is not None:
                writer.close()

    async def _pump(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read, wait for each chunk's time, write; two tasks, so that a delay does not cost throughput."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(BUFFERED_CHUNKS_MAX)
        reading = asyncio.ensure_future(self._read(direction, reader, queue))
        try:
            await self._write(direction, writer, queue)
        finally:
            reading.cancel()

    async def _read(
        self, direction: Direction, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await self._while_stalled(direction)
            try:
                data = await reader.read(CHUNK_BYTES)
            except ConnectionError:
                # One side reset it: so does the proxy to the other.
                self.reset()
                return
            await queue.put((now(), data))
            if not data:
                return

    async def _write(
        self, direction: Direction, writer: asyncio.StreamWriter, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        while True:
            arrived, data = await queue.get()
            await self._late(direction, arrived)
            # Asked again here: what was read before the rule came has not been passed on yet.
            await self._while_stalled(direction)
            if direction in self.rule.drop:
                self._say("dropped", direction, len(data))
                if data:
                    continue
                # The other side must not learn of the end either, until the rule or the connection ends.
                while direction in self.rule.drop:
                    if await self._until_changed():
                        return
            if not data:
                if writer.can_write_eof():
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                return
            try:
                if not await self._pass(direction, writer, data):
                    return
            except ConnectionError:
                self.reset()
                return

    async def _pass(self, direction: Direction, writer: asyncio.StreamWriter, data: bytes) -> bool:
        """Write a chunk at the rule's speed; False when the connection was cut in it."""
        while data:
            speed = self.rule.bytes_per_s
            size = len(data) if speed is None else max(1, speed // TRICKLES_PER_S)
            piece, data = data[:size], data[size:]
            cuts = self._cut_left is not None and direction == self.rule.cut_direction
            if cuts and self._cut_left is not None:
                piece = piece[: self._cut_left]
                self._cut_left -= len(piece)
            if piece:
                writer.write(piece)
                await writer.drain()
                self._say("passed", direction, len(piece))
            if cuts and self._cut_left == 0:
                await self._end_by_cut(direction)
                return False
            if speed is not None:
                self._say_once("trickled", direction)
                await self._wait(len(piece) / speed)
        return True

    async def _end_by_cut(self, direction: Direction) -> None:
        self._say("cut", direction)
        if self.rule.cut == "close":
            self.close()
        else:
            self.reset()

    async def _late(self, direction: Direction, arrived: float) -> None:
        if self.rule.latency_s:
            self._say_once("delayed", direction)
            await self._wait(arrived + self.rule.latency_s - asyncio.get_running_loop().time())

    async def _while_stalled(self, direction: Direction) -> None:
        while direction in self.rule.stall:
            self._say_once("stalled", direction)
            if await self._until_changed():
                return

    async def _until_changed(self) -> bool:
        """Wait for another rule, or for the end: whether it is the end."""
        changed = asyncio.ensure_future(self._changed.wait())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait([changed, over], return_when="FIRST_COMPLETED")
        finally:
            changed.cancel()
            over.cancel()
        return self._over.is_set()

    async def _wait(self, seconds: float) -> None:
        """Let time pass, unless the connection ends meanwhile."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._over.wait()

    def _say(self, kind: str, direction: Direction | None = None, size: int = 0) -> None:
        self._note(Noted(number=self.number, kind=kind, direction=direction, bytes=size))

    def _say_once(self, kind: str, direction: Direction) -> None:
        """Once for each rule: a slow connection would fill the log with its slowness."""
        if (kind, direction) not in self._seen:
            self._seen.add((kind, direction))
            self._say(kind, direction)


def _abort(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
