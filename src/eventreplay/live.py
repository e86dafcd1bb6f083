"""live: queue → log → sink in one process, for rows that are in the warehouse soon after they were published.

Each consumer captures into a partition of its own, each journal that is followed likewise, and one loader
replays their commits as soon as they are there. The parts share the log and nothing else: what a consumer
commits is settled without waiting for the loader, and a warehouse that is away stops no capture, as a broker
that is away stops no load. Memory is that of one capture per partition and one replay, whatever is away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from attrs import define, evolve, field, frozen

from eventreplay.capture import CaptureOptions, CaptureReceipt, between, capture
from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.interfaces import Codec, QueueSource, Sink, Source
from eventreplay.loader import Lag, Loaded, Loader, LoadOptions
from eventreplay.log import Commit, Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.supervision import PartStatus, Pulse, Supervision

IDLE_MIN_S, IDLE_MAX_S = 0.1, 2.0
"""Between two looks at a journal that brought nothing; each pause is twice the one before."""
WAIT_S = 1.0
"""How long one wait of a journal may block."""


@runtime_checkable
class SupportsWait(Protocol):
    """A source that can say when there may be something new."""

    def wait(self, timeout_s: float) -> object:
        """Block until there may be, or `timeout_s` is over."""


@frozen(kw_only=True)
class LiveOptions:
    """Bounds of a live run.

    Attributes:
        queue: when a consumer commits; it never ends by itself, whatever this says.
        journal: bounds of following a journal.
        load: when the loader loads.
        retry_wait_max_s: longest wait before a part that failed begins again; waits grow from a second.
        finish_s: how long the end may take: commit, settle, load. The next run loads what is left.
        look_s: how often `stop` is asked and `watch` is told.
    """

    queue: QueueOptions = field(factory=lambda: QueueOptions(age_max_s=1.0))
    journal: CaptureOptions = field(factory=CaptureOptions)
    load: LoadOptions = field(factory=LoadOptions)
    retry_wait_max_s: float = 30.0
    finish_s: float = 60.0
    look_s: float = 0.2

    def __attrs_post_init__(self) -> None:
        for name in ("retry_wait_max_s", "finish_s", "look_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}.", hint=f"{name} is above 0.", setting=name
                )


@frozen(kw_only=True)
class LiveStatus:
    """What a live run is at; holds no secret.

    `ending` once it was told to stop or has failed.
    """

    parts: list[PartStatus]
    lag: Lag
    loaded: Loaded
    ending: bool


@frozen(kw_only=True)
class LiveReceipt:
    """What a live run did.

    Attributes:
        captures: by partition, over all attempts.
        loaded: what the loader loaded.
        behind_rows: rows that are in the log and not in the sink; the next run loads them.
        failures: attempts of parts that failed, and were made again.
        late: parts that had not ended when time was up; what they held comes again.
    """

    captures: list[CaptureReceipt]
    loaded: Loaded
    behind_rows: int
    failures: int
    late: list[str]


@define
class _Capture:
    """What one partition is captured from, and what it held at the beginning."""

    partition: str
    queue: Callable[[], QueueSource] | None
    journal: Callable[[], Source] | None
    before: Commit | None = None
    is_known: bool = False

    @property
    def name(self) -> str:
        return f"capture {self.partition}"


class _EndedError(Exception):
    """Raised between two commits, to leave a capture; never leaves this module."""


def live(
    log: Log,
    make_sink: Callable[[], Sink],
    codec: Codec,
    *,
    queues: Mapping[str, Callable[[], QueueSource]],
    journals: Mapping[str, Callable[[], Source]] | None = None,
    clock: Callable[[], float],
    stop: Callable[[], bool],
    options: LiveOptions | None = None,
    watch: Callable[[LiveStatus], None] | None = None,
) -> LiveReceipt:
    """Capture and load until `stop` says so; then commit, settle, load what is committed, and return.

    A retryable error of a part makes that part begin again, and nothing else. Running it again goes on
    where it stopped, whatever stopped it.

    Args:
        log: between the two; begun if it is not there.
        make_sink: opens the sink; called again after an error, and after each load that released it.
        codec: decodes payloads.
        queues: by partition, what opens its consumer.
        journals: by partition, what opens the source that is followed into it.
        clock: monotonic seconds, e.g. `time.monotonic`.
        stop: asked every `look_s`, in this thread.
        options: bounds; the defaults fit most uses.
        watch: told every `look_s`, in this thread; to be quick.

    Returns:
        the receipt, also if the sink was away at the end: what is committed is in the log.

    Raises:
        ConfigError: there is nothing to capture, or two sources share a partition.
        FenceError: another writer has taken a partition over.
        EventReplayError: the first final error of a part; the others were ended in good order.
    """
    run = _Live(log, make_sink, codec, clock, options or LiveOptions())
    for partition, make_queue in queues.items():
        run.add(_Capture(partition, make_queue, None))
    for partition, make_source in (journals or {}).items():
        run.add(_Capture(partition, None, make_source))
    return run.run(stop, watch or (lambda _: None))


class _Live:
    """One live run."""

    def __init__(
        self,
        log: Log,
        make_sink: Callable[[], Sink],
        codec: Codec,
        clock: Callable[[], float],
        options: LiveOptions,
    ) -> None:
        self._log = log
        self._clock = clock
        self._options = options
        self._queue_options = evolve(options.queue, idle_end_s=None, run_max_s=None)
        self._captures: list[_Capture] = []
        self._ending = threading.Event()
        self._loader = Loader(log, make_sink, codec, clock=clock, options=options.load)
        self._supervision = Supervision(clock, wait_max_s=options.retry_wait_max_s)

    def add(self, one: _Capture) -> None:
        """Capture this, too."""
        if one.partition in {each.partition for each in self._captures}:
            raise ConfigError(
                f"Two sources are to be captured into partition {one.partition}.",
                hint="Each source, and each consumer of a queue, has a partition of its own.",
                partition=one.partition,
            )
        self._captures.append(one)

    def run(self, stop: Callable[[], bool], watch: Callable[[LiveStatus], None]) -> LiveReceipt:
        """Start all parts, and end them."""
        if not self._captures:
            raise ConfigError("There is nothing to capture.", hint="Name a queue or a journal.")
        for one in self._captures:
            self._supervision.start(one.name, self._work(one), self._ending)
        self._supervision.start("load", self._loader.run, self._loader.ending)
        while not stop() and not self._supervision.failed.wait(self._options.look_s):
            watch(self.status())
        self._ending.set()
        watch(self.status())
        late = self._end(watch)
        error = self._supervision.error
        if error is not None:
            raise error
        parts = self._supervision.statuses()
        return LiveReceipt(
            captures=[self._receipt(one) for one in self._captures],
            loaded=self._loader.done,
            behind_rows=sum(self._loader.lag().partitions.values()),
            failures=sum(part.failures for part in parts),
            late=late,
        )

    def status(self) -> LiveStatus:
        """What all parts are at."""
        return LiveStatus(
            parts=self._supervision.statuses(),
            lag=self._loader.lag(),
            loaded=evolve(self._loader.done),
            ending=self._ending.is_set(),
        )

    def _end(self, watch: Callable[[LiveStatus], None]) -> list[str]:
        """First the captures, so that the last load finds all they committed; those that were late."""
        until_s = self._clock() + self._options.finish_s
        late = self._joined([one.name for one in self._captures], until_s, watch)
        self._loader.end(until_s)
        late += self._joined(["load"], until_s, watch)
        watch(self.status())
        return late

    def _joined(self, names: list[str], until_s: float, watch: Callable[[LiveStatus], None]) -> list[str]:
        while True:
            now_s = self._clock()
            late = self._supervision.join(names, min(until_s, now_s + self._options.look_s))
            if not late or now_s >= until_s:
                return late
            watch(self.status())

    def _work(self, one: _Capture) -> Callable[[Pulse], None]:
        def work(pulse: Pulse) -> None:
            if self._ending.is_set():
                return
            if not one.is_known:
                one.before, one.is_known = self._log.reader(one.partition).head(), True
            if one.queue is not None:
                self._consume(one.queue(), one.partition, pulse)
            elif one.journal is not None:
                self._follow(one.journal(), one.partition, pulse)

        return work

    def _consume(self, queue: QueueSource, partition: str, pulse: Pulse) -> None:
        """Capture a queue until the end; settled is what is committed, whether it is loaded or not."""
        before = 0

        def committed(received: int, _total: int | None) -> None:
            nonlocal before
            pulse.committed(received - before)
            self._loader.note(partition, received - before)
            before = received

        def stopped() -> bool:
            pulse.beat()
            return self._ending.is_set()

        try:
            capture_queue(
                queue,
                self._log,
                partition,
                clock=self._clock,
                options=self._queue_options,
                progress=committed,
                stop=stopped,
            )
        finally:
            queue.close()

    def _follow(self, source: Source, partition: str, pulse: Pulse) -> None:
        """Capture a journal, round after round behind its head."""
        before, idle_s = 0, 0.0

        def committed(done: int, _total: int | None) -> None:
            nonlocal before
            # Positions, not rows: how many those are, the receipt says.
            pulse.committed(0)
            self._loader.note(partition, done - before)
            before = done
            if self._ending.is_set():
                raise _EndedError

        try:
            while not self._ending.is_set():
                before = 0
                receipt = capture(
                    source, self._log, partition, options=self._options.journal, progress=committed
                )
                pulse.counted(receipt.received)
                idle_s = 0.0 if receipt.commits else min(IDLE_MAX_S, max(IDLE_MIN_S, 2 * idle_s))
                self._idle(source, idle_s)
        except _EndedError:
            return
        finally:
            source.close()

    def _idle(self, source: Source, idle_s: float) -> None:
        began_s = self._clock()
        if idle_s and isinstance(source, SupportsWait):
            source.wait(WAIT_S)
        # News of an event that is held yet would otherwise make the rounds spin.
        self._ending.wait(max(0.0, idle_s - (self._clock() - began_s)))

    def _receipt(self, one: _Capture) -> CaptureReceipt:
        """From the log, which also knows what attempts that failed had committed."""
        nothing = CaptureReceipt(partition=one.partition, source="")
        try:
            head = self._log.reader(one.partition).head()
        except EventReplayError:
            return nothing  # the log is away; what was committed is in it all the same
        return nothing if head is None or not one.is_known else between(one.before, head)
