"""capture: a source into the log. Everything that arrived is in the log or in its quarantine, and proven so.

`capture` reads a re-readable source from the log's own checkpoint to the source's safe head, one commit
after the other (for a queue, see `queue_capture`). A commit holds the data and the checkpoint, so whatever
kills the process, the next run goes on behind the last commit and nothing is lost or written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow.compute as pc
from attrs import define, evolve, field, frozen

from eventreplay.admission import AdmissionLimits
from eventreplay.cutting import Piece, cut
from eventreplay.errors import ConfigError, EpochError, LateEventError, LogError
from eventreplay.event import Checkpoint, Position
from eventreplay.interfaces import Gaps, Source, SupportsGaps
from eventreplay.log import Commit, EncodedSegment, Log, PartitionWriter, encode_events, encode_rejects
from eventreplay.parallel import ordered

Progress = Callable[[int, int | None], None]
"""Called with records done and records in all (None if unknown) after every commit."""


@frozen(kw_only=True)
class CaptureOptions:
    """Bounds of a capture.

    Attributes:
        segment_positions: source positions per segment; fixed for the life of a partition: once
            something is written, the log's own value is used instead of this one.
        segment_bytes_max: payload bytes after which a segment is closed early.
        workers: threads that hash and encode segments; no influence on the result.
        limits: bounds of one event.
    """

    segment_positions: int = 65_536
    segment_bytes_max: int = 64 * 1024 * 1024
    workers: int = 1
    limits: AdmissionLimits = field(factory=AdmissionLimits)

    def __attrs_post_init__(self) -> None:
        for name in ("segment_positions", "segment_bytes_max", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}.", hint=f"{name} is at least 1.", setting=name
                )


@define(kw_only=True)
class CaptureReceipt:
    """What one capture did; received = logged + quarantined, or the run would have stopped.

    `digest` is the partition's head commit hash afterwards; `position` its checkpoint.
    """

    partition: str
    source: str
    received: int = 0
    logged: int = 0
    quarantined: int = 0
    commits: int = 0
    position: int | None = None
    digest: str = ""


@frozen
class Job:
    """A piece with its place in the partition, known before it is encoded."""

    piece: Piece
    first_offset: int
    first_quarantine_offset: int


@frozen
class Encoded:
    """The segments of one piece, ready to be committed."""

    events: list[EncodedSegment]
    rejects: list[EncodedSegment]


def capture(
    source: Source,
    log: Log,
    partition: str,
    *,
    first: Position | int | None = None,
    upto: Position | int | None = None,
    options: CaptureOptions | None = None,
    progress: Progress | None = None,
) -> CaptureReceipt:
    """Bring `partition` up to `upto`, or to the source's safe head; returns at once if it is there.

    Running it again continues; running it twice at once lets one win. The source is not closed.

    Args:
        source: the source; its name and epoch must be those the partition was begun with.
        log: where to write.
        partition: the log partition of this source, `[a-z0-9][a-z0-9._-]*`.
        first: first position to take where nothing before it was captured; None: the beginning. The partition
            does not remember it. One that holds something goes on behind its checkpoint, also if that is
            beyond `first`: what lies between `first` and its own beginning is not taken then. A `first`
            beyond the safe head takes nothing and leaves nothing; the same call takes it later.
        upto: last position to take, inclusive; never beyond the source's head.
        options: bounds; the defaults fit most uses.
        progress: told after every commit.

    Raises:
        ConfigError: `first` is negative or beyond `upto`, or the partition ends before `first` - 1, so that
            going on there would leave a hole.
        EpochError: the source is not the one the partition was captured from.
        FenceError: another writer took the partition over; nothing is lost, this run may stop.
        InvalidEventError: the source breaks its contract (positions out of order).
    """
    options = options or CaptureOptions()
    _see_range(first, upto)
    receipt = CaptureReceipt(partition=partition, source=source.name)
    reader = log.reader(partition)
    head = reader.head()
    receipt.digest = "" if head is None else head.sha256
    known = None if head is None else head.checkpoint
    epoch = source.epoch()
    same_source(known, source.name, epoch)
    receipt.position = None if known is None else known.position
    after = _after(known, first, partition)
    if isinstance(source, SupportsGaps):
        source.resume(after)
    safe = source.head()
    end = safe if upto is None or safe is None else min(int(safe), int(upto))
    if end is not None and (after is None or after < end):
        with log.writer(partition, segment_positions=options.segment_positions) as writer:
            same_source(writer.checkpoint, source.name, epoch)
            after = _after(writer.checkpoint, first, partition)
            if after is None or after < end:
                _enter_gaps(source, log, partition, after, end)
                _run(source, writer, epoch, after, Position(end), options, receipt, progress)
    _look_for_late(source, log, partition)
    return receipt


def _see_range(first: int | None, upto: int | None) -> None:
    if first is not None and first < 0:
        raise ConfigError(f"first is {first}.", hint="Positions begin at 0.", setting="first")
    if first is not None and upto is not None and first > upto:
        raise ConfigError(
            f"The first position, {first}, is beyond the last, {upto}.",
            hint="Both are inclusive.",
            first=first,
        )


def _after(known: Checkpoint | None, first: int | None, partition: str) -> Position | None:
    """Where to read on: behind the checkpoint; where there is none, behind what `first` leaves out."""
    if known is None:
        return Position(first - 1) if first else None
    if first is not None and known.position < first - 1:
        raise ConfigError(
            f"Partition {partition} ends at position {known.position}; beginning at {first} would leave a "
            "hole.",
            hint=f"Leave the first position (--from) away to go on at {known.position + 1}, or name another "
            "partition.",
            partition=partition,
            position=known.position,
        )
    return Position(known.position)


def _enter_gaps(source: Source, log: Log, partition: str, after: int | None, end: int) -> None:
    """Write down what is taken for dead, before anything is committed beyond it.

    What another run has committed since the source was told where to begin is that run's to answer for.
    """
    if isinstance(source, SupportsGaps):
        begun = -1 if after is None else after
        found = (_clipped(each, begun, end) for each in source.gaps())
        log.gaps(partition).enter(each for each in found if len(each.first))


def _clipped(gaps: Gaps, after: int, end: int) -> Gaps:
    """The part of `gaps` in (after, end]."""
    inside = pc.and_(pc.less_equal(gaps.first, end), pc.greater(gaps.last, after))
    return evolve(
        gaps,
        after=max(gaps.after, after),
        upto=min(gaps.upto, end),
        first=pc.max_element_wise(gaps.first.filter(inside), after + 1),
        last=pc.min_element_wise(gaps.last.filter(inside), end),
    )


def _look_for_late(source: Source, log: Log, partition: str) -> None:
    """Raise for events that appeared where none could; all others are committed by then."""
    if not isinstance(source, SupportsGaps):
        return
    ledger = log.gaps(partition)
    looked: list[Gaps] = []

    def open_gaps() -> Iterator[Gaps]:
        # Read from the store only when the source begins to look.
        looked.extend(ledger.open())
        yield from looked

    found = source.late(open_gaps())
    if looked:
        ledger.note_recheck(len(found))
    if found:
        positions = position_ranges(found)
        shown = ",".join(positions[:20])
        raise LateEventError(
            f"Events appeared at positions of {source.name} proven dead: {shown}.",
            hint="Somebody chose their ids, or kept them. Capture exactly these into a partition of its own "
            f"(`eventreplay postgres repair {shown} --into {partition}-late`, or capture_late), and find out"
            " who writes so.",
            partition=partition,
            positions=positions,
        )


def capture_late(
    source: Source, log: Log, partition: str, positions: Sequence[str], *, into: str
) -> CaptureReceipt:
    """Repair: capture late events into partition `into`, then end the alarm of `partition` for them.

    Args:
        source: one that yields exactly these positions and no others.
        log: where both partitions are.
        partition: the one whose capture raised `LateEventError`.
        positions: as that error's field has them: `17`, `19-21`.
        into: a partition of its own for these.

    Raises:
        LogError: the source yielded another number of events; the alarm stays.
    """
    ranges = [
        (int(first), int(last or first)) for first, _, last in (text.partition("-") for text in positions)
    ]
    receipt = capture(source, log, into)
    wanted = sum(last - first + 1 for first, last in ranges)
    head = log.reader(into).head()
    held = 0 if head is None else head.next_offset + head.next_quarantine_offset
    if held != wanted:
        raise LogError(
            f"{wanted} late events were to be captured into {into}, which holds {held}.",
            hint="Give a source of exactly these positions, and a partition that holds nothing else.",
            wanted=wanted,
            held=held,
        )
    for first, last in ranges:
        log.gaps(partition).settle(first, last, into=into)
    return receipt


def position_ranges(positions: Sequence[int]) -> list[str]:
    """Ascending positions as `17` and `19-21`."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and runs[-1][1] == position - 1:
            runs[-1][1] = position
        else:
            runs.append([position, position])
    return [str(first) if first == last else f"{first}-{last}" for first, last in runs]


