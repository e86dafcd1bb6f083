"""Clocks that only move when told: a run under them is the same every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class TickingClock:
    """A wall clock: each call is `step_s` later than the one before.

    Args:
        start: first moment returned, timezone-aware.
        step_s: seconds between calls; negative steps back, as NTP may.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, step_s: float = 1.0) -> None:
        self._next = start
        self._step = timedelta(seconds=step_s)
        self.calls = 0

    def __call__(self) -> datetime:
        """The next moment."""
        now = self._next
        self._next = now + self._step
        self.calls += 1
        return now


class ManualSeconds:
    """A monotonic clock in seconds that stands still until `advance`."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def __call__(self) -> float:
        """Seconds now."""
        return self._now_s

    def advance(self, seconds_s: float) -> None:
        """Let time pass; never backwards."""
        if seconds_s < 0:
            raise ValueError("A monotonic clock does not go back.")
        self._now_s += seconds_s
