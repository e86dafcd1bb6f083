"""replay: the log, through a codec, into a sink. The same log gives the same rows, however it is run.

One transaction per commit of the log, or for several where a sink's transactions are dear: their rows, their
quarantine and the checkpoint become visible together or not at all. Decoding runs ahead of writing: in a
thread beside it, or in worker processes. The order of rows is the log's; workers, batch size and the size of
transactions have no part in it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa
from attrs import define, field, frozen

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import CodecChangedError, ConfigError, EpochError, EventReplayError, LogError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Commit, Log, PartitionReader, SegmentRef, reach, read_segment
from eventreplay.parallel import ordered
from eventreplay.raw_rows import RawRows, no_rows, raw_rows
from eventreplay.selection import Selection

Progress = Callable[[int, int | None], None]


@runtime_checkable
class PrefersLargeTransactions(Protocol):
    """A sink whose transactions cost the same whatever they hold, so that they had better hold much."""

    @property
    def transaction_rows_min(self) -> int:
        """Rows a transaction should have at least, while the log has them."""


@define(kw_only=True)
class LoadedRange:
    """The commits of one partition that a replay loaded: those behind `after_commit`, up to `upto_commit`.

    The digests are the hashes of those two commits' files; `digest_before` is empty at the beginning.
    """

    partition: str
    after_commit: int
    digest_before: str
    upto_commit: int = 0
    digest: str = ""
    loaded: int = 0
    quarantined: int = 0
    left_out: int = 0


@define(kw_only=True)
class ReplayReceipt:
    """What one replay did; read = loaded + quarantined + left out, or the run would have stopped.

    `read` counts the log's events and its capture rejects; `quarantined` both kinds of failure; `left_out`
    what a selection did not take; `commits` those of the log, `transactions` those of the sink.
    `partitions` has those that something was loaded of.
    """

    replay_id: str
    fingerprint: str
    read: int = 0
    loaded: int = 0
    quarantined: int = 0
    left_out: int = 0
    commits: int = 0
    transactions: int = 0
    partitions: list[LoadedRange] = field(factory=list)


@frozen
class _Task:
    """One segment to decode; `last` marks the end of its commit."""

    commit: Commit
    segment: SegmentRef | None
    rejects: bool
    last: bool


@frozen
class _Made:
    """What became of a segment: rows, in memory or in a file, and how many the selection did not take."""

    chunks: list[RawRows] | Path
    left_out: int


@frozen
class _Place:
    """Where a partition goes on: stored checkpoint, epoch, and how many records are loaded already."""

    known: Checkpoint | None
    epoch: str
    loaded_rows: int


def replay(
    log: Log,
    sink: Sink,
    codec: Codec,
    *,
    replay_id: str = "live",
    batch_rows_max: int = 65_536,
    workers: int = 1,
    transaction_rows_min: int | None = None,
    accept_codec_change: bool = False,
    progress: Progress | None = None,
    readers: Sequence[PartitionReader] | None = None,
    upto: Mapping[str, int] | None = None,
    selection: Selection | None = None,
    receipt: ReplayReceipt | None = None,
) -> ReplayReceipt:
    """Load everything the log holds and the sink does not, for every partition, in order.

    Args:
        log: what to read.
        sink: where rows go; begun and committed here, not closed.
        codec: decodes payloads; pickled to the workers if there are several.
        replay_id: name of this load; each partition keeps its checkpoint under it.
        batch_rows_max: rows decoded at a time; bounds memory, no influence on the result.
        workers: 1 decodes in a thread beside the sink; more decode in that many processes.
        transaction_rows_min: commits of the log share a transaction of the sink until it has this many rows;
            None: as the sink prefers, which is one commit each unless it says otherwise.
        accept_codec_change: go on although the rows before were made by another codec.
        progress: told after every transaction.
        readers: of the partitions to load, which go on from what they have seen; None: of all.
        upto: number of the last commit to load, by partition, instead of `readers`; others are not loaded.
        selection: rows to take; the others are counted as left out, and checkpoints move past them.
        receipt: of an attempt before this one, which an error ended; what is loaded now is added to it.

    Raises:
        EpochError: the sink was loaded from another log, or the log was rolled back under it.
        CodecChangedError: rows already loaded were decoded by another codec.
        CheckpointConflictError: another run loads the same replay; nothing of this commit was written.
        CorruptLogError: the log's bytes are not those that were committed.
        EventReplayError: a worker process died.
    """
    if transaction_rows_min is None:
        transaction_rows_min = sink.transaction_rows_min if isinstance(sink, PrefersLargeTransactions) else 1
    bounds = {"batch_rows_max": batch_rows_max, "workers": workers}
    for name, value in {**bounds, "transaction_rows_min": transaction_rows_min}.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}.", hint=f"{name} is at least 1.", setting=name)
    receipt = receipt or ReplayReceipt(replay_id=replay_id, fingerprint=codec.fingerprint)
    if upto is not None:
        readers = [log.between(name, after=0, upto=last) for name, last in sorted(upto.items()) if last]
    readers = [log.reader(name) for name in log.partitions()] if readers is None else readers
    total = sum(_held_at(reader.head()) for reader in readers)
    resume = partial(_resume, sink, codec, replay_id, accept_codec_change=accept_codec_change)
    # Every partition is looked at before any is loaded: one table must not get half of another codec's rows.
    total = max(0, total - sum(resume(reader).loaded_rows for reader in readers))
    with _decoding(workers, log) as (executor, spool):
        for reader in readers:
            place = resume(reader)
            read = log.read if spool is None else partial(read_segment, log.url)
            work = partial(_decode, read, reader.partition, codec, batch_rows_max, selection, spool)
            tasks = ordered(executor, work, _tasks(reader, place.known), ahead_max=workers)
            load = _Load(sink, receipt, place, transaction_rows_min)
            for _ in load.run(tasks):
                if progress is not None:
                    progress(receipt.read, total)
    return receipt


@define
class _Load:
    """The loading of one partition: rows as they come, a transaction whenever there are enough.

    `loaded`, `quarantined` and `left_out` count the commit at hand; `held` those before it that are not
    committed in the sink yet, of which `last` is the last.
    """

    sink: Sink
    receipt: ReplayReceipt
    place: _Place
    rows_min: int
    loaded: int = 0
    quarantined: int = 0
    left_out: int = 0
    held: ReplayReceipt = field(init=False)
    last: Commit | None = None

    def __attrs_post_init__(self) -> None:
        self.held = self._nothing()

    def run(self, decoded: Iterator[tuple[_Task, _Made]]) -> Iterator[None]:
        """Load everything; yields after each of the sink's transactions."""
        known = self.place.known
        for task, result in decoded:
            self._write(result)
            if not task.last:
                continue
            self._balance(task.commit)
            if self.held.read >= self.rows_min:
                known = self._commit(task.commit, known)
                yield
        if self.last is not None:
            self._commit(self.last, known)
            yield

    def _write(self, result: _Made) -> None:
        self.left_out += result.left_out
        for chunk in _chunks(result.chunks):
            if chunk.rows.num_rows:
                self.sink.write(chunk.rows)
                self.loaded += chunk.rows.num_rows
            if chunk.refused.num_rows:
                self.sink.quarantine(chunk.refused)
                self.quarantined += chunk.refused.num_rows

    def _balance(self, commit: Commit) -> None:
        """read = loaded + quarantined + left out, against what the commit says it holds (promise P6)."""
        held = sum(segment.rows for segment in (*commit.segments, *commit.quarantine))
        if self.loaded + self.quarantined + self.left_out != held:
            raise LogError(
                f"Commit {commit.number} holds {held} records; {self.loaded} were decoded,"
                f" {self.quarantined} refused, {self.left_out} left out.",
                hint="Nothing of this commit was loaded. This is a defect of eventreplay: please report it.",
                commit=commit.number,
            )
        self.held.read += held
        self.held.loaded += self.loaded
        self.held.quarantined += self.quarantined
        self.held.left_out += self.left_out
        self.held.commits += 1
        self.loaded = self.quarantined = self.left_out = 0
        self.last = commit

    def _commit(self, commit: Commit, known: Checkpoint | None) -> Checkpoint:
        checkpoint = Checkpoint(
            source=commit.partition,
            epoch=self.place.epoch,
            position=commit.number,
            digest=commit.sha256,
            fingerprint=self.receipt.fingerprint,
        )
        self.sink.commit(checkpoint, expected=known)
        self.receipt.read += self.held.read
        self.receipt.loaded += self.held.loaded
        self.receipt.quarantined += self.held.quarantined
        self.receipt.left_out += self.held.left_out
        self.receipt.commits += self.held.commits
        self.receipt.transactions += 1
        self._extend(checkpoint, known)
        self.held, self.last = self._nothing(), None
        return checkpoint

    def _extend(self, checkpoint: Checkpoint, known: Checkpoint | None) -> None:
        """The partition's range in the receipt, which an attempt before this one may have begun."""
        ranges = self.receipt.partitions
        found = next((each for each in ranges if each.partition == checkpoint.source), None)
        if found is None:
            after, digest = (0, "") if known is None else (known.position, known.digest)
            found = LoadedRange(partition=checkpoint.source, after_commit=after, digest_before=digest)
            ranges.append(found)
        found.upto_commit, found.digest = checkpoint.position, checkpoint.digest
        found.loaded += self.held.loaded
        found.quarantined += self.held.quarantined
        found.left_out += self.held.left_out

    def _nothing(self) -> ReplayReceipt:
        return ReplayReceipt(replay_id=self.receipt.replay_id, fingerprint=self.receipt.fingerprint)


