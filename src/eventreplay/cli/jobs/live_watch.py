"""What a live service says of itself while it runs: a file, the service manager, lines on stderr."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

from eventreplay.cli.notifying import Notifier
from eventreplay.cli.progress import Report
from eventreplay.cli.screen import moment_text, plain, tell
from eventreplay.live import LiveStatus
from eventreplay.redaction import redacted
from eventreplay.supervision import failure_of

EVERY_S = 1.0
"""How often the status file is written."""
STUCK_S = 900.0
"""A part that works and has given no sign of life for so long is stuck: the watchdog hears nothing more."""


def is_stuck(status: LiveStatus) -> bool:
    """Whether some part hangs; one that waits for its next attempt does not."""
    return any(part.state == "running" and part.beat_age_s > STUCK_S for part in status.parts)


@define
class Watch:
    """Told of the status every moment; says what is new.

    Attributes:
        about: of the run, for the file: `log`, `replay_id`.
        path: the status file; None: none is written.
        notifier: the service manager.
        report: the progress line.
        clock: monotonic seconds.
    """

    about: dict[str, Any]
    path: Path | None
    notifier: Notifier
    report: Report
    clock: Callable[[], float]
    _started_at: datetime = field(factory=lambda: datetime.now(UTC), init=False)
    _written_s: float | None = field(default=None, init=False)
    _failures: dict[str, int] = field(factory=dict, init=False)
    _last: LiveStatus | None = field(default=None, init=False)
    _is_ending: bool = field(default=False, init=False)
    _is_broken: bool = field(default=False, init=False)

    def __call__(self, status: LiveStatus) -> None:
        """The state now."""
        self._last = status
        self.report(status.loaded.read, None)
        self._tell_failures(status)
        if all(part.state != "starting" for part in status.parts):
            self.notifier.ready()
        if not is_stuck(status):
            self.notifier.alive()
        if status.ending and not self._is_ending:
            self._is_ending = True
            self.notifier.stopping()
        now_s = self.clock()
        if self._written_s is None or now_s - self._written_s >= EVERY_S:
            self._written_s = now_s
            self.notifier.status(summary(status))
            self._write("ending" if status.ending else "running", None)

    def ended(self, error: BaseException | None = None) -> None:
        """The run is over, well or with an error."""
        self._write("ended" if error is None else "failed", error)

    def _tell_failures(self, status: LiveStatus) -> None:
        for part in status.parts:
            if part.failure is not None and part.failures > self._failures.get(part.name, 0):
                self._failures[part.name] = part.failures
                if part.failure.retryable:
                    tell(f"{part.name} failed, trying again: {redacted(part.failure.message)}")

    def _write(self, state: str, error: BaseException | None) -> None:
        if self.path is None or self._last is None:
            return
        status = self._last
        facts = {
            "state": state,
            "written_at": moment_text(datetime.now(UTC)),
            "started_at": moment_text(self._started_at),
            "pid": os.getpid(),
            **self.about,
            "parts": [asdict(part) for part in status.parts],
            "lag": {"rows": sum(status.lag.partitions.values()), **asdict(status.lag)},
            "loaded": asdict(status.loaded),
            "error": None if error is None else asdict(failure_of(error, 0.0)),
        }
        text = json.dumps(_redacted(plain(facts)), indent=2, ensure_ascii=True) + "\n"
        staged = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            staged.write_text(text, "ascii")
            staged.replace(self.path)
        except OSError as failure:
            # A full disk under the status file is no reason to lose events; said once, not every second.
            if not self._is_broken:
                tell(f"the status file {self.path.name} cannot be written: {failure.strerror}")
            self._is_broken = True
        else:
            self._is_broken = False


def _redacted(value: object) -> object:
    """Each text by itself: in a document it could swallow the quotes around it."""
    if isinstance(value, dict):
        return {name: _redacted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return redacted(value) if isinstance(value, str) else value


def summary(status: LiveStatus) -> str:
    """One line: what was loaded, how far the sink is behind, which parts are down."""
    rows = sum(status.lag.partitions.values())
    parts = [f"{status.loaded.read:,} events loaded"]
    if rows:
        parts.append(f"{rows:,} waiting for {status.lag.seconds:.0f} s")
    down = [part.name for part in status.parts if part.state == "waiting"]
    if down:
        parts.append(f"down: {', '.join(down)}")
    return "; ".join(parts)
