"""RowSource: two plain functions become a source, in fewer than thirty lines with its tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from attrs import evolve

from eventreplay.errors import ConfigError, InvalidEventError
from eventreplay.event import Event, Position
from eventreplay.interfaces import Source
from eventreplay.sources.rows import Rejected, RowSource
from eventreplay.testing import SourceSuite
from eventreplay.testing.examples import example_events

EVENTS = [evolve(event, source_position=at * 2) for at, event in enumerate(example_events(9))]


def read_events(after: Position | None, upto: Position) -> Iterator[Event]:
    first = 0 if after is None else after + 1
    return (event for event in EVENTS if first <= (event.source_position or 0) <= upto)


class TestRowSource(SourceSuite):
    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        return RowSource("rows", read_events, lambda: 16, batch_rows_max=batch_rows_max)


def of(*rows: Event | Rejected) -> RowSource:
    return RowSource("rows", lambda after, upto: rows, lambda: 99)  # noqa: ARG005 - a source gone wrong


def at(position: int | None) -> Event:
    return evolve(EVENTS[0], source_position=position)


@pytest.mark.parametrize("positions", [(1, 1), (2, 1), (None,), (0, None), (3, 100)])
def test_positions_out_of_order_stop_the_run(positions: tuple[int | None, ...]) -> None:
    with pytest.raises(InvalidEventError, match="ascend"):
        list(of(*map(at, positions)).read(None, Position(99)))


def test_a_position_not_above_after_stops_the_run() -> None:
    with pytest.raises(InvalidEventError):
        list(of(at(0)).read(Position(0), Position(99)))
    assert [batch.rows for batch in of(at(0)).read(None, Position(0))] == [1]


def test_one_bad_event_is_rejected_and_the_others_pass() -> None:
    naive = evolve(EVENTS[1], source_position=1, occurred_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point
    text = evolve(EVENTS[2], source_position=2, payload=["text"])  # type: ignore[arg-type]
    number = evolve(EVENTS[3], source_position=3, event_id=7)  # type: ignore[arg-type]
    surrogate = evolve(EVENTS[4], source_position=4, stream_id="\ud800")
    given = Rejected(source_position=5, payload=b"{", error_code="json_malformed", error_message="Not JSON.")
    rows: list[Event | Rejected] = [at(0), naive, text, number, surrogate, given, at(6)]
    batch = next(of(*rows).read(None, Position(9)))
    assert batch.events.column("source_position").to_pylist() == [0, 6]
    assert batch.rejected is not None
    found = batch.rejected.to_pylist()
    assert [row["source_position"] for row in found] == [1, 2, 3, 4, 5]
    assert [row["error_code"] for row in found] == ["event_malformed"] * 4 + ["json_malformed"]
    assert [row["payload"] for row in found] == [
        EVENTS[1].payload,
        b"['text']",
        EVENTS[3].payload,
        EVENTS[4].payload,
        b"{",
    ]
    assert found[0]["event_id"] == EVENTS[1].event_id


def test_close_calls_the_function_given_once() -> None:
    closed: list[int] = []
    source = RowSource("rows", read_events, lambda: None, close=lambda: closed.append(1))
    assert source.head() is None
    source.close()
    source.close()
    assert closed == [1]


def test_moments_of_other_zones_become_utc() -> None:
    batch = next(of(at(0)).read(None, Position(0)))
    assert batch.to_events()[0].occurred_at == EVENTS[0].occurred_at
    assert (
        batch.to_events()[0].occurred_at.tzinfo == UTC
        or batch.to_events()[0].occurred_at.utcoffset() is not None
    )


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_rows_max"):
        RowSource("rows", read_events, lambda: 1, batch_rows_max=0)
