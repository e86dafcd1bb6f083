"""How far long work is: a bar with rate and estimate on a terminal, an occasional plain line elsewhere.

All of it goes to stderr, and each piece of work ends with one line that says how much was done and how fast.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

from eventreplay.cli.screen import tell

Report = Callable[[int, int | None], None]
"""Called with records done and records in all (None if unknown)."""

PLAIN_EVERY_S = 10.0
"""How often a plain line is written where nobody watches a bar."""

SECONDS_PER_MINUTE = 60


@define
class Meter:
    """Counts one piece of work and words it; `clock` gives monotonic seconds."""

    title: str
    unit: str
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int | None = None
    _begun_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begun_s = self.clock()

    def note(self, done: int, total: int | None) -> None:
        """The state after a step of the work."""
        self.done, self.total = done, total

    def state(self) -> str:
        """Where the work is: count, rate, estimate."""
        of = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.title}: {self.done:,}{of} {self.unit}"]
        rate = self._rate()
        if rate:
            parts.append(f"{rate:,.0f}/s")
            if self.total is not None and self.done < self.total:
                parts.append(f"about {duration_text((self.total - self.done) / rate)} left")
        return ", ".join(parts)

    def outcome(self) -> str:
        """How the work ended: what was done, how long it took."""
        took = duration_text(self.clock() - self._begun_s)
        if not self.done:
            return f"{self.title}: done in {took}"
        return f"{self.title}: {self.done:,} {self.unit} in {took}, {self._rate():,.0f}/s"

    def _rate(self) -> float:
        elapsed_s = self.clock() - self._begun_s
        return self.done / elapsed_s if elapsed_s > 0 else 0.0


def duration_text(seconds: float) -> str:
    """Seconds for people: 0.3 s, 42 s, 3 min 20 s."""
    if seconds < 10:  # noqa: PLR2004 - below it a fraction says something
        return f"{seconds:.1f} s"
    if seconds < SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), SECONDS_PER_MINUTE)
    return f"{minutes:,} min {rest} s"


class StderrScreen:
    """What the demo and other long commands report to: one step after the other, on stderr."""

    @contextmanager
    def step(self, title: str, unit: str) -> Iterator[Report]:
        """Report on one step; see `progress`."""
        with progress(title, unit) as report:
            yield report


@contextmanager
def progress(title: str, unit: str) -> Iterator[Report]:
    """Report on one piece of work called `title`, which counts in `unit` (a plural)."""
    meter = Meter(title, unit)
    with _bar(meter) if sys.stderr.isatty() else plain_lines(meter, tell) as report:
        yield report
    tell(meter.outcome())


@contextmanager
def plain_lines(meter: Meter, write: Callable[[str], None]) -> Iterator[Report]:
    """Say the state every `PLAIN_EVERY_S` at most."""
    said_s = meter.clock()

    def report(done: int, total: int | None) -> None:
        nonlocal said_s
        meter.note(done, total)
        if meter.clock() - said_s >= PLAIN_EVERY_S:
            said_s = meter.clock()
            write(meter.state())

    yield report


@contextmanager
def _bar(meter: Meter) -> Iterator[Report]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}", justify="right"),
        TextColumn("{task.fields[rate]}", justify="right", style="progress.data.speed"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(meter.title), total=None, count="", rate="")

        def report(done: int, total: int | None) -> None:
            meter.note(done, total)
            count = f"{done:,}" if total is None else f"{done:,} / {total:,}"
            speed = bars.tasks[0].speed
            rate = "" if speed is None else f"{speed:,.0f}/s"
            bars.update(task, completed=done, total=total, count=f"{count} {meter.unit}", rate=rate)

        yield report
