"""RowSource: two plain functions become a source, in fewer than thirty lines with its tests."""

from __future__ import annotations

from collections.abc import Iterator

from eventreplay.event import Event, Position
from eventreplay.interfaces import Source
from eventreplay.sources.rows import RowSource
from eventreplay.testing import SourceSuite
from eventreplay.testing.examples import example_events

ROWS = [
    Event(**{**_event, "source_position": at * 2})
    for at, _event in enumerate(
        {name: getattr(event, name) for name in (a.name for a in Event.__attrs_attrs__)}
        for event in example_events(9)
    )
]


def read_events(after: Position | None, upto: Position) -> Iterator[Event]:
    for event in ROWS:
        position = event.source_position
        if position is not None and (after is None or position > after) and position <= upto:
            yield event


class TestRowSource(SourceSuite):
    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        return RowSource("rows", read_events, lambda: 16, batch_rows_max=batch_rows_max)
