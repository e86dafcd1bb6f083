"""The loader: replays what is new in the log, as soon as it is there, and no more often than a sink wants.

It is told of commits by whoever makes them in this process, and looks for those of others now and then. It
holds nothing between two loads: the log is the buffer, however long the sink is away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import pyarrow as pa
from attrs import define, frozen

from eventreplay.errors import CheckpointConflictError, ConfigError, SinkUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Commit, Log, PartitionReader
from eventreplay.replay import PrefersLargeTransactions, replay
from eventreplay.supervision import Pulse

BEAT_S = 1.0
"""How long one wait may be: a sign of life between two."""
WARY_EVERY_S = 300.0
"""How often all commits of a partition are listed: a folder of a day has 86,400, and nobody lists those every
second. In between the next commit is looked for by its name."""


@runtime_checkable
class LocksOthersOut(Protocol):
    """A sink that nobody else can read while it is open, so that it had better not be open for long."""

    @property
    def locks_others_out(self) -> bool:
        """Whether this one does."""


@frozen(kw_only=True)
class LoadOptions:
    """When the loader loads.

    Attributes:
        replay_id: name of the load; each partition keeps its checkpoint under it.
        every_s: least time between the beginnings of two loads; None: a minute for a sink that prefers large
            transactions, else a second. What comes after a longer silence is loaded at once.
        rows: rows waiting that begin a load before its time, and rows that a transaction has at least while
            the log has them; None: as the sink prefers, else 65,536.
        poll_s: how often to look for commits that others made.
        batch_rows_max: rows decoded at a time.
        release: close the sink between loads; None: if it locks others out.
        accept_codec_change: go on although another codec made the rows that are there.
    """

    replay_id: str = "live"
    every_s: float | None = None
    rows: int | None = None
    poll_s: float = 5.0
    batch_rows_max: int = 65_536
    release: bool | None = None
    accept_codec_change: bool = False

    def __attrs_post_init__(self) -> None:
        for name, value, least in (
            ("every_s", self.every_s, 0.0),
            ("rows", self.rows, 1),
            ("poll_s", self.poll_s, 0.01),
        ):
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}.", hint=f"{name} is at least {least}.", setting=name)


@frozen(kw_only=True)
class Lag:
    """How far the sink is behind the log, as far as this process knows of it.

    Attributes:
        partitions: rows of each partition that are in the log and not in the sink.
        commits: of those, commits.
        seconds: how long the oldest of them has been waiting; 0: nothing is.
    """

    partitions: dict[str, int]
    commits: int
    seconds: float


@define(kw_only=True)
class Loaded:
    """What was loaded since the start; `commits` of the log in `transactions` of the sink."""

    read: int = 0
    loaded: int = 0
    quarantined: int = 0
    commits: int = 0
    transactions: int = 0


@define
class _Reached:
    """One partition: how far the log and the sink are, by commit and by rows."""

    reader: PartitionReader
    head: Commit | None = None
    noted_rows: int = 0
    loaded: int | None = None
    loaded_rows: int = 0

    def is_behind(self) -> bool:
        """Whether the log has what the sink has not, for all that is known."""
        return self.head is not None and (self.loaded is None or self.head.number > self.loaded)

    def waiting_rows(self) -> int:
        """Rows in the log and not in the sink: up to the head last seen, and those told of since."""
        return max(0, _rows(self.head) - self.loaded_rows) + self.noted_rows

    def is_at(self, position: int | None) -> None:
        """The sink's checkpoint is at this commit."""
        self.loaded = 0 if position is None else position
        self.loaded_rows = _rows(None if position is None else self.reader.commit(position))


def _rows(commit: Commit | None) -> int:
    return 0 if commit is None else commit.next_offset + commit.next_quarantine_offset


