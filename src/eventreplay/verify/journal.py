"""journal: does the log hold what the journal holds? Counted and added up, and nothing is copied.

The journal counts and adds up its own records by ranges of positions, where it can; else it is read. A range
that differs is cut into ever smaller ones, and the records that differ are named. What lies beyond the log's
checkpoint is behind, not missing. Records that the journal has and the log has not can be captured, exactly
those; nothing else is ever put right: the log keeps what was written first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, evolve, field, frozen

from eventreplay.capabilities.tally import (
    JOURNAL_SCHEMA,
    JournalTally,
    Span,
    SupportsJournalTally,
    SupportsTargets,
)
from eventreplay.capture import CaptureReceipt, capture_late, position_ranges
from eventreplay.errors import ConfigError
from eventreplay.event import Position
from eventreplay.hashing import event_hash, hash_sum, payload_sha256
from eventreplay.interfaces import Source
from eventreplay.log import Log
from eventreplay.verify.series import Series, series_of
from eventreplay.verify.verification import JournalVerification, NamedPosition, PositionRange

__all__ = ["JournalVerification", "NamedPosition", "PositionRange", "capture_missing", "verify_journal"]

Progress = Callable[[int, int | None], None]

RANGES_MAX = 64
"""Ranges of positions that the whole is compared in."""
QUERY_SPANS_MAX = 16
"""Ranges that the journal is asked for at once."""
PARTS = 16
"""Into how many a range that differs is cut."""
LEAF_ROWS = 1_024
"""A range that has so many records, on either side, is compared record by record."""
REPAIR_POSITIONS_MAX = 10_000
"""Positions that one repair captures."""

_KINDS = ("missing", "gone", "doubled", "altered")
UNCAPTURED, TAKEN_FOR_DEAD = "no partition has come to it", "it was taken for dead"
AGAIN, TWICE_IN_LOG, ANOTHER = (
    "the journal has several records there",
    "it was captured more than once",
    "its id or payload is another one",
)


def verify_journal(
    source: Source,
    log: Log,
    *,
    partitions: Iterable[str] | None = None,
    first: int = 0,
    samples_max: int = 100,
    progress: Progress | None = None,
) -> JournalVerification:
    """Compare a journal with what the log holds of it, up to the log's checkpoint. Changes nothing.

    Args:
        source: the journal, with the filter it was captured with; not closed.
        log: what was captured.
        partitions: only these, with what came late to them; None: all that were captured from it.
        first: the lowest position to compare, where what lies below was left out on purpose.
        samples_max: records named of each kind.
        progress: told of records compared, and of all.

    Raises:
        ConfigError: no partition was captured from this journal, as it is now.
        CorruptLogError: the log is not what was committed.
        SourceError: the journal cannot be read.
    """
    series = series_of(log, source.name, source.epoch(), None if partitions is None else list(partitions))
    if not series.covered:
        raise ConfigError(
            f"No partition of the log was captured from {source.name}.",
            hint="Give the source with the options it was captured with. Of a server that was restored or "
            "replaced, what was captured before cannot be compared.",
            source=source.name,
        )
    run = _Run(_side(source), series, log, _Found(samples_max))
    ranges = run.compare(first, progress)
    behind = run.journal.journal_tally([Span(series.upto + 1, (1 << 63) - 1)])[0].rows
    found = run.found
    facts: dict[str, Any] = {f"{kind}_count": count for kind, count in found.counts.items()}
    facts |= {kind: tuple(sorted(getattr(found, kind), key=_place)) for kind in _KINDS}
    return JournalVerification(
        log=log.url,
        source=source.name,
        partitions=series.covered,
        late=series.late,
        upto=series.upto,
        behind=behind,
        ranges=tuple(ranges),
        **facts,
    )


def capture_missing(source: Source, log: Log, found: JournalVerification) -> tuple[CaptureReceipt, ...]:
    """Capture exactly what was found missing, into partitions of its own; compare again afterwards.

    What no partition has come to yet is left to the capture that is on its way. The log's partitions stay as
    they are: the missing records come into `<partition>-late-<first position>` beside them, in which a run
    that was killed goes on.

    Args:
        source: the journal; it needs `SupportsTargets`.
        log: where they go.
        found: what `verify_journal` gave, with all that is missing by name.

    Raises:
        ConfigError: the source cannot be asked for single positions, or not all that is missing is named.
        LogError: the journal gave another number of records than it had counted.
    """
    if not isinstance(source, SupportsTargets):
        raise ConfigError(
            "This source cannot be read by single positions.", hint="It needs `SupportsTargets`."
        )
    if len(found.missing) != found.missing_count or found.missing_count > REPAIR_POSITIONS_MAX:
        raise ConfigError(
            f"{found.missing_count:,} records are missing, {len(found.missing):,} of them by name.",
            hint=f"A repair captures {REPAIR_POSITIONS_MAX:,} at most: capture so many into a new partition.",
            missing=found.missing_count,
        )
    due: dict[str, list[int]] = {}
    for one in found.missing:
        if one.detail != UNCAPTURED:
            due.setdefault(one.partitions[0], []).append(one.position)
    receipts = []
    for partition, positions in sorted(due.items()):
        texts = position_ranges(sorted(positions))
        target = source.only(texts)
        try:
            into = f"{partition}-late-{min(positions)}"
            receipts.append(capture_late(target, log, partition, texts, into=into))
        finally:
            target.close()
    return tuple(receipts)


@define
class _Found:
    """Exact counts, and the first so many of each kind by name."""

    samples_max: int
    missing: list[NamedPosition] = field(factory=list)
    gone: list[NamedPosition] = field(factory=list)
    doubled: list[NamedPosition] = field(factory=list)
    altered: list[NamedPosition] = field(factory=list)
    counts: dict[str, int] = field(
        factory=lambda: dict.fromkeys(("missing", "gone", "doubled", "altered"), 0)
    )

    def add(self, kind: str, count: int, named: Iterable[NamedPosition]) -> None:
        self.counts[kind] += count
        known: list[NamedPosition] = getattr(self, kind)
        for one in named:
            if len(known) >= self.samples_max:
                break
            known.append(one)


@define
class _Run:
    journal: SupportsJournalTally
    series: Series
    log: Log
    found: _Found
    _dead: list[tuple[int, int]] | None = None

    def compare(self, first: int, progress: Progress | None) -> list[PositionRange]:
        """Tally ranges, and look into those that differ."""
        whole = Span(first, max(first, self.series.upto + 1))
        due = self.series.tally(whole).rows
        made: list[PositionRange] = []
        done = 0
        stack = self.series.ranges(whole, RANGES_MAX) if whole.end > whole.first else []
        for begin in range(0, len(stack), QUERY_SPANS_MAX):
            for span, held, has in self._tallied(stack[begin : begin + QUERY_SPANS_MAX]):
                made.append(
                    PositionRange(
                        first=span.first,
                        last=span.end - 1,
                        log_rows=held.rows,
                        rows=has.rows,
                        log_hash_sum=held.hashes,
                        hash_sum=has.hashes,
                    )
                )
                if held != has:
                    self._into(span, held, has)
                done += held.rows
                if progress is not None:
                    progress(done, due)
        return made

    def _tallied(self, spans: Sequence[Span]) -> Iterator[tuple[Span, JournalTally, JournalTally]]:
        """Spans with what the log holds of each, and what the journal has."""
        for span, has in zip(spans, self.journal.journal_tally(spans), strict=True):
            yield span, self.series.tally(span), has

    def _into(self, span: Span, held: JournalTally, has: JournalTally) -> None:
        """Find the records that differ in a span that does."""
        stack = [(span, held, has)]
        while stack:
            span, held, has = stack.pop()
            if not held.rows:
                rows = _records(self.journal, span, self.found.samples_max)
                self.found.add("missing", has.rows, (self._missing(at, name, 1) for at, name, _ in rows))
            elif not has.rows:
                self.found.add("gone", held.rows, self._gone(span))
            elif max(held.rows, has.rows) <= LEAF_ROWS or span.end - span.first <= LEAF_ROWS:
                self._leaf(span)
            else:
                parts = self._tallied(self.series.ranges(span, PARTS))
                stack += reversed([part for part in parts if part[1] != part[2]])

    def _gone(self, span: Span) -> Iterator[NamedPosition]:
        for rows in self.series.rows(span):
            for at, name in zip(rows.positions.tolist(), rows.event_id.to_pylist(), strict=True):
                yield NamedPosition(
                    position=at, event_id=name, in_journal=0, in_log=1, partitions=(rows.partition,)
                )

    def _leaf(self, span: Span) -> None:
        """Compare record by record."""
        held: dict[int, list[tuple[str, str | None, int]]] = {}
        has: dict[int, list[tuple[str | None, int]]] = {}
        for rows in self.series.rows(span):
            for at, name, hashed in zip(
                rows.positions.tolist(), rows.event_id.to_pylist(), rows.hashes.tolist(), strict=True
            ):
                held.setdefault(at, []).append((rows.partition, name, hashed))
        for at, name, hashed in _records(self.journal, span, None):
            has.setdefault(at, []).append((name, hashed))
        for at in sorted(held.keys() | has.keys()):
            mine, theirs = held.get(at, []), has.get(at, [])
            if not mine:
                self.found.add("missing", 1, [self._missing(at, theirs[0][0], len(theirs))])
                continue
            one = NamedPosition(
                position=at,
                event_id=mine[0][1],
                in_journal=len(theirs),
                in_log=len(mine),
                partitions=tuple(sorted({partition for partition, _, _ in mine})),
            )
            if not theirs:
                self.found.add("gone", 1, [one])
                continue
            if len(mine) > 1 or len(theirs) > 1:
                detail = AGAIN if len(theirs) > 1 else TWICE_IN_LOG
                self.found.add("doubled", 1, [evolve(one, detail=detail)])
            if {hashed for _, _, hashed in mine} != {hashed for _, hashed in theirs}:
                self.found.add("altered", 1, [evolve(one, detail=ANOTHER)])

    def _missing(self, position: int, event_id: str | None, copies: int) -> NamedPosition:
        covering = self.series.covering(position)
        dead = TAKEN_FOR_DEAD if covering is not None and self._is_dead(position) else ""
        return NamedPosition(
            position=position,
            event_id=event_id,
            in_journal=copies,
            in_log=0,
            partitions=() if covering is None else (covering.partition,),
            detail=UNCAPTURED if covering is None else dead,
        )

    def _is_dead(self, position: int) -> bool:
        if self._dead is None:
            self._dead = [
                pair
                for each in self.series.covered
                for gaps in self.log.gaps(each.partition).open()
                for pair in zip(gaps.first.to_pylist(), gaps.last.to_pylist(), strict=True)
            ]
        return any(first <= position <= last for first, last in self._dead)


def _side(source: Source) -> SupportsJournalTally:
    return source if isinstance(source, SupportsJournalTally) else _Read(source)


@frozen
class _Read:
    """Counts and adds up by reading: for a source that cannot do so where its records are."""

    source: Source

    def journal_tally(self, spans: Sequence[Span]) -> list[JournalTally]:
        """A span after the other; memory is bounded by one batch of the source."""
        made = []
        for span in spans:
            count = total = 0
            for batch in self._batches(span):
                count += batch.num_rows
                total += hash_sum(batch.column("hash"))
            made.append(JournalTally(rows=count, hashes=total))
        return made

    def journal_rows(self, span: Span, *, rows_max: int | None = None) -> Iterator[pa.RecordBatch]:
        """The records of a span."""
        left = rows_max
        for batch in self._batches(span):
            part = batch if left is None else batch.slice(0, left)
            yield part
            left = None if left is None else left - part.num_rows
            if left == 0:
                return

    def _batches(self, span: Span) -> Iterator[pa.RecordBatch]:
        head = self.source.head()
        last = -1 if head is None else min(int(head), span.end - 1)
        if last < span.first:
            return
        after = None if span.first <= 0 else Position(span.first - 1)
        for batch in self.source.read(after, Position(last)):
            parts = [batch.events] if batch.rejected is None else [batch.events, batch.rejected]
            for rows in parts:
                if rows.num_rows:
                    yield _hashed(rows)


def _hashed(rows: pa.RecordBatch) -> pa.RecordBatch:
    ids = rows.column("event_id")
    digests = payload_sha256(pc.fill_null(rows.column("payload"), b""))
    hashes = event_hash(pc.fill_null(ids, ""), digests)
    return pa.RecordBatch.from_arrays([rows.column("source_position"), ids, hashes], schema=JOURNAL_SCHEMA)


def _records(
    journal: SupportsJournalTally, span: Span, rows_max: int | None
) -> Iterator[tuple[int, str | None, int]]:
    for batch in journal.journal_rows(span, rows_max=rows_max):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _place(one: NamedPosition) -> int:
    return one.position
