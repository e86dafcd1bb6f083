"""A process that dies, without a process: the k-th call into a double never returns.

`crash_at(k)` counts calls over every double that shares it, so that sweeping k from 1 upwards crashes a run
at each of its steps. Before the effect or after it: the second is a commit whose answer was lost. Once dead,
a double does nothing more, whatever `finally` blocks ask of it, as a killed process would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import pyarrow as pa

from eventreplay.batch import Batch
from eventreplay.event import Checkpoint, Position
from eventreplay.interfaces import Delivery, QueueSource, Sink, Source

When = Literal["before", "after"]
_Result = TypeVar("_Result")


class SimulatedCrash(BaseException):
    """The process died here. No `except Exception` catches it, as none would catch SIGKILL."""


class CrashAt:
    """Counts calls and dies at the k-th; see `crash_at`.

    Attributes:
        calls: calls seen so far, by name, in order.
        fired: whether the crash happened; a test whose fault never fired proves nothing.
    """

    def __init__(self, k: int, when: When) -> None:
        if k < 1:
            raise ValueError("Calls are counted from 1.")
        if when not in ("before", "after"):
            raise ValueError("A crash is before or after the effect.")
        self._k = k
        self._when = when
        self.calls: list[str] = []
        self.fired = False

    def call(self, name: str, effect: Callable[[], _Result]) -> _Result:
        """Run `effect`, unless this is where the process dies or it is dead already."""
        if self.fired:
            raise SimulatedCrash(f"{name} was called in a dead process.")
        self.calls.append(name)
        due = len(self.calls) == self._k
        if due and self._when == "before":
            self.fired = True
            raise SimulatedCrash(f"Before call {self._k}, {name}.")
        result = effect()
        if due:
            self.fired = True
            raise SimulatedCrash(f"After call {self._k}, {name}.")
        return result


def crash_at(k: int, when: When = "before") -> CrashAt:
    """A crash at the k-th call (from 1) into the doubles that are given it, before or after its effect."""
    return CrashAt(k, when)


class CrashingSource:
    """A source whose `epoch`, `head` and each batch of `read` count as calls."""

    def __init__(self, source: Source, crash: CrashAt) -> None:
        self._source = source
        self._crash = crash

    @property
    def name(self) -> str:
        """The source's name."""
        return self._source.name

    def epoch(self) -> str:
        """As the source."""
        return self._crash.call("epoch", self._source.epoch)

    def head(self) -> Position | None:
        """As the source."""
        return self._crash.call("head", self._source.head)

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """As the source; the call that finds the end counts too."""
        batches = self._source.read(after, upto)
        while True:
            batch = self._crash.call("read", lambda: next(batches, None))
            if batch is None:
                return
            yield batch

    def close(self) -> None:
        """Nothing, once dead."""
        if not self._crash.fired:
            self._source.close()


class CrashingQueue:
    """A queue source whose `receive` and `settle` count as calls."""

    def __init__(self, queue: QueueSource, crash: CrashAt) -> None:
        self._queue = queue
        self._crash = crash

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.name

    def receive(self, timeout_s: float) -> Delivery | None:
        """As the queue."""
        return self._crash.call("receive", lambda: self._queue.receive(timeout_s))

    def settle(self, delivery: Delivery) -> None:
        """As the queue."""
        self._crash.call("settle", lambda: self._queue.settle(delivery))

    def close(self) -> None:
        """Nothing, once dead."""
        if not self._crash.fired:
            self._queue.close()


class CrashingSink:
    """A sink whose `begin`, `write`, `quarantine` and `commit` count as calls."""

    def __init__(self, sink: Sink, crash: CrashAt) -> None:
        self._sink = sink
        self._crash = crash

    def begin(self, replay_id: str) -> Checkpoint | None:
        """As the sink."""
        return self._crash.call("begin", lambda: self._sink.begin(replay_id))

    def write(self, rows: pa.RecordBatch) -> None:
        """As the sink."""
        self._crash.call("write", lambda: self._sink.write(rows))

    def quarantine(self, rows: pa.RecordBatch) -> None:
        """As the sink."""
        self._crash.call("quarantine", lambda: self._sink.quarantine(rows))

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        """As the sink."""
        self._crash.call("commit", lambda: self._sink.commit(checkpoint, expected=expected))

    def close(self) -> None:
        """Nothing, once dead."""
        if not self._crash.fired:
            self._sink.close()


class CrashingStorage:
    """Any storage: every method call counts. Typed loosely, because it stands in for all of them."""

    def __init__(self, storage: Any, crash: CrashAt) -> None:
        self._storage = storage
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._storage, name)
        if not callable(attribute):
            return attribute

        def counted(*arguments: Any, **keywords: Any) -> Any:
            return self._crash.call(name, lambda: attribute(*arguments, **keywords))

        return counted
