"""What the log says of any range of offsets: how many rows, and the sum of their hashes; by row if need be.

The sums of whole commits are those that the commits vouch for; only where a range cuts through a commit are
its segments read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, field, frozen

from eventreplay.capabilities.tally import Order, Span
from eventreplay.errors import CorruptLogError
from eventreplay.hashing import event_hash, hash_sum, payload_sha256
from eventreplay.log import Commit, Log, PartitionReader, SegmentRef

_EMPTY_ID = ""
_HALF_BITS = 32


@frozen
class LogRows:
    """Rows of a range, as far as they are compared: aligned, by offset.

    Attributes:
        first: offset of the first row; they count on without gaps.
        event_id: string array; null where a record had none.
        hashes: int64; what a row of the sink has to claim, and to compute to.
    """

    first: int
    event_id: pa.Array
    hashes: np.ndarray


@define
class LogSide:
    """One partition of the log up to a commit, in one of its two orders of offsets.

    Args:
        log: where it is read from.
        reader: of the partition.
        order: events, or what capture refused.

    Attributes:
        edges: offset at which each commit begins, and the one behind the last.
        sums: exact sum of the event hashes below each edge; of refused records a commit vouches for none.
        numbers: the first commit's number; they count on.
    """

    log: Log
    reader: PartitionReader
    order: Order
    edges: list[int] = field(factory=lambda: [0])
    sums: list[int] = field(factory=lambda: [0])
    _cached: tuple[str, pa.Table] | None = None
    _commit: Commit | None = None

    def add(self, commit: Commit) -> None:
        """Take the next commit, whose place in the chain was verified."""
        refs = self._refs(commit)
        self.edges.append(self.edges[-1] + sum(ref.rows for ref in refs))
        self.sums.append(self.sums[-1] + sum(ref.event_hash_sum for ref in refs))

    @property
    def end(self) -> int:
        """The offset behind the last."""
        return self.edges[-1]

    def commits_of(self, span: Span) -> tuple[int, int]:
        """Numbers of the first and the last commit that hold any of a span's rows."""
        first = bisect_right(self.edges, span.first)
        return first, max(first, bisect_left(self.edges, span.end))

    def hash_sum(self, span: Span) -> int | None:
        """The exact sum of the hashes in a span; None if it would have to be read and is not known."""
        first, end = bisect_left(self.edges, span.first), bisect_left(self.edges, span.end)
        if self.order == "capture":
            return None
        if self.edges[first] == span.first and self.edges[end] == span.end:
            # Where commits without rows share an edge, their sums are equal.
            return self.sums[end] - self.sums[first]
        return sum(hash_sum(pa.array(rows.hashes)) for rows in self.rows(span))

    def rows(self, span: Span) -> Iterator[LogRows]:
        """The rows of a span, a segment's part at a time.

        Raises:
            CorruptLogError: a segment is not what its commit says.
        """
        for ref in self._segments(span):
            table = self._read(ref)
            begin = max(span.first, ref.first_offset)
            part = table.slice(begin - ref.first_offset, min(span.end, ref.next_offset) - begin)
            yield LogRows(begin, part.column("event_id").combine_chunks(), self._hashes(part))

    def ranges(self, parts: int) -> list[Span]:
        """Everything as at most `parts` + 1 spans of whole commits, for which nothing has to be read."""
        span = Span(0, self.end)
        return self._cut(span, self._between(span, parts)) if self.end else []

    def split(self, span: Span, parts: int) -> list[Span]:
        """A span as at most `parts` + 1 smaller ones, cut between commits where it holds several."""
        chosen = self._between(span, parts)
        if not chosen:
            chosen = [span.first + (span.end - span.first) * at // parts for at in range(1, parts)]
        return self._cut(span, chosen)

    def _between(self, span: Span, parts: int) -> list[int]:
        """At most so many edges of commits inside of a span, evenly chosen."""
        first, end = bisect_right(self.edges, span.first), bisect_left(self.edges, span.end)
        inner = self.edges[first:end]
        return [inner[len(inner) * at // parts] for at in range(parts)] if inner else []

    def _cut(self, span: Span, chosen: list[int]) -> list[Span]:
        cuts = [span.first, *sorted({cut for cut in chosen if span.first < cut < span.end}), span.end]
        return [Span(*pair) for pair in pairwise(cuts)]

    def _refs(self, commit: Commit) -> tuple[SegmentRef, ...]:
        return commit.segments if self.order == "log" else commit.quarantine

    def _segments(self, span: Span) -> Iterator[SegmentRef]:
        first, last = self.commits_of(span)
        for number in range(first, last + 1):
            if self._commit is None or self._commit.number != number:
                self._commit = self.reader.commit(number)
            for ref in () if self._commit is None else self._refs(self._commit):
                if ref.first_offset < span.end and ref.next_offset > span.first:
                    yield ref

    def _read(self, ref: SegmentRef) -> pa.Table:
        """One segment is kept: the parts of a range that was cut follow each other."""
        if self._cached is None or self._cached[0] != ref.key:
            self._cached = (ref.key, self.log.read(ref))
        return self._cached[1]

    def _hashes(self, rows: pa.Table) -> np.ndarray:
        if self.order == "log":
            stored: np.ndarray = rows.column("event_hash").to_numpy()
            return stored
        digests = rows.column("payload_sha256").combine_chunks()
        found: np.ndarray = event_hash(pa.repeat(_EMPTY_ID, len(digests)), digests).to_numpy()
        return found


def rehashed(rows: pa.Table, digests: pa.Array, *, rejects: bool) -> bool:
    """Whether the hashes that a segment carries are those of its own bytes, given its payloads' digests."""
    if not rows.column("payload_sha256").combine_chunks().equals(digests):
        return False
    hashes = None if rejects else event_hash(rows.column("event_id").combine_chunks(), digests)
    return hashes is None or bool(rows.column("event_hash").combine_chunks().equals(hashes))


def proven(ref: SegmentRef, table: pa.Table, *, rejects: bool) -> pa.Table:
    """A segment whose hashes are those of its own bytes.

    Raises:
        CorruptLogError: they are not; its commit was forged with it.
    """
    payload = table.column("payload").combine_chunks()
    digests = payload_sha256(pc.fill_null(payload, b"") if rejects else payload)
    if not rehashed(table, digests, rejects=rejects):
        raise CorruptLogError(
            f"{ref.key} carries hashes that are not those of its rows.",
            hint="Run `eventreplay log check`; it names what is damaged.",
            key=ref.key,
            detail="hashes",
        )
    return table


Days = dict[date, tuple[int, int]]
"""Rows and the exact sum of their hashes, by day of `occurred_at`, UTC."""


def by_day(rows: pa.RecordBatch, days: Days) -> None:
    """Add rows of RAW_SCHEMA to what is known of their days."""
    if not rows.num_rows:
        return
    hashes = rows.column("event_hash").to_numpy()
    day = rows.column("occurred_at").cast(pa.timestamp("us")).cast(pa.date32())
    # Halves are summed apart: 64 bits would wrap around.
    table = pa.table({"day": day, "high": hashes >> _HALF_BITS, "low": hashes & ((1 << _HALF_BITS) - 1)})
    summed = table.group_by("day").aggregate([([], "count_all"), ("high", "sum"), ("low", "sum")])
    for one in summed.to_pylist():
        count, total = days.get(one["day"], (0, 0))
        exact = (one["high_sum"] << _HALF_BITS) + one["low_sum"]
        days[one["day"]] = (count + one["count_all"], total + exact)
