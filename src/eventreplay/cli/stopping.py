"""Ending a run in good order: at a commit, when a signal or a deadline says so."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedEarly(int):
    """The exit code of a run that a signal ended before it was done, and that has told its receipt."""


class StopRequestedError(Exception):
    """Raised between two commits, to leave a verb that was asked to stop. Never leaves the command line."""


class Stop:
    """Whether to stop, and a wait that ends when somebody says so.

    A pipe and not an event: a signal handler may run while the same thread holds an event's own lock.

    Args:
        deadline_s: on `clock`, when to stop by itself; None: never.
        clock: monotonic seconds.
    """

    def __init__(self, deadline_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.deadline_s = deadline_s
        self.signal: signal.Signals | None = None
        self._clock = clock
        self._read_end, self._write_end = os.pipe()

    @property
    def signalled(self) -> bool:
        """Whether somebody asked to stop; a deadline is not asked for here."""
        return self.signal is not None

    def request(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop at the next commit. May be called from a signal handler, and from any thread."""
        if self.signal is None:
            self.signal = number
            # Never read: the pipe stays readable for every thread that waits, now and later.
            os.write(self._write_end, b"!")

    def requested(self) -> bool:
        """Whether it is time to stop."""
        return self.signalled or self.left_s() == 0

    def exit_code(self) -> int:
        """0 unless a signal ended the run; else what a shell reports of one."""
        return StoppedEarly(128 + self.signal) if self.signal is not None else 0

    def left_s(self) -> float | None:
        """Seconds until the deadline, 0 once it has passed; None if there is none."""
        return None if self.deadline_s is None else max(0.0, self.deadline_s - self._clock())

    def wait(self, timeout_s: float) -> None:
        """Wait so long, or until it is time to stop."""
        left_s = self.left_s()
        wait_s = timeout_s if left_s is None else min(timeout_s, left_s)
        select.select([self._read_end], [], [], max(0.0, wait_s))

    def check(self) -> None:
        """Leave the verb that is at work, if it is time to stop. Call it right after a commit.

        Raises:
            StopRequestedError: it is.
        """
        if self.requested():
            raise StopRequestedError

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._read_end)
        os.close(self._write_end)


@contextmanager
def stoppable(for_s: float | None = None) -> Iterator[Stop]:
    """A `Stop` that SIGTERM and SIGINT request; the second SIGINT ends the run at once.

    Args:
        for_s: stop by itself after so long; None: never.
    """
    stop = Stop(None if for_s is None else time.monotonic() + for_s)
    before: dict[signal.Signals, object] = {}

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signalled and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.request(signal.Signals(number))

    # Only the main thread may set handlers; a library that embeds the command line keeps its own.
    if threading.current_thread() is threading.main_thread():
        before = {each: signal.signal(each, handle) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)  # type: ignore[arg-type] # what `signal` gave is what it takes
        stop.close()