def _run(
    source: Source,
    writer: PartitionWriter,
    epoch: str,
    after: Position | None,
    end: Position,
    options: CaptureOptions,
    receipt: CaptureReceipt,
    progress: Progress | None,
) -> None:
    total = int(end) - (-1 if after is None else int(after))
    pieces = cut(
        source.read(after, end),
        after=after,
        upto=int(end),
        segment_positions=writer.segment_positions or options.segment_positions,
        segment_bytes_max=options.segment_bytes_max,
        limits=options.limits,
    )
    jobs = _jobs(pieces, writer)
    begun = -1 if after is None else int(after)
    with ThreadPoolExecutor(options.workers, thread_name_prefix="eventreplay-encode") as executor:
        for job, encoded in ordered(executor, encode_job, jobs, ahead_max=options.workers):
            checkpoint = Checkpoint(source=source.name, epoch=epoch, position=job.piece.upto)
            commit_piece(writer, job.piece, encoded, checkpoint, receipt)
            if progress is not None:
                progress(job.piece.upto - begun, total)


def _jobs(pieces: Iterator[Piece], writer: PartitionWriter) -> Iterator[Job]:
    offset, quarantine_offset = writer.next_offset, writer.next_quarantine_offset
    for piece in pieces:
        yield Job(piece, offset, quarantine_offset)
        offset += piece.events.num_rows
        quarantine_offset += piece.rejects.num_rows


