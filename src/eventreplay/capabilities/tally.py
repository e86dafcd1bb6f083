"""What a sink tells of the rows it holds, so that `verify` compares them with the log in the warehouse.

A sink that offers `SupportsTally` counts and adds up where the rows are; only what differs is looked at row
by row. One that offers `SupportsComparison` also compares every column with what the log gives today.

Each row has two hashes of 64 bits, signed, made as `event_hash` is. The *claimed* one is what the row says of
itself, the *computed* one is made of what stands beside it:

    RAW.EVENTS                       event_hash                        of event_id and payload_sha256
    RAW.QUARANTINE, stage decode     of event_id and payload_sha256    of event_id and the payload's SHA-256
    RAW.QUARANTINE, stage capture    of no id and payload_sha256       of no id and the payload's SHA-256

A null payload counts as one of no bytes, and no id as an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa
from attrs import frozen

from eventreplay.event import Checkpoint
from eventreplay.interfaces import Source

Order = Literal["log", "capture"]
"""Which offsets are meant: those of events, in EVENTS or in QUARANTINE with stage decode; or those of records
that capture refused, in QUARANTINE with stage capture, which count by themselves."""

OFFSET_MIN, OFFSET_END = -(1 << 63), 1 << 63
"""The least that a column of 64 bits holds, and what is behind the greatest."""

TALLIED_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64(), nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("claimed", pa.int64(), nullable=False),
        pa.field("computed", pa.int64(), nullable=False),
    ]
)
"""One row of EVENTS or QUARANTINE as `tallied` gives it."""


@frozen
class Span:
    """Offsets from `first` up to, without, `end`."""

    first: int
    end: int


@frozen(kw_only=True)
class Tally:
    """The rows of one span.

    Attributes:
        rows: how many.
        offsets: how many different offsets they have.
        refused: how many of the rows are in QUARANTINE.
        claimed: exact sum of their claimed hashes.
        computed: exact sum of their computed hashes.
        last: the greatest offset; None if there are no rows.
    """

    rows: int = 0
    offsets: int = 0
    refused: int = 0
    claimed: int = 0
    computed: int = 0
    last: int | None = None


@runtime_checkable
class SupportsTally(Protocol):
    """A sink whose rows can be counted and added up where they are."""

    def partitions(self) -> Sequence[str]:
        """Names that any row has as its `log_partition`, ascending."""

    def tally(self, partition: str, order: Order, spans: Sequence[Span]) -> Sequence[Tally]:
        """Of committed rows, one for each span, in one query; spans ascend and do not overlap."""

    def tallied(
        self, partition: str, order: Order, span: Span, *, rows_max: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a small span, `TALLIED_SCHEMA`, by offset; at most the first `rows_max`."""


@runtime_checkable
class SupportsComparison(Protocol):
    """A sink that can be given what its rows ought to be."""

    def differing(self, rows: pa.RecordBatch) -> Mapping[int, Sequence[str]]:
        """Offsets of rows that are there and differ, each with the names of the columns.

        Args:
            rows: `RAW_SCHEMA`, to be compared with EVENTS, or `QUARANTINE_SCHEMA`; of one partition, and
                for QUARANTINE of one stage.

        Returns:
            of doubled rows, one that differs is enough. A row of the same order in the other one of the two
            tables differs in `table`, whether or not one is here too; what is in neither is not named.
        """


@frozen(kw_only=True)
class DayTally:
    """Rows of EVENTS of one day of `occurred_at`, UTC: how many, and the exact sum of their `event_hash`."""

    day: date
    rows: int
    hashes: int


@runtime_checkable
class SupportsDays(Protocol):
    """A sink that also counts by days."""

    def days(self, partition: str, end: int) -> Sequence[DayTally]:
        """Of committed rows of EVENTS below the offset `end`, one for each day that has any, ascending."""