class _Noting:
    """A sink that notes what was committed: also by a replay that fails later on."""

    def __init__(self, sink: Sink, partitions: dict[str, _Reached], done: Loaded, pulse: Pulse) -> None:
        self._sink = sink
        self._partitions = partitions
        self._done = done
        self._pulse = pulse
        self._held = [0, 0]

    def begin(self, replay_id: str) -> Checkpoint | None:
        """As the sink; says where the partition is."""
        known = self._sink.begin(replay_id)
        self._held = [0, 0]
        reached = self._partitions[replay_id.rpartition("/")[2]]
        position = None if known is None else known.position
        if reached.loaded != (0 if position is None else position):
            reached.is_at(position)
        return known

    def write(self, rows: pa.RecordBatch) -> None:
        """As the sink."""
        self._pulse.beat()
        self._sink.write(rows)
        self._held[0] += rows.num_rows

    def quarantine(self, rows: pa.RecordBatch) -> None:
        """As the sink."""
        self._sink.quarantine(rows)
        self._held[1] += rows.num_rows

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        """As the sink; then it counts."""
        self._sink.commit(checkpoint, expected=expected)
        (loaded, quarantined), self._held = self._held, [0, 0]
        commits = checkpoint.position - (0 if expected is None else expected.position)
        self._done.read += loaded + quarantined
        self._done.loaded += loaded
        self._done.quarantined += quarantined
        self._done.commits += commits
        self._done.transactions += 1
        reached = self._partitions[checkpoint.source]
        reached.loaded = checkpoint.position
        reached.loaded_rows += loaded + quarantined
        self._pulse.committed(loaded + quarantined)

    def close(self) -> None:
        """As the sink."""
        self._sink.close()


class _OutOfTimeError(Exception):
    """Raised between two transactions; never leaves the loader."""