def _tasks(reader: PartitionReader, known: Checkpoint | None) -> Iterator[_Task]:
    for commit in reader.commits(0 if known is None else known.position):
        parts = [(segment, False) for segment in commit.segments] + [
            (segment, True) for segment in commit.quarantine
        ]
        for at, (segment, rejects) in enumerate(parts):
            yield _Task(commit, segment, rejects, at == len(parts) - 1)
        if not parts:
            yield _Task(commit, None, rejects=False, last=True)


def _decode(
    read: Callable[[SegmentRef], pa.Table],
    partition: str,
    codec: Codec,
    batch_rows_max: int,
    selection: Selection | None,
    spool: str | None,
    task: _Task,
) -> _Made:
    """Read, verify and decode one segment; in a worker process the rows come back through a file."""
    chunks: list[RawRows] = []
    left_out = 0
    if task.segment is not None:
        table = read(task.segment)
        taken = table if selection is None else selection.taken(table)
        left_out = table.num_rows - taken.num_rows
        chunks += raw_rows(taken, partition, codec, batch_rows_max, rejects=task.rejects)
    return _Made(chunks if spool is None else _spool(chunks, spool), left_out)


def _resume(
    sink: Sink, codec: Codec, replay_id: str, reader: PartitionReader, *, accept_codec_change: bool
) -> _Place:
    """Begin one partition; its checkpoint must speak of this log, a commit still there, and this codec."""
    known = sink.begin(f"{replay_id}/{reader.partition}")
    first = reader.commit(1)
    epoch = "" if first is None else first.sha256
    if known is None:
        return _Place(known, epoch, 0)
    found = reader.commit(known.position)
    if known.epoch != epoch or found is None or found.sha256 != known.digest:
        raise EpochError(
            f"The sink has loaded commit {known.position} of {reader.partition!r}, which is not in this log.",
            hint="The log was replaced or rolled back. Point to the right one, or use a new replay id.",
            expected=known.digest,
            found=None if found is None else found.sha256,
        )
    if known.fingerprint != codec.fingerprint and not accept_codec_change:
        raise CodecChangedError(
            f"Commits of {reader.partition!r} up to {known.position} were decoded by another codec.",
            hint="Load into a fresh sink under a new replay id, or accept the change to mix both.",
            expected=known.fingerprint,
            found=codec.fingerprint,
        )
    return _Place(known, epoch, _held_at(found))