@runtime_checkable
class SupportsRepair(Protocol):
    """A sink in which rows can be replaced by what they ought to be; see `eventreplay.verify.repair`."""

    def replace(
        self,
        replay_id: str,
        partition: str,
        places: Mapping[Order, Sequence[int]],
        rows: pa.RecordBatch,
        refused: pa.RecordBatch,
        *,
        expected: Checkpoint | None,
    ) -> int:
        """Remove every row at these offsets and put the given ones there, in one transaction.

        No load of `replay_id` can commit between the comparison of its checkpoint and the end of the
        transaction. The new rows carry the moment of this commit, so that whoever looks for new rows
        finds them.

        Args:
            replay_id: whose checkpoint has to be `expected`, and stays.
            partition: of the log.
            places: offsets by their order; each loses all its rows, in EVENTS and in QUARANTINE.
            rows: `RAW_SCHEMA`, of some of these places.
            refused: `QUARANTINE_SCHEMA`, likewise.
            expected: the checkpoint; None: there is none.

        Returns:
            how many rows were removed.

        Raises:
            CheckpointConflictError: the checkpoint is another one; nothing was changed.
        """


JOURNAL_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("hash", pa.int64(), nullable=False),
    ]
)
"""One record of a source as `journal_rows` gives it; `hash` is made as `event_hash` is, of what the source
reads: an id that is null counts as an empty one, a payload that is null as one of no bytes."""


@frozen(kw_only=True)
class JournalTally:
    """The records of one span of positions: how many, and the exact sum of their hashes."""

    rows: int = 0
    hashes: int = 0


@runtime_checkable
class SupportsJournalTally(Protocol):
    """A re-readable source whose records can be counted and added up where they are.

    What `read` would give of a span is what counts, and nothing else. A source without this is read.
    """

    def journal_tally(self, spans: Sequence[Span]) -> Sequence[JournalTally]:
        """One for each span of positions, in one query; spans ascend and do not overlap."""

    def journal_rows(self, span: Span, *, rows_max: int | None = None) -> Iterator[pa.RecordBatch]:
        """The records of a small span, `JOURNAL_SCHEMA`, by position; at most the first `rows_max`."""


@runtime_checkable
class SupportsTargets(Protocol):
    """A re-readable source that can be made to yield some positions only."""

    def only(self, positions: Sequence[str]) -> Source:
        """The same source of exactly these, `17` or `19-21`; its name tells it from the whole one."""


def bucket_of(column: str, edges: Sequence[int]) -> str:
    """An SQL expression: in which span between two neighbours of `edges` a column's value lies, from 0.

    Comparisons are nested, so that each row takes about log2(spans) of them. A value must lie in one.
    """

    def choose(first: int, end: int) -> str:
        if end - first == 1:
            return str(first)
        middle = (first + end) // 2
        return (
            f"CASE WHEN {column} < {int(edges[middle])} THEN {choose(first, middle)}"
            f" ELSE {choose(middle, end)} END"
        )

    return choose(0, len(edges) - 1)


def edges_of(spans: Sequence[Span]) -> tuple[list[int], dict[int, int]]:
    """Edges that cut the offsets into `spans` and what lies between them, and which bucket is which span."""
    edges: list[int] = []
    at: dict[int, int] = {}
    for number, span in enumerate(spans):
        if not edges or edges[-1] != span.first:
            edges.append(span.first)
        at[len(edges) - 1] = number
        edges.append(span.end)
    return edges, at


def joined(spans: Sequence[Span]) -> list[Span]:
    """Ascending spans, those that touch as one: what lies between is not read."""
    runs: list[Span] = []
    for span in spans:
        if runs and runs[-1].end == span.first:
            runs[-1] = Span(runs[-1].first, span.end)
        else:
            runs.append(span)
    return runs


def within(column: str, spans: Sequence[Span]) -> str:
    """An SQL condition: a column's value lies in one of the spans."""
    tests = (f"{column} >= {int(run.first)} AND {column} < {int(run.end)}" for run in joined(spans))
    return f"({' OR '.join(tests)})"
