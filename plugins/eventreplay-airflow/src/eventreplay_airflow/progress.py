"""How far a task is: a line in its log every few seconds at most, and one at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LINE_EVERY_S = 5.0


class TaskProgress:
    """Counts one piece of work and says so in a task's log.

    Args:
        log: a logger; `info` is called with one text.
        title: what is done.
        unit: what is counted, a plural.
        clock: monotonic seconds.
    """

    def __init__(
        self, log: Any, title: str, unit: str = "events", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._title = title
        self._unit = unit
        self._clock = clock
        self._began_s = self._said_s = clock()
        self._done = 0

    def note(self, done: int, total: int | None) -> None:
        """The state after a step of the work; says it if the last line is old enough."""
        self._done = done
        now_s = self._clock()
        if now_s - self._said_s < LINE_EVERY_S:
            return
        self._said_s = now_s
        share = f" of {total:,} ({100 * done / total:.0f} %)" if total else ""
        self._log.info(f"{self._title}: {done:,}{share} {self._unit}, {self._rate():,.0f}/s")

    def end(self, outcome: str) -> None:
        """The last line."""
        took_s = self._clock() - self._began_s
        rate = f", {self._rate():,.0f} {self._unit}/s" if self._done else ""
        self._log.info(f"{self._title}: {outcome} In {took_s:.1f} s{rate}.")

    def _rate(self) -> float:
        took_s = self._clock() - self._began_s
        return self._done / took_s if took_s > 0 else 0.0