def _held_at(commit: Commit | None) -> int:
    """Records of the partition up to and including `commit`."""
    return 0 if commit is None else commit.next_offset + commit.next_quarantine_offset


@contextmanager
def _decoding(workers: int, log: Log) -> Iterator[tuple[Executor, str | None]]:
    """Where decoding runs: a thread for one worker, processes for more (the decoder holds the GIL)."""
    if workers == 1:
        with ThreadPoolExecutor(1, thread_name_prefix="eventreplay-decode") as threads:
            yield threads, None
        return
    context = multiprocessing.get_context("forkserver")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="eventreplay-") as spool,
            ProcessPoolExecutor(
                workers, mp_context=context, initializer=reach, initargs=(log.url, log.s3)
            ) as processes,
        ):
            yield processes, spool
    except BrokenProcessPool as error:
        raise EventReplayError(
            f"One of {workers} decoding processes died; nothing of the commit it worked on was loaded.",
            hint="If memory ran out, use fewer workers or a smaller batch_rows_max. A script with"
            " workers needs `if __name__ == '__main__':` around its replay: each worker imports it.",
            workers=workers,
        ) from error


def _spool(chunks: list[RawRows], folder: str) -> Path:
    """Hand rows to the parent through an uncompressed Arrow file: mapped there, not copied or pickled."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".arrow", delete=False) as file:
        for schema, part in ((RAW_SCHEMA, "rows"), (QUARANTINE_SCHEMA, "refused")):
            with pa.ipc.new_stream(file, schema) as stream:
                for chunk in chunks:
                    stream.write_batch(getattr(chunk, part))
    return Path(file.name)


def _chunks(result: list[RawRows] | Path) -> Iterator[RawRows]:
    if not isinstance(result, Path):
        yield from result
        return
    with pa.memory_map(str(result)) as file:
        for schema in (RAW_SCHEMA, QUARANTINE_SCHEMA):
            for batch in pa.ipc.open_stream(file):
                first = schema is RAW_SCHEMA
                none = no_rows(QUARANTINE_SCHEMA if first else RAW_SCHEMA)
                yield RawRows(batch, none) if first else RawRows(none, batch)
    result.unlink()