class Loader:
    """Loads what is new, until told that no more will come.

    Args:
        log: what to load from; it need not be there yet.
        make_sink: opens the sink; called again after an error.
        codec: decodes payloads.
        clock: monotonic seconds.
        options: when to load.
    """

    def __init__(
        self,
        log: Log,
        make_sink: Callable[[], Sink],
        codec: Codec,
        *,
        clock: Callable[[], float],
        options: LoadOptions,
    ) -> None:
        self._log = log
        self._make_sink = make_sink
        self._codec = codec
        self._clock = clock
        self._options = options
        self._partitions: dict[str, _Reached] = {}
        self._news = threading.Event()
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._sink: Sink | None = None
        self._next_look_s = self._next_load_s = self._next_wary_s = clock()
        self._behind_since_s: float | None = None
        self._every_s = 1.0 if options.every_s is None else options.every_s
        self._rows_min = 65_536 if options.rows is None else options.rows
        self._until_s: float | None = None
        self.ending = threading.Event()
        """Nothing more will come: load what is there, and end."""
        self.done = Loaded()

    def note(self, partition: str, rows: int) -> None:
        """`partition` has a new commit of so many rows. Any thread may say so."""
        with self._lock:
            self._told.add(partition)
            reached = self._partitions.get(partition)
            if reached is not None:
                reached.noted_rows += rows
            self._is_behind()
        self._news.set()

    def end(self, until_s: float) -> None:
        """Load what is there now, and end; begin no transaction after `until_s` on the clock."""
        self._until_s = until_s
        self.ending.set()
        self._news.set()

    def lag(self) -> Lag:
        """How far the sink is behind. Any thread may ask."""
        with self._lock:
            reached = dict(self._partitions)
            since_s = self._behind_since_s
        behind = [each for each in reached.values() if each.is_behind()]
        return Lag(
            partitions={name: each.waiting_rows() for name, each in sorted(reached.items())},
            commits=sum(_number(each.head) - (each.loaded or 0) for each in behind),
            seconds=0.0 if since_s is None else self._clock() - since_s,
        )

    def run(self, pulse: Pulse) -> None:
        """Load until `end`; as a part of a `Supervision`.

        Raises:
            EventReplayError: as `replay` and the sink do. A checkpoint that another run moved is no end: it
                is raised as one that may be retried, and the next attempt goes on from where that run is.
        """
        try:
            while True:
                is_last = self.ending.is_set()
                news = self._look(everywhere=is_last)
                if news and (is_last or self._is_due()) and not self._is_over():
                    self._load(news, pulse)
                if is_last:
                    return
                self._wait(pulse)
        finally:
            self._close()

    def _look(self, *, everywhere: bool) -> list[_Reached]:
        """Partitions that have something new; all are looked at from time to time, else those told of."""
        now_s = self._clock()
        with self._lock:
            told, self._told = self._told, set()
        try:
            is_wary = now_s >= self._next_wary_s
            if everywhere or is_wary or now_s >= self._next_look_s:
                told.update(self._log.partitions())
                self._next_look_s = now_s + self._options.poll_s
            for name in sorted(told):
                self._look_at(name, is_wary=is_wary)
            if is_wary:
                self._next_wary_s = now_s + WARY_EVERY_S
        except BaseException:
            with self._lock:
                self._told |= told
            raise
        news = [each for _, each in sorted(self._partitions.items()) if each.is_behind()]
        with self._lock:
            if news or self._told:
                self._is_behind()
            else:
                self._behind_since_s = None
        return news

    def _look_at(self, name: str, *, is_wary: bool) -> None:
        reached = self._partitions.get(name) or _Reached(self._log.reader(name))
        noted_rows = reached.noted_rows
        reached.reader.is_wary = is_wary
        head = reached.reader.head()
        reached.reader.is_wary = False
        with self._lock:
            # Commits told of while we looked are counted twice until the next look; none is missed.
            reached.head, reached.noted_rows = head, reached.noted_rows - noted_rows
            self._partitions[name] = reached

    def _is_behind(self) -> None:
        if self._behind_since_s is None:
            self._behind_since_s = self._clock()

    def _is_due(self) -> bool:
        waiting = sum(each.waiting_rows() for each in self._partitions.values())
        return self._clock() >= self._next_load_s or waiting >= self._rows_min

    def _load(self, news: list[_Reached], pulse: Pulse) -> None:
        begun_s = self._clock()
        sink = self._opened()
        try:
            replay(
                self._log,
                _Noting(sink, self._partitions, self.done, pulse),
                self._codec,
                replay_id=self._options.replay_id,
                batch_rows_max=self._options.batch_rows_max,
                transaction_rows_min=self._rows_min,
                accept_codec_change=self._options.accept_codec_change,
                progress=self._see_time,
                readers=[each.reader for each in news],
            )
        except _OutOfTimeError:
            return
        except CheckpointConflictError as error:
            raise SinkUnavailableError(
                "Another run loads the same replay and has moved its checkpoint; nothing was doubled.",
                hint="One loader is enough for a log and a sink; this one goes on from where that one is.",
                **error.fields,
            ) from error
        finally:
            if self._releases(sink):
                self._close()
        self._next_load_s = begun_s + self._every_s
        with self._lock:
            self._behind_since_s = begun_s if self._told else None

    def _see_time(self, _done: int, _total: int | None) -> None:
        if self._is_over():
            raise _OutOfTimeError

    def _is_over(self) -> bool:
        return self._until_s is not None and self._clock() >= self._until_s

    def _opened(self) -> Sink:
        if self._sink is None:
            self._sink = sink = self._make_sink()
            if isinstance(sink, PrefersLargeTransactions):
                self._every_s = 60.0 if self._options.every_s is None else self._options.every_s
                self._rows_min = self._options.rows or sink.transaction_rows_min
        return self._sink

    def _releases(self, sink: Sink) -> bool:
        if self._options.release is not None:
            return self._options.release
        return isinstance(sink, LocksOthersOut) and sink.locks_others_out

    def _close(self) -> None:
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.close()

    def _wait(self, pulse: Pulse) -> None:
        """Until there is something to load and it is time to, or time to look around, or to end."""
        while True:
            pulse.beat()
            self._news.clear()
            if self.ending.is_set():
                return
            now_s = self._clock()
            with self._lock:
                is_waiting = bool(self._told) or any(each.is_behind() for each in self._partitions.values())
            if now_s >= self._next_look_s or (is_waiting and self._is_due()):
                return
            left_s = self._next_look_s - now_s
            if is_waiting:
                left_s = min(left_s, self._next_load_s - now_s)
            self._news.wait(min(BEAT_S, left_s))


def _number(commit: Commit | None) -> int:
    return 0 if commit is None else commit.number
