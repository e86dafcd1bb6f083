"""verify: does the warehouse hold exactly what the log holds? Counted and added up, not copied.

For each partition the chain of commits is verified, and RAW.EVENTS together with RAW.QUARANTINE is compared
with it up to the sink's checkpoint, by COUNT and SUM of hashes in ranges of commits. What is not loaded yet
is behind, not missing. Where a range differs, its rows are named: missing, doubled, altered, unknown.
Given a codec, every segment is also read, hashed and decoded again, and compared with RAW column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, field, frozen

from eventreplay.capabilities.tally import (
    OFFSET_END,
    OFFSET_MIN,
    Order,
    Span,
    SupportsComparison,
    SupportsDays,
    SupportsTally,
    Tally,
)
from eventreplay.errors import CodecChangedError, ConfigError, EpochError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Commit, Log, PartitionReader
from eventreplay.raw_rows import raw_rows
from eventreplay.verify.differences import Differences, Drill, Named
from eventreplay.verify.reckoning import Days, LogSide, by_day, proven
from eventreplay.verify.verification import DayVerification, PartitionVerification, RangeTally, Verification

__all__ = [
    "Named",
    "PartitionVerification",
    "RangeTally",
    "SupportsComparison",
    "SupportsTally",
    "Verification",
    "verify",
]

Progress = Callable[[int, int | None], None]

RANGES_MAX = 64
"""Ranges of commits that one partition is compared in, by one query."""
MOVES_MAX = 8
"""How often a load may move the checkpoint while rows behind it are looked for."""
_ORDERS: tuple[Order, ...] = ("log", "capture")
_BATCH_ROWS = 65_536


def verify(
    log: Log,
    sink: Sink,
    *,
    replay_id: str = "live",
    partitions: Iterable[str] | None = None,
    codec: Codec | None = None,
    samples_max: int = 100,
    progress: Progress | None = None,
) -> Verification:
    """Compare what a sink holds with the log, up to the sink's checkpoints. Changes nothing.

    A load may go on meanwhile. Without a codec no segment is read where all is equal, and no row leaves the
    warehouse; an altered payload, or another column that no hash covers, is then not seen.

    Args:
        log: what ought to be there.
        sink: what is; not closed.
        replay_id: whose checkpoints say up to where.
        partitions: only these; None: all of the log, and then rows of any other partition are unknown.
        codec: the one that made the rows: read, hash and decode the log again, and compare every column.
        samples_max: rows named of each kind.
        progress: told of rows compared, and of all.

    Raises:
        ConfigError: the sink cannot be tallied, or compared; or a partition is not in the log.
        EpochError: the sink was loaded from another log, or the log was rolled back under it.
        CodecChangedError: another codec made the rows than the one given.
        CorruptLogError: the log is not what was committed; nothing can be compared with it.
    """
    if not isinstance(sink, SupportsTally):
        raise ConfigError(
            "This sink cannot be verified.", hint="Its class needs the methods of SupportsTally."
        )
    if codec is not None and not isinstance(sink, SupportsComparison):
        raise ConfigError("This sink cannot compare columns.", hint="Leave the deep comparison away.")
    if samples_max < 0:
        raise ConfigError(f"samples_max is {samples_max}.", hint="It is at least 0.", setting="samples_max")
    known = log.partitions()
    chosen = known if partitions is None else sorted(set(partitions))
    for name in set(chosen) - set(known):
        raise ConfigError(f"The log has no partition {name!r}.", hint="`eventreplay log ls` lists them.")
    run = _Run(log, sink, sink, replay_id, codec, Differences(samples_max), progress)
    places = [run.place(log.reader(name)) for name in chosen]
    run.total = sum(place.rows for place in places) * (1 if codec is None else 2)
    parts = tuple(run.partition(place) for place in places)
    if partitions is None:
        run.strangers()
    found = run.found
    return Verification(
        log=log.url,
        replay_id=replay_id,
        deep=codec is not None,
        partitions=parts,
        missing=_in_order(found.missing),
        doubled=_in_order(found.doubled),
        altered=_in_order(found.altered),
        unknown=_in_order(found.unknown),
        **{f"{kind}_count": count for kind, count in found.counts.items()},
    )


@frozen
class _Place:
    """A partition whose chain was verified: up to where it is compared, and how far the log is."""

    reader: PartitionReader
    sides: dict[Order, LogSide]
    upto: Commit | None
    head: Commit | None

    @property
    def rows(self) -> int:
        return sum(side.end for side in self.sides.values())


@define
class _Run:
    log: Log
    sink: Sink
    tallies: SupportsTally
    replay_id: str
    codec: Codec | None
    found: Differences
    progress: Progress | None
    total: int = 0
    done: int = field(default=0, init=False)

    def place(self, reader: PartitionReader) -> _Place:
        """Verify the chain, and find the commit up to which the sink says it is loaded."""
        known = self._checkpoint(reader.partition)
        sides = {order: LogSide(self.log, reader, order) for order in _ORDERS}
        upto = head = None
        epoch = reader.epoch()
        for commit in reader.commits():
            head = commit
            if known is not None and commit.number <= known.position:
                for side in sides.values():
                    side.add(commit)
                upto = commit
        if known is not None:
            self._see_loaded_from_here(reader.partition, known, upto, epoch)
        return _Place(reader, sides, upto, head)

    def partition(self, place: _Place) -> PartitionVerification:
        """Compare one partition."""
        ranges: list[RangeTally] = []
        for side in place.sides.values():
            ranges += self._order(place, side)
            self._advance(side.end)
        due: Days = {}
        if self.codec is not None and place.upto is not None:
            self._columns(place, self.codec, due)
        upto, head = place.upto, place.head
        return PartitionVerification(
            partition=place.reader.partition,
            commits=0 if upto is None else upto.number,
            digest="" if upto is None else upto.sha256,
            rows=place.rows,
            behind_commits=(0 if head is None else head.number) - (0 if upto is None else upto.number),
            behind_rows=_rows_at(head) - _rows_at(upto),
            ranges=tuple(ranges),
            days=self._days(place, due) if self.codec is not None else (),
        )

    def _days(self, place: _Place, due: Days) -> tuple[DayVerification, ...]:
        """What the log gave by day, and what the sink counts."""
        if not isinstance(self.sink, SupportsDays):
            return ()
        tallied = self.sink.days(place.reader.partition, place.sides["log"].end)
        held = {each.day: (each.rows, each.hashes) for each in tallied}
        return tuple(
            DayVerification(
                day=day,
                due=due.get(day, (0, 0))[0],
                rows=held.get(day, (0, 0))[0],
                due_hash_sum=due.get(day, (0, 0))[1],
                hash_sum=held.get(day, (0, 0))[1],
            )
            for day in sorted(due.keys() | held.keys())
        )

    def strangers(self) -> None:
        """Rows of partitions that the log does not have."""
        there = self.tallies.partitions()
        everything = Span(OFFSET_MIN, OFFSET_END)
        for name in sorted(set(there) - set(self.log.partitions())):
            for order in _ORDERS:
                (tally,) = self.tallies.tally(name, order, [everything])
                if tally.rows:
                    self._stranger(name, order, everything, tally)

    def _stranger(self, name: str, order: Order, span: Span, tally: Tally) -> None:
        rows = self.tallies.tallied(name, order, span, rows_max=self.found.samples_max)
        named = (
            Named(partition=name, order=order, offset=offset, event_id=event_id, copies=1)
            for batch in rows
            for offset, event_id in zip(
                batch.column("log_offset").to_pylist(), batch.column("event_id").to_pylist(), strict=True
            )
        )
        self.found.add("unknown", tally.rows, named)

    def _order(self, place: _Place, side: LogSide) -> Iterator[RangeTally]:
        """Tally ranges of commits, and before and behind them, in one query."""
        drill = Drill(self.tallies, side, self.found, rows_compared=self.codec is not None)
        inside = side.ranges(RANGES_MAX)
        spans = [Span(OFFSET_MIN, 0), *inside, Span(side.end, OFFSET_END)]
        before, *tallies, behind = drill.tally(spans)
        differ = []
        for span, tally in zip(inside, tallies, strict=True):
            made = _range(side, span, tally, equal=drill.is_equal(span, tally))
            if not made.equal:
                differ.append((span, tally))
            yield made
        drill.into(differ)
        if before.rows:
            drill.unknown(spans[0], before)
        self._behind(place, side, drill, behind)

    def _behind(self, place: _Place, side: LogSide, drill: Drill, tally: Tally) -> None:
        """Rows beyond the checkpoint are unknown, unless a load has brought them in the meantime."""
        end = side.end
        for _ in range(MOVES_MAX):
            if tally.last is None:
                return
            known = self._checkpoint(place.reader.partition)
            commit = None if known is None else place.reader.commit(known.position)
            now = 0 if commit is None else _end(commit, side.order)
            if tally.last < now:
                return
            if now == end:
                break
            # What was counted before the checkpoint moved may be its rows: count what is beyond it now.
            end = now
            (tally,) = drill.tally([Span(end, OFFSET_END)])
        if tally.rows:
            drill.unknown(Span(end, OFFSET_END), tally)

    def _columns(self, place: _Place, codec: Codec, days: Days) -> None:
        """Read, hash and decode every segment again; compare each column of each row, and count by day."""
        upto = 0 if place.upto is None else place.upto.number
        for commit in place.reader.commits():
            if commit.number > upto:
                return
            for ref, rejects in (
                *((ref, False) for ref in commit.segments),
                *((ref, True) for ref in commit.quarantine),
            ):
                table = proven(ref, self.log.read(ref), rejects=rejects)
                for made in raw_rows(table, commit.partition, codec, _BATCH_ROWS, rejects=rejects):
                    by_day(made.rows, days)
                    for rows in (made.rows, made.refused):
                        self._compare(rows, "capture" if rejects else "log")
                self._advance(ref.rows)

    def _compare(self, rows: pa.RecordBatch, order: Order) -> None:
        if not rows.num_rows:
            return
        assert isinstance(self.sink, SupportsComparison)  # noqa: S101 - `verify` has seen to it
        differ = self.sink.differing(rows)
        named = (self._altered(rows, order, offset, differ[offset]) for offset in sorted(differ))
        self.found.add("altered", len(differ), named)

    @staticmethod
    def _altered(rows: pa.RecordBatch, order: Order, offset: int, columns: Sequence[str]) -> Named:
        at = pc.index(rows.column("log_offset"), offset).as_py()
        return Named(
            partition=rows.column("log_partition")[0].as_py(),
            order=order,
            offset=offset,
            event_id=rows.column("event_id")[at].as_py(),
            copies=1,
            detail=", ".join(columns),
        )

    def _advance(self, rows: int) -> None:
        self.done += rows
        if self.progress is not None:
            self.progress(self.done, self.total)

    def _checkpoint(self, partition: str) -> Checkpoint | None:
        return self.sink.begin(f"{self.replay_id}/{partition}")

    def _see_loaded_from_here(
        self, partition: str, known: Checkpoint, upto: Commit | None, epoch: str
    ) -> None:
        """The checkpoint must speak of this log; and of this codec, if there is one."""
        if upto is None or (known.epoch, known.position, known.digest) != (epoch, upto.number, upto.sha256):
            raise EpochError(
                f"The sink has loaded commit {known.position} of {partition!r}, which is not in this log.",
                hint="The log was replaced or rolled back: nothing can be compared. Point to the right one.",
                expected=known.digest,
                found=None if upto is None else upto.sha256,
            )
        if self.codec is not None and known.fingerprint != self.codec.fingerprint:
            raise CodecChangedError(
                f"Commits of {partition!r} up to {known.position} were decoded by another codec.",
                hint="Compare with the schemas and limits that loaded them, or load them again.",
                expected=known.fingerprint,
                found=self.codec.fingerprint,
            )


def _range(side: LogSide, span: Span, tally: Tally, *, equal: bool) -> RangeTally:
    first, last = side.commits_of(span)
    return RangeTally(
        order=side.order,
        first_commit=first,
        last_commit=last,
        first_offset=span.first,
        end_offset=span.end,
        log_rows=span.end - span.first,
        rows=tally.rows,
        refused=tally.refused,
        log_hash_sum=side.hash_sum(span),
        claimed=tally.claimed,
        computed=tally.computed,
        equal=equal,
    )


def _in_order(named: Iterable[Named]) -> tuple[Named, ...]:
    return tuple(sorted(named, key=lambda one: (one.partition, _ORDERS.index(one.order), one.offset)))


def _rows_at(commit: Commit | None) -> int:
    return 0 if commit is None else commit.next_offset + commit.next_quarantine_offset


def _end(commit: Commit, order: Order) -> int:
    return commit.next_offset if order == "log" else commit.next_quarantine_offset
