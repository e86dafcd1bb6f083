"""The log's side of a journal: which positions it holds, in whichever partitions, and with which hashes.

Ranges captured side by side, the partition that follows, and those that late arrivals went into are one
series of positions. Counts and sums are those that commits vouch for; segments are read where a span cuts
through one, and of refused records, of whose hashes no commit speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, field, frozen

from eventreplay.capabilities.tally import JournalTally, Span
from eventreplay.hashing import event_hash, hash_sum
from eventreplay.log import Log, SegmentRef

_MIN, _MAX = -(1 << 63), (1 << 63) - 1


@frozen
class SeriesRows:
    """Records of one partition in a span.

    Attributes:
        partition: whose.
        positions: int64, as the source gave them.
        hashes: int64, aligned; see `JOURNAL_SCHEMA`.
        event_id: string array, aligned; null where a record had none.
    """

    partition: str
    positions: np.ndarray
    hashes: np.ndarray
    event_id: pa.Array


@frozen(kw_only=True)
class Coverage:
    """A partition that was captured from the journal itself, in the order of its positions.

    Attributes:
        partition: its name.
        first: its lowest position; 0 for the partition that begins lowest.
        upto: its checkpoint.
    """

    partition: str
    first: int
    upto: int


@frozen
class _Piece:
    partition: str
    ref: SegmentRef
    rejects: bool


@define
class Series:
    """Positions of one journal in the log; see `series_of`.

    Attributes:
        log: where they are read from.
        covered: the partitions captured from the journal, by their first positions.
        late: partitions that hold late arrivals.
        edges: positions behind which commits end, ascending.
    """

    log: Log
    covered: tuple[Coverage, ...]
    late: tuple[str, ...]
    edges: list[int]
    _pieces: list[_Piece]
    _first: np.ndarray = field(init=False)
    _last: np.ndarray = field(init=False)
    _sums: dict[str, int] = field(factory=dict, init=False)
    _cached: tuple[str, SeriesRows] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        firsts = [
            _MIN if piece.ref.first_position is None else piece.ref.first_position for piece in self._pieces
        ]
        lasts = [
            _MAX if piece.ref.last_position is None else piece.ref.last_position for piece in self._pieces
        ]
        self._first, self._last = np.array(firsts, np.int64), np.array(lasts, np.int64)

    @property
    def upto(self) -> int:
        """The greatest checkpoint."""
        return max((each.upto for each in self.covered), default=-1)

    def covering(self, position: int) -> Coverage | None:
        """A partition whose capture has passed this position."""
        return next((each for each in self.covered if each.first <= position <= each.upto), None)

    def tally(self, span: Span) -> JournalTally:
        """What the log holds of a span."""
        count = total = 0
        for piece in self._overlapping(span):
            ref = piece.ref
            inside = (
                ref.first_position is not None
                and ref.last_position is not None
                and ref.first_position >= span.first
                and ref.last_position < span.end
            )
            if inside:
                count += ref.rows
                total += self._sum(piece)
            else:
                rows = self._within(piece, span)
                count += len(rows.positions)
                total += hash_sum(pa.array(rows.hashes))
        return JournalTally(rows=count, hashes=total)

    def rows(self, span: Span) -> Iterator[SeriesRows]:
        """The records of a span, a segment's part at a time.

        Raises:
            CorruptLogError: a segment is not what its commit says.
        """
        for piece in self._overlapping(span):
            yield self._within(piece, span)

    def ranges(self, span: Span, parts: int) -> list[Span]:
        """A span as at most `parts` + 1 smaller ones, cut between commits where it holds several."""
        first, end = np.searchsorted(self.edges, [span.first, span.end], side="left")
        inner = [edge for edge in self.edges[first:end] if edge > span.first]
        if inner:
            cuts = [inner[len(inner) * at // parts] for at in range(parts)]
        else:
            cuts = [span.first + (span.end - span.first) * at // parts for at in range(1, parts)]
        edges = [span.first, *sorted({cut for cut in cuts if span.first < cut < span.end}), span.end]
        return [Span(*pair) for pair in pairwise(edges)]

    def _overlapping(self, span: Span) -> Iterator[_Piece]:
        for at in np.flatnonzero((self._first < span.end) & (self._last >= span.first)):
            yield self._pieces[at]

    def _sum(self, piece: _Piece) -> int:
        if not piece.rejects:
            return piece.ref.event_hash_sum
        if piece.ref.key not in self._sums:
            self._sums[piece.ref.key] = hash_sum(pa.array(self._read(piece).hashes))
        return self._sums[piece.ref.key]

    def _within(self, piece: _Piece, span: Span) -> SeriesRows:
        rows = self._read(piece)
        mask = (rows.positions >= span.first) & (rows.positions < span.end)
        return SeriesRows(
            rows.partition, rows.positions[mask], rows.hashes[mask], rows.event_id.filter(pa.array(mask))
        )

    def _read(self, piece: _Piece) -> SeriesRows:
        """One segment's columns are kept: the parts of a range that was cut follow each other."""
        if self._cached is None or self._cached[0] != piece.ref.key:
            table = self.log.read(piece.ref)
            self._cached = (piece.ref.key, _columns(piece, table))
        return self._cached[1]


def series_of(log: Log, name: str, epoch: str, partitions: Sequence[str] | None = None) -> Series:
    """Everything in the log that came from one journal.

    Args:
        log: where to look; the chain of every partition that is taken is verified.
        name: of the source.
        epoch: of the source; what was captured in another has other positions, and is left out.
        partitions: only these, and what came late to them; None: all.

    Raises:
        CorruptLogError: a chain does not hold.
    """
    chosen = log.partitions() if partitions is None else sorted(set(partitions))
    found: list[Coverage] = []
    late: set[str] = set()
    edges: set[int] = set()
    pieces: list[_Piece] = []
    for partition in chosen:
        head = log.reader(partition).head()
        if head is None or (head.checkpoint.source, head.checkpoint.epoch) != (name, epoch):
            continue
        mine = _pieces(log, partition, edges)
        lowest = min((piece.ref.first_position or 0 for piece in mine), default=head.checkpoint.position)
        found.append(Coverage(partition=partition, first=lowest, upto=head.checkpoint.position))
        pieces += mine
        late.update(
            gaps.evidence["captured_into"]
            for gaps in log.gaps(partition).entries()
            if "captured_into" in gaps.evidence
        )
    late -= {each.partition for each in found}
    for partition in sorted(late):
        pieces += _pieces(log, partition, set())
    found.sort(key=lambda each: (each.first, each.partition))
    covered = [Coverage(partition=each.partition, first=each.first if at else 0, upto=each.upto)
               for at, each in enumerate(found)]  # fmt: skip
    return Series(log, tuple(covered), tuple(sorted(late)), sorted(edges), pieces)


def _pieces(log: Log, partition: str, edges: set[int]) -> list[_Piece]:
    made: list[_Piece] = []
    for commit in log.reader(partition).commits():
        made += [_Piece(partition, ref, rejects=False) for ref in commit.segments]
        made += [_Piece(partition, ref, rejects=True) for ref in commit.quarantine]
        edges.add(commit.checkpoint.position + 1)
    return made


def _columns(piece: _Piece, table: pa.Table) -> SeriesRows:
    ids = table.column("event_id").combine_chunks()
    if piece.rejects:
        digests = table.column("payload_sha256").combine_chunks()
        hashes = event_hash(pc.fill_null(ids, ""), digests).to_numpy()
    else:
        hashes = table.column("event_hash").to_numpy()
    return SeriesRows(piece.partition, table.column("source_position").to_numpy(), hashes, ids)
