"""Segment edges are a function of the events alone (promise P3), against a row-by-row model."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from eventreplay.admission import AdmissionLimits
from eventreplay.batch import Batch
from eventreplay.cutting import cut
from eventreplay.event import Event

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)

Record = tuple[int, int, bool]
"""Position, payload bytes, and whether the envelope is usable."""


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    gaps = draw(st.lists(st.integers(1, 9), min_size=0, max_size=60))
    records: list[Record] = []
    position = draw(st.integers(-1, 3))
    for gap in gaps:
        position += gap
        records.append((position, draw(st.integers(0, 40)), draw(st.booleans())))
    return records


@st.composite
def histories_in_batches(draw: st.DrawFn) -> tuple[list[Record], list[list[Record]]]:
    records = draw(histories())
    edges = sorted(draw(st.lists(st.integers(0, len(records)), max_size=8)))
    bounds = [0, *edges, len(records)]
    return records, [records[a:b] for a, b in pairwise(bounds)]


def to_batch(records: list[Record]) -> Batch:
    return Batch.from_events(
        Event(
            event_id=f"e{position}" if usable else "",
            event_type="t",
            payload=b"x" * size,
            occurred_at=MOMENT,
            source_position=position,
        )
        for position, size, usable in records
    )


def model(
    records: list[Record], upto: int, segment_positions: int, segment_bytes_max: int
) -> list[tuple[int, list[int], list[int]]]:
    """What the rule says, one record at a time: (upto, event positions, reject positions) per piece."""
    pieces: list[tuple[int, list[int], list[int]]] = []
    events: list[int] = []
    rejects: list[int] = []
    held = 0
    end = -1
    for position, size, usable in records:
        if (events or rejects) and position > end:
            pieces.append((end, events, rejects))
            events, rejects, held = [], [], 0
        if not events and not rejects:
            end = position - position % segment_positions + segment_positions - 1
        (events if usable else rejects).append(position)
        held += size
        if held >= segment_bytes_max:
            pieces.append((position, events, rejects))
            events, rejects, held = [], [], 0
    if events or rejects:
        pieces.append((min(end, upto), events, rejects))
    return pieces


@given(
    histories_in_batches(),
    st.integers(1, 50),
    st.integers(1, 200),
    st.integers(0, 20),
)
def test_pieces_are_those_of_the_rule_whatever_the_batches(
    made: tuple[list[Record], list[list[Record]]], segment_positions: int, segment_bytes_max: int, beyond: int
) -> None:
    records, batches = made
    upto = (records[-1][0] if records else 0) + beyond
    pieces = cut(
        [to_batch(batch) for batch in batches],
        after=None,
        upto=upto,
        segment_positions=segment_positions,
        segment_bytes_max=segment_bytes_max,
        limits=AdmissionLimits(),
    )
    found = [
        (
            piece.upto,
            piece.events.column("source_position").to_pylist(),
            piece.rejects.column("source_position").to_pylist(),
        )
        for piece in pieces
    ]
    assert found == model(records, upto, segment_positions, segment_bytes_max)


@given(histories(), st.integers(1, 50), st.integers(1, 200), st.data())
def test_a_run_that_starts_behind_any_piece_makes_the_same_pieces_from_there(
    records: list[Record], segment_positions: int, segment_bytes_max: int, data: st.DataObject
) -> None:
    upto = records[-1][0] if records else 0
    whole = model(records, upto, segment_positions, segment_bytes_max)
    done = data.draw(st.integers(0, len(whole)))
    after = whole[done - 1][0] if done else None
    rest = [record for record in records if after is None or record[0] > after]
    pieces = cut(
        [to_batch(rest)],
        after=after,
        upto=upto,
        segment_positions=segment_positions,
        segment_bytes_max=segment_bytes_max,
        limits=AdmissionLimits(),
    )
    assert [piece.upto for piece in pieces] == [piece[0] for piece in whole[done:]]
