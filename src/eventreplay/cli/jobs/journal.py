"""Capturing a re-readable source: a range, then round after round behind its head."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from attrs import define, field, frozen

from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.progress import Report
from eventreplay.cli.screen import tell
from eventreplay.cli.stopping import Stop, StopRequestedError
from eventreplay.interfaces import Source
from eventreplay.retrying import retried
from eventreplay.totals import Totals

WAIT_S = 1.0
"""How long one wait for news may block; bounds how late a signal is heeded."""
IDLE_MIN_S, IDLE_MAX_S = 0.1, 2.0
"""Between two looks at a source that brought nothing; each pause is twice the one before."""
HOLDS_EVERY_S = 10.0
"""How often it is said who holds a journal."""
ATTEMPTS_MAX = 5
"""Of a run that ends; one that follows never gives up on what may pass."""


@frozen(kw_only=True)
class Rounds:
    """What a capture of a re-readable source does.

    Attributes:
        make: opens the source; called again after an error.
        first: position to begin at, where nothing was captured before it; None: the beginning.
        upto: last position to take; None: the head.
        follow: go on behind the head as it moves.
        options: bounds of one capture.
    """

    make: Callable[[], Source]
    first: int | None
    upto: int | None
    follow: bool
    options: CaptureOptions


@define
class _Journal:
    """The source, open or not, and what is shown of it."""

    rounds: Rounds
    totals: Totals
    stop: Stop
    report: Report
    idle_s: float = 0.0
    _source: Source | None = field(default=None, init=False)
    _before: int = field(default=0, init=False)
    _said_s: float = field(default=-HOLDS_EVERY_S, init=False)

    def once(self) -> CaptureReceipt | None:
        """One round: up to the head as it is now; None if it was time to stop."""
        if self.stop.requested():
            return None
        try:
            if self.idle_s:
                self._wait()
            self.totals.begin()
            if self._source is None:
                self._source = self.rounds.make()
            receipt = self._captured(self._source)
            self._say_holds()
        except StopRequestedError:
            return None
        except BaseException:
            # The next attempt opens it anew, and tells what is wrong with it.
            self.close()
            raise
        self.totals.done(receipt)
        self._before += receipt.received
        return receipt

    def _captured(self, source: Source) -> CaptureReceipt:
        return capture(
            source,
            self.totals.log,
            self.totals.partition,
            first=self.rounds.first,
            upto=self.rounds.upto,
            options=self.rounds.options,
            progress=self._progress,
        )

    def _progress(self, done: int, total: int | None) -> None:
        # Following, nobody knows how much there will be.
        self.report(self._before + done, None if self.rounds.follow else total)
        self.stop.check()

    def _wait(self) -> None:
        """Until there may be something new, for a bounded time."""
        began_s = time.monotonic()
        waiting = getattr(self._source, "wait", None)
        if waiting is not None:
            left_s = self.stop.left_s()
            waiting(WAIT_S if left_s is None else min(WAIT_S, left_s))
        # News of an event that is held yet would otherwise make the rounds spin.
        self.stop.wait(self.idle_s - (time.monotonic() - began_s))
        self.stop.check()

    def _say_holds(self) -> None:
        """Who keeps the head from moving, if the source knows; now and then, not every time."""
        holds = getattr(self._source, "holds", None)
        if holds is None or time.monotonic() - self._said_s < HOLDS_EVERY_S:
            return
        found = list(holds())
        if found:
            self._said_s = time.monotonic()
            tell(f"the journal is held: {'; '.join(str(hold) for hold in found[:3])}")

    def close(self) -> None:
        """Close the source; the next round opens it again."""
        if self._source is not None:
            source, self._source = self._source, None
            source.close()


def follow(rounds: Rounds, totals: Totals, stop: Stop, report: Report) -> None:
    """Capture until the head, or until told to stop; the receipt is `totals`.

    Raises:
        EventReplayError: a final error, or a retryable one after the last attempt of a run that ends.
    """
    journal = _Journal(rounds, totals, stop, report)
    attempts_max = sys.maxsize if rounds.follow else ATTEMPTS_MAX
    try:
        while True:
            receipt = retried(journal.once, attempts_max=attempts_max, told=warn_of_retry, sleep=stop.wait)
            if receipt is None or not rounds.follow:
                return
            journal.idle_s = 0.0 if receipt.commits else min(IDLE_MAX_S, max(IDLE_MIN_S, 2 * journal.idle_s))
    finally:
        journal.close()
