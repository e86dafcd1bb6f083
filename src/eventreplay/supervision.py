"""Parts that run side by side, each in a thread: one that fails begins again, the others go on meanwhile.

A part is a function that runs until it is told to end. What it raises decides: a retryable error makes it
begin again, after a wait that grows until the part gets on; any other error ends all parts, in good order,
and is what the whole ends with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from attrs import define, field, frozen

from eventreplay.errors import EventReplayError

State = Literal["starting", "running", "waiting", "ended", "failed"]


@frozen(kw_only=True)
class Failure:
    """The last error of a part; holds no secret: of an error that is not ours only its kind is kept.

    `age_s` is how long ago it was.
    """

    kind: str
    message: str
    hint: str
    retryable: bool
    age_s: float


@frozen(kw_only=True)
class PartStatus:
    """What one part is at.

    Attributes:
        name: `capture live-0`, `load`.
        state: `waiting` is the time between a failure and the next attempt.
        beat_age_s: how long ago it last gave a sign of life.
        rows, commits: what it has committed since it was started, over all attempts.
        commit_age_s: how long ago the last commit was; None: there was none.
        failures: attempts that ended with an error.
        failure: the last of those.
    """

    name: str
    state: State
    beat_age_s: float
    rows: int
    commits: int
    commit_age_s: float | None
    failures: int
    failure: Failure | None


class Pulse:
    """What a part says of itself while it works; any thread may ask.

    Args:
        name: of the part.
        clock: monotonic seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._state: State = "starting"
        self._beat_s = clock()
        self._rows = self._commits = self._failures = 0
        self._commit_s: float | None = None
        self._error: BaseException | None = None
        self._error_s = 0.0

    def beat(self) -> None:
        """It lives."""
        self._beat_s = self._clock()

    def committed(self, rows: int) -> None:
        """It has got on: one more commit, of so many rows."""
        with self._lock:
            self._rows += rows
            self._commits += 1
            self._commit_s = self._beat_s = self._clock()

    def counted(self, rows: int) -> None:
        """It lives; commits that were told of without their rows held so many."""
        with self._lock:
            self._rows += rows
            self._beat_s = self._clock()

    def enter(self, state: State, error: BaseException | None = None) -> None:
        """It is in `state` now, because of `error` if there is one."""
        with self._lock:
            self._state, self._beat_s = state, self._clock()
            if error is not None:
                self._error, self._error_s = error, self._beat_s
                self._failures += 1

    @property
    def commits(self) -> int:
        """Commits so far; more of them since an attempt began means that it got on."""
        return self._commits

    def status(self) -> PartStatus:
        """What it is at, now."""
        with self._lock:
            now_s = self._clock()
            return PartStatus(
                name=self.name,
                state=self._state,
                beat_age_s=now_s - self._beat_s,
                rows=self._rows,
                commits=self._commits,
                commit_age_s=None if self._commit_s is None else now_s - self._commit_s,
                failures=self._failures,
                failure=None if self._error is None else failure_of(self._error, now_s - self._error_s),
            )


def failure_of(error: BaseException, age_s: float) -> Failure:
    """What may be told of an error that was so long ago."""
    if isinstance(error, EventReplayError):
        message, hint = error.message, error.hint
    else:
        # What a driver or a defect says may quote data or a connection string.
        message, hint = f"An unexpected {type(error).__name__}.", ""
    return Failure(
        kind=type(error).__name__,
        message=message,
        hint=hint,
        retryable=isinstance(error, EventReplayError) and error.retryable,
        age_s=age_s,
    )


@define
class BackOff:
    """Waits that double from `least_s` to `most_s`, less up to a half of each: many must not come at once."""

    least_s: float = 1.0
    most_s: float = 30.0
    random: Random = field(factory=Random)
    _times: int = field(default=0, init=False)

    def next_s(self, *, got_on: bool) -> float:
        """How long to wait now; `got_on`: since the last wait something was committed, so begin anew."""
        self._times = 0 if got_on else self._times
        whole_s = min(self.most_s, self.least_s * 2.0 ** min(self._times, 30))
        self._times += 1
        return whole_s * (1.0 - self.random.random() / 2)


Run = Callable[[Pulse], None]
"""Works until its part is told to end. Called again after a retryable error."""


@define
class _Part:
    run: Run
    ending: threading.Event
    pulse: Pulse
    back_off: BackOff
    thread: threading.Thread | None = None


class Supervision:
    """Starts parts, keeps them going, and knows the error that ends all.

    Threads are daemons: what hangs in a driver must not keep a process that has told its result.

    Args:
        clock: monotonic seconds.
        wait_max_s: longest wait before a part begins again.
    """

    def __init__(self, clock: Callable[[], float], *, wait_max_s: float = 30.0) -> None:
        self._clock = clock
        self._wait_max_s = wait_max_s
        self._parts: list[_Part] = []
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self.failed = threading.Event()
        """Set once a final error has ended a part."""

    @property
    def error(self) -> BaseException | None:
        """The first final error."""
        return self._error

    def start(self, name: str, run: Run, ending: threading.Event) -> None:
        """Begin a part; it is to return soon once `ending` is set."""
        pulse = Pulse(name, self._clock)
        wait_s = min(1.0, self._wait_max_s)
        part = _Part(run, ending, pulse, BackOff(wait_s, self._wait_max_s))
        part.thread = threading.Thread(
            target=self._supervise, args=(part,), name=f"eventreplay {name}", daemon=True
        )
        self._parts.append(part)
        part.thread.start()

    def statuses(self) -> list[PartStatus]:
        """What each part is at, in the order they were started."""
        return [part.pulse.status() for part in self._parts]

    def join(self, names: Sequence[str], until_s: float) -> list[str]:
        """Wait for parts to end, until `until_s` on the clock; the names of those that have not."""
        late = []
        for part in self._parts:
            if part.pulse.name in names and part.thread is not None:
                part.thread.join(max(0.0, until_s - self._clock()))
                if part.thread.is_alive():
                    late.append(part.pulse.name)
        return late

    def _supervise(self, part: _Part) -> None:
        while True:
            # One that is told to end while it waits gets one more attempt, and no other.
            is_last = part.ending.is_set()
            begun_at = part.pulse.commits
            try:
                part.pulse.enter("running")
                part.run(part.pulse)
            except BaseException as error:  # noqa: BLE001 - what ends a part is what all end with
                if not isinstance(error, EventReplayError) or not error.retryable:
                    self._end_with(part, error)
                    return
                if is_last:
                    part.pulse.enter("ended", error)
                    return
                part.pulse.enter("waiting", error)
                part.ending.wait(part.back_off.next_s(got_on=part.pulse.commits > begun_at))
            else:
                part.pulse.enter("ended")
                return

    def _end_with(self, part: _Part, error: BaseException) -> None:
        part.pulse.enter("failed", error)
        with self._lock:
            if self._error is None:
                self._error = error
        self.failed.set()