def encode_job(job: Job) -> Encoded:
    """Hash and encode one piece. Pure; runs in any thread."""
    events, rejects = job.piece.events, job.piece.rejects
    return Encoded(
        [encode_events(events, job.first_offset)] if events.num_rows else [],
        [encode_rejects(rejects, job.first_quarantine_offset)] if rejects.num_rows else [],
    )


def commit_piece(
    writer: PartitionWriter, piece: Piece, encoded: Encoded, checkpoint: Checkpoint, receipt: CaptureReceipt
) -> None:
    """One atomic step: data and checkpoint. Before it, the books must balance (promise P6)."""
    logged = sum(segment.ref.rows for segment in encoded.events)
    quarantined = sum(segment.ref.rows for segment in encoded.rejects)
    if logged + quarantined != piece.rows:
        raise LogError(
            f"A piece of {piece.rows} records came out as {logged} events and {quarantined} rejects.",
            hint="Nothing of it was committed. This is a defect of eventreplay: please report it.",
            received=piece.rows,
            logged=logged,
            quarantined=quarantined,
        )
    commit = writer.commit(encoded.events, encoded.rejects, checkpoint)
    receipt.received += piece.rows
    receipt.logged += logged
    receipt.quarantined += quarantined
    receipt.commits += 1
    receipt.position = checkpoint.position
    receipt.digest = commit.sha256


def between(before: Commit | None, now: Commit) -> CaptureReceipt:
    """What was captured from one commit of a partition to another: the receipt of a run that gave none."""
    logged = now.next_offset - (0 if before is None else before.next_offset)
    quarantined = now.next_quarantine_offset - (0 if before is None else before.next_quarantine_offset)
    return CaptureReceipt(
        partition=now.partition,
        source=now.checkpoint.source,
        received=logged + quarantined,
        logged=logged,
        quarantined=quarantined,
        commits=now.number - (0 if before is None else before.number),
        position=now.checkpoint.position,
        digest=now.sha256,
    )


def same_source(known: Checkpoint | None, name: str, epoch: str) -> None:
    """Stop with `EpochError` unless `known` was taken from this source and this epoch of it."""
    if known is None:
        return
    if known.source != name:
        raise EpochError(
            f"The partition was captured from source {known.source!r}, not from {name!r}.",
            hint="Capture another source into a partition of its own.",
            expected=known.source,
            found=name,
        )
    if known.epoch != epoch:
        raise EpochError(
            f"Source {name!r} is not the one this partition was captured from: its epoch changed.",
            hint="It was restored, replaced or edited below the checkpoint. Capture it into a new partition.",
            expected=known.epoch,
            found=epoch,
        )
