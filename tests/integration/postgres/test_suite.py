"""The suites that every source must pass, against a real server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from eventreplay.event import Event
from eventreplay.interfaces import Source
from eventreplay.sources.postgres import PostgresSource
from eventreplay.testing import GrowingSourceSuite, ReplaceableSourceSuite
from eventreplay.testing.examples import example_events
from tests.integration.postgres.journals import append, execute, make_table, open_source


class TestJournal(GrowingSourceSuite, ReplaceableSourceSuite):
    """Two readers and tiny ranges, so that every border between ranges is met; some ids are dead."""

    rejects_min: ClassVar[int] = 1

    @pytest.fixture(autouse=True)
    def journal(self, postgres_url: str) -> Iterator[None]:
        self.url = make_table(postgres_url)
        self.made: list[PostgresSource] = []
        append(self.url, example_events(6))
        execute(self.url, "SELECT nextval('events_id_seq'), nextval('events_id_seq')")
        append(self.url, example_events(6, first=6))
        execute(self.url, "UPDATE events SET headers = '[1]' WHERE id = 4")
        yield
        for source in self.made:
            source.close()

    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        self.made.append(open_source(self.url, batch_rows_max=batch_rows_max, readers=2, range_ids=3))
        return self.made[-1]

    def make_replaced_source(self) -> Source:
        execute(self.url, "ALTER TABLE events RENAME TO former")
        execute(self.url, "ALTER SEQUENCE events_id_seq RENAME TO former_id_seq")
        execute(self.url, "ALTER INDEX events_pkey RENAME TO former_pkey")
        make_table(self.url)
        return self.make_source()

    def append(self, events: Sequence[Event]) -> None:
        append(self.url, events)
