"""Where one segment ends and the next begins: a function of the events alone.

A re-readable source's segments cover aligned ranges of positions ([0, n), [n, 2n), ...), cut earlier only
where the payloads of a range exceed a number of bytes. Neither the size of the batches that carried the
events nor the number of workers plays a part, so the same history always makes the same files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, field, frozen

from eventreplay.admission import AdmissionLimits, Admitted, admit
from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA, Batch
from eventreplay.errors import InvalidEventError


@frozen(kw_only=True)
class Piece:
    """What one segment holds: events and rejects up to and including source position `upto`."""

    events: pa.Table
    rejects: pa.Table
    upto: int

    @property
    def rows(self) -> int:
        return int(self.events.num_rows + self.rejects.num_rows)


@define
class _Open:
    """The piece that is being filled."""

    events: list[pa.RecordBatch] = field(factory=list)
    rejects: list[pa.RecordBatch] = field(factory=list)
    bytes_held: int = 0

    def close(self, upto: int) -> Piece:
        piece = Piece(
            events=pa.Table.from_batches(self.events, EVENT_SCHEMA),
            rejects=pa.Table.from_batches(self.rejects, REJECT_SCHEMA),
            upto=upto,
        )
        self.events, self.rejects, self.bytes_held = [], [], 0
        return piece

    @property
    def empty(self) -> bool:
        return not self.events and not self.rejects


def cut(
    batches: Iterable[Batch],
    *,
    after: int | None,
    upto: int,
    segment_positions: int,
    segment_bytes_max: int,
    limits: AdmissionLimits,
) -> Iterator[Piece]:
    """Admit events and cut them into pieces, each for one segment and one commit.

    A piece that fills its range ends at the range's last position even where that position is a gap; the
    last piece ends at `upto`. Ranges without any record make no piece.

    Raises:
        InvalidEventError: positions are missing, do not ascend strictly, or leave (after, upto].
    """
    last = -1 if after is None else after
    piece = _Open()
    range_end = -1
    for batch in batches:
        admitted = admit(batch, limits)
        position, size = _records(admitted)
        if not len(position):
            continue
        _check_order(position, last, upto)
        last = int(position[-1])
        begin = 0
        while begin < len(position):
            if piece.empty:
                range_end = (int(position[begin]) // segment_positions + 1) * segment_positions - 1
            elif int(position[begin]) > range_end:
                yield piece.close(range_end)
                continue
            begin, closed = _fill(piece, admitted, position, size, begin, range_end, segment_bytes_max)
            if closed is not None:
                yield closed
    if not piece.empty:
        yield piece.close(min(range_end, upto))


def _fill(
    piece: _Open,
    admitted: Admitted,
    position: np.ndarray,
    size: np.ndarray,
    begin: int,
    range_end: int,
    bytes_max: int,
) -> tuple[int, Piece | None]:
    """Take records until the range or the byte bound ends; returns (next record, closed piece)."""
    end = int(np.searchsorted(position, range_end, side="right"))
    held = piece.bytes_held + np.cumsum(size[begin:end])
    full = int(np.searchsorted(held, bytes_max, side="left"))
    stop = min(end, begin + full + 1)
    first, final = int(position[begin]), int(position[stop - 1])
    for rows, target in ((admitted.events, piece.events), (admitted.rejects, piece.rejects)):
        taken = _between(rows, first, final)
        if taken.num_rows:
            target.append(taken)
    piece.bytes_held = int(held[stop - begin - 1])
    if piece.bytes_held >= bytes_max:
        return stop, piece.close(final)
    return stop, None


def _between(rows: pa.RecordBatch, first: int, final: int) -> pa.RecordBatch:
    at = _positions(rows)
    low = int(np.searchsorted(at, first, side="left"))
    return rows.slice(low, int(np.searchsorted(at, final, side="right")) - low)


def _positions(rows: pa.RecordBatch) -> np.ndarray:
    column = rows.column("source_position")
    if column.null_count:
        raise InvalidEventError(
            f"{column.null_count} records of a re-readable source have no source_position.",
            hint="A Source gives every record its position, rejected ones too; queues: capture_queue.",
            rows=column.null_count,
        )
    return np.asarray(column.to_numpy())


def _records(admitted: Admitted) -> tuple[np.ndarray, np.ndarray]:
    """Positions of all records in order, and the payload bytes of each."""
    events = _positions(admitted.events)
    size = _payload_bytes(admitted.events)
    if not admitted.rejects.num_rows:
        return events, size
    position = np.concatenate([events, _positions(admitted.rejects)])
    order = np.argsort(position, kind="stable")
    return position[order], np.concatenate([size, _payload_bytes(admitted.rejects)])[order]


def _payload_bytes(rows: pa.RecordBatch) -> np.ndarray:
    size = pc.fill_null(pc.binary_length(rows.column("payload")), 0)
    return np.asarray(size.to_numpy(zero_copy_only=False)).astype(np.int64)


def _check_order(position: np.ndarray, last: int, upto: int) -> None:
    if int(position[0]) <= last or bool((np.diff(position) <= 0).any()):
        raise InvalidEventError(
            "Source positions do not ascend strictly.",
            hint="A source yields each position once, in order, across batches; check its ORDER BY.",
            after=last,
            first=int(position[0]),
        )
    if int(position[-1]) > upto:
        raise InvalidEventError(
            f"The source yielded position {int(position[-1])}, beyond the {upto} it was asked for.",
            hint="read(after, upto) includes upto and nothing above it.",
            upto=upto,
        )
