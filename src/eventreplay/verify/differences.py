"""Finding which rows of a sink differ from the log: by ever smaller ranges, then row by row.

A range is equal if it has each offset once and the hashes add up to what the log says. One that is not is cut
into parts, which are tallied together in one query, and so on; rows are fetched of small ranges only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import define, field, frozen

from eventreplay.capabilities.tally import Order, Span, SupportsTally, Tally
from eventreplay.verify.reckoning import LogSide

LEAF_ROWS = 1_024
"""A range of so many offsets that differs is fetched row by row."""
PARTS = 16
"""Into how many a wider range that differs is cut."""
QUERY_SPANS_MAX = 16
"""Ranges that are cut at once, so that a query has at most 16 times 17 of them."""

HASH, CONTENT, ANOTHER = (
    "the hash it carries is not its own",
    "its id, payload or payload's hash is another one",
    "it is another event",
)


@frozen(kw_only=True)
class Named:
    """One row that differs.

    Attributes:
        partition: of the log.
        order: `log`, or `capture` for a record that capture had refused, whose offsets count apart.
        offset: its place in the partition.
        event_id: as the log has it; of an unknown row, as the sink has it.
        copies: how many rows the sink has at this offset.
        detail: what differs, for a person or as names of columns; never a payload's bytes.
    """

    partition: str
    order: Order
    offset: int
    event_id: str | None
    copies: int
    detail: str = ""


@define
class Differences:
    """What was found so far: exact counts, and the first so many of each kind by name.

    Attributes:
        samples_max: rows named of each kind.
    """

    samples_max: int
    missing: list[Named] = field(factory=list)
    doubled: list[Named] = field(factory=list)
    altered: list[Named] = field(factory=list)
    unknown: list[Named] = field(factory=list)
    counts: dict[str, int] = field(
        factory=lambda: dict.fromkeys(("missing", "doubled", "altered", "unknown"), 0)
    )

    def add(self, kind: str, count: int, named: Iterable[Named]) -> None:
        """Count rows, and name as many of them as there is room for; `named` is asked for no more."""
        self.counts[kind] += count
        known: list[Named] = getattr(self, kind)
        for one in named:
            if len(known) >= self.samples_max:
                break
            known.append(one)


@define
class Drill:
    """Compares one order of one partition with the sink.

    Attributes:
        sink: which rows.
        side: what the log says.
        found: where differences go.
        rows_compared: altered rows are found by comparing all columns elsewhere, so not here.
    """

    sink: SupportsTally
    side: LogSide
    found: Differences
    rows_compared: bool

    def into(self, spans: Iterable[tuple[Span, Tally]]) -> None:
        """Find the rows that differ in ranges that do."""
        # The least come last, and are taken first: the stack stays as small as the search is deep.
        stack = [span for span, tally in spans if not self._is_gone(span, tally)][::-1]
        while stack:
            stack, chosen = stack[:-QUERY_SPANS_MAX], stack[-QUERY_SPANS_MAX:][::-1]
            parts: list[Span] = []
            for span in chosen:
                if span.end - span.first <= LEAF_ROWS:
                    self._rows(span)
                else:
                    parts += self.side.split(span, PARTS)
            tallied = zip(parts, self.tally(parts), strict=True)
            differ = [pair for pair in tallied if not self.is_equal(*pair)]
            stack += [span for span, tally in differ if not self._is_gone(span, tally)][::-1]

    def tally(self, spans: Sequence[Span]) -> Sequence[Tally]:
        """Of ascending spans."""
        return self.sink.tally(self.side.reader.partition, self.side.order, spans) if spans else ()

    def is_equal(self, span: Span, tally: Tally) -> bool:
        """Whether the sink has each row of a span once, as the log has it.

        Of refused records the log's commits vouch for the number alone: there the rows must agree with
        themselves.
        """
        rows = span.end - span.first
        if tally.rows != rows or tally.offsets != rows or tally.claimed != tally.computed:
            return False
        due = self.side.hash_sum(span)
        return due is None or tally.claimed == due

    def unknown(self, span: Span, tally: Tally) -> None:
        """Name rows that the log does not have at all."""
        samples = self.sink.tallied(
            self.side.reader.partition, self.side.order, span, rows_max=self.found.samples_max
        )
        named = (
            self._named(offset, event_id, 1)
            for batch in samples
            for offset, event_id in zip(
                batch.column("log_offset").to_pylist(), batch.column("event_id").to_pylist(), strict=True
            )
        )
        self.found.add("unknown", tally.rows, named)

    def _is_gone(self, span: Span, tally: Tally) -> bool:
        """Whether a whole span is missing, which is told without asking the sink for its rows."""
        if tally.rows or span.end == span.first:
            return False
        named = (
            self._named(rows.first + at, event_id, 0)
            for rows in self.side.rows(span)
            for at, event_id in enumerate(rows.event_id.to_pylist())
        )
        self.found.add("missing", span.end - span.first, named)
        return True

    def _rows(self, span: Span) -> None:
        count = span.end - span.first
        due, ids = np.zeros(count, np.int64), np.empty(count, object)
        for rows in self.side.rows(span):
            at = rows.first - span.first
            due[at : at + len(rows.hashes)] = rows.hashes
            ids[at : at + len(rows.hashes)] = rows.event_id.to_pylist()
        copies = np.zeros(count, np.int64)
        claims_other, is_other = np.zeros(count, bool), np.zeros(count, bool)
        for batch in self.sink.tallied(self.side.reader.partition, self.side.order, span):
            places = batch.column("log_offset").to_numpy() - span.first
            np.add.at(copies, places, 1)
            claims_other[places[batch.column("claimed").to_numpy() != due[places]]] = True
            is_other[places[batch.column("computed").to_numpy() != due[places]]] = True
        kinds = {"missing": copies == 0, "doubled": copies > 1}
        if not self.rows_compared:
            kinds["altered"] = claims_other | is_other
        for kind, mask in kinds.items():
            named = (
                self._named(
                    span.first + int(at),
                    ids[at],
                    int(copies[at]),
                    _detail(claims_other[at], is_other[at]) if kind == "altered" else "",
                )
                for at in np.flatnonzero(mask)
            )
            self.found.add(kind, int(mask.sum()), named)

    def _named(self, offset: int, event_id: str | None, copies: int, detail: str = "") -> Named:
        return Named(
            partition=self.side.reader.partition,
            order=self.side.order,
            offset=offset,
            event_id=event_id,
            copies=copies,
            detail=detail,
        )


def _detail(claims_other: bool, is_other: bool) -> str:  # noqa: FBT001 - two facts of one row
    if claims_other and is_other:
        return ANOTHER
    return HASH if claims_other else CONTENT
