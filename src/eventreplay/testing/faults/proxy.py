"""A TCP proxy that breaks connections on order: late, slow, silent, one-sided, cut, reset, refused.

It stands between a client and a server on the loopback and runs on a thread of its own. What it is told is in
force when the call returns. It counts what it did and keeps a log, so that a test can prove that the fault
fired; a test whose fault never fired has shown nothing.

    with Proxy("127.0.0.1", server.port) as proxy:
        client = connect(port=proxy.port)
        proxy.cut_after(100, "down")        # the 101st byte of the answer is the end of the connection
        ...
        proxy.wait_for("cut")
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from attrs import evolve

from eventreplay.errors import EventReplayError
from eventreplay.testing.faults.proxy_connection import CHUNK_BYTES, Connection, Stream
from eventreplay.testing.faults.proxy_rule import PASS, Direction, Noted, Rule, directions

HOST = "127.0.0.1"
LOG_EVENTS_MAX = 10_000
"""The oldest are forgotten; the counters are not."""

ORDER_S_MAX = 10
WAIT_S_MAX = 30

T = TypeVar("T")


class FaultNotSeenError(EventReplayError):
    """A fault that a test waits for did not happen. Fields: `kind`, `counts`."""


_LOOK_S = 0.01
_CLOSING_TURNS = 5
"""Turns of the loop from an aborted socket to its end; it takes two."""


class Proxy:
    """A proxy in front of one server; a context manager.

    Args:
        upstream_host: the server's.
        upstream_port: the server's.
        port: to listen on; 0: a free one.

    Attributes:
        host: where it listens: the loopback.
        port: the same for its whole life, also while it refuses.
    """

    host = HOST

    def __init__(self, upstream_host: str, upstream_port: int, *, port: int = 0) -> None:
        self.port = port
        self._upstream = (upstream_host, upstream_port)
        self._rule = PASS
        self._next: deque[Rule] = deque()
        self._open: dict[int, Connection] = {}
        self._accepted = 0
        self._listening: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._told = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._log: deque[Noted] = deque(maxlen=LOG_EVENTS_MAX)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._do(self._listen())
        except BaseException:
            # Ctrl-C too: the thread would go on.
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Reset what is open, stop listening, end the thread; again is nothing."""
        if self._thread.is_alive():
            self._do(self._end())
            self._stop()

    # ------------------------------------------------------------------------------------------ orders
    def set(self, rule: Rule) -> None:
        """For all connections, those that are open and those to come."""
        self._do(self._set(rule))

    def set_next(self, *rules: Rule) -> None:
        """For the next connections, one each; those after them get the rule of all again."""
        self._do(self._set_next(rules))

    def set_one(self, number: int, rule: Rule) -> None:
        """For one open connection; they are numbered from 1 as they are accepted.

        Raises:
            KeyError: it is not open.
        """
        self._do(self._set_one(number, rule))

    def heal(self) -> None:
        """Bytes pass again, on every connection; what was dropped or reset stays so. Listens again."""
        self._do(self._heal())

    def latency(self, seconds: float) -> None:
        """Every byte arrives so much later."""
        self.set(evolve(self._rule, latency_s=seconds))

    def trickle(self, bytes_per_s: int) -> None:
        """No faster than this, in each direction of each connection."""
        self.set(evolve(self._rule, bytes_per_s=bytes_per_s))

    def drop(self, direction: Literal["up", "down", "both"]) -> None:
        """Throw away what comes in a direction: requests that never arrive, answers that are lost."""
        self.set(evolve(self._rule, drop=directions(direction)))

    def half_open(self, direction: Literal["up", "down", "both"] = "both") -> None:
        """Silence: open connections stay open and nothing moves; new ones are accepted into silence."""
        self.set(evolve(self._rule, stall=directions(direction), connect=direction != "both"))

    def cut_after(
        self,
        count: int,
        direction: Direction,
        how: Literal["reset", "close"] = "reset",
        *,
        every: bool = False,
    ) -> None:
        """End the connection once `count` more bytes have passed in a direction; the next ones live.

        Args:
            count: 0 ends it at the next byte.
            direction: whose bytes are counted.
            how: with a RST, or in order.
            every: cut all that come later too.
        """
        cut = evolve(self._rule, cut_after=count, cut_direction=direction, cut=how)
        self._do(self._cut(cut, every=every))

    def pause(self) -> None:
        """Stand still, in both directions; the same as `half_open`, to be undone by `resume`."""
        self.half_open("both")

    def resume(self) -> None:
        """Go on after `pause`: nothing was lost."""
        self.set(evolve(self._rule, stall=frozenset(), connect=True))

    def refuse(self) -> None:
        """Refuse new connections (the port is closed); open ones go on."""
        self._do(self._refuse())

    def accept(self) -> None:
        """Take new connections again."""
        self._do(self._listen())

    def reset_all(self) -> int:
        """RST on every open connection, to both sides; how many there were."""
        return self._do(self._each(Connection.reset))

    def close_all(self) -> int:
        """An orderly end of every open connection, to both sides; how many there were."""
        return self._do(self._each(Connection.close))

    def retarget(self, upstream_host: str, upstream_port: int) -> None:
        """New connections go to another server, as after a failover."""
        self._upstream = (upstream_host, upstream_port)

    # ------------------------------------------------------------------------------------------ proof
    def count(self, kind: str) -> int:
        """How often something was done; see `Noted.kind`."""
        with self._told:
            return self._counts[kind]

    def bytes(self, kind: Literal["passed", "dropped"], direction: Direction) -> int:
        """How many bytes were passed on or thrown away."""
        with self._told:
            return self._bytes[f"{kind} {direction}"]

    @property
    def log(self) -> list[Noted]:
        """What was done, in order; the last `LOG_EVENTS_MAX`, without bytes that simply passed."""
        with self._told:
            return list(self._log)

    @property
    def open_connections(self) -> list[int]:
        """Numbers of the connections that are open now."""
        return self._do(self._numbers())

    def wait_for(self, kind: str, times: int = 1, seconds: float = WAIT_S_MAX) -> None:
        """Wait until something has been done so often, since the proxy began.

        Raises:
            FaultNotSeenError: it was not, in that time.
        """
        with self._told:
            if not self._told.wait_for(lambda: self._counts[kind] >= times, seconds):
                raise FaultNotSeenError(
                    f"{kind!r} happened {self._counts[kind]} times within {seconds:.0f} s, not {times}.",
                    hint="The connection may not have carried what the fault waits for.",
                    kind=kind,
                    counts=dict(self._counts),
                )

    # ------------------------------------------------------------------------------------------ on the loop
    async def _listen(self) -> None:
        if self._listening is None:
            # Not asyncio's server: closed while it accepts, it loses the socket it has just accepted.
            self._listening = socket.create_server((HOST, self.port))
            self._listening.settimeout(0)
            self.port = self._listening.getsockname()[1]
            self._loop.add_reader(self._listening, self._accept, self._listening)
            self._note(Noted(number=0, kind="listening"))

    async def _refuse(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
            self._note(Noted(number=0, kind="refusing"))

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionError):
            return  # its client has gone again
        task = self._loop.create_task(self._serve(accepted))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        stream: Stream = await asyncio.open_connection(sock=accepted, limit=CHUNK_BYTES)
        self._accepted += 1
        rule = self._next.popleft() if self._next else self._rule
        connection = Connection(self._accepted, rule, self._note)
        self._open[connection.number] = connection
        self._note(Noted(number=connection.number, kind="accepted"))
        try:
            await connection.run(stream, *self._upstream)
        finally:
            connection.close()
            del self._open[connection.number]

    async def _set(self, rule: Rule) -> None:
        self._rule = rule
        for connection in self._open.values():
            connection.set(rule)

    async def _set_next(self, rules: tuple[Rule, ...]) -> None:
        self._next = deque(rules)

    async def _set_one(self, number: int, rule: Rule) -> None:
        self._open[number].set(rule)

    async def _cut(self, rule: Rule, *, every: bool) -> None:
        if every:
            await self._set(rule)
        elif self._open:
            for connection in self._open.values():
                connection.set(rule)
        else:
            self._next = deque([rule])

    async def _heal(self) -> None:
        self._next.clear()
        await self._set(PASS)
        await self._listen()

    async def _each(self, end: Callable[[Connection], None]) -> int:
        found = list(self._open.values())
        for connection in found:
            end(connection)
        return len(found)

    async def _numbers(self) -> list[int]:
        return list(self._open)

    async def _end(self) -> None:
        await self._refuse()
        # What was accepted just now is still on its way to `_serve`; cancelled there, its socket would stay
        # open. So nothing is cancelled: every connection is reset until none is left, however late it came.
        me = asyncio.current_task()
        while others := [task for task in asyncio.all_tasks() if task is not me]:
            await self._each(Connection.reset)
            await asyncio.wait(others, timeout=_LOOK_S)
        # A socket is not closed at once either: that is a later turn of the loop.
        await _turns(_CLOSING_TURNS)

    def _note(self, noted: Noted) -> None:
        with self._told:
            self._counts[noted.kind] += 1
            if noted.direction is not None:
                self._bytes[f"{noted.kind} {noted.direction}"] += noted.bytes
            if noted.kind != "passed":
                self._log.append(noted)
            self._told.notify_all()

    def _do(self, order: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(order, self._loop).result(ORDER_S_MAX)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ORDER_S_MAX)
        self._loop.close()


async def _turns(count: int) -> None:
    """Let the loop go round so often."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
