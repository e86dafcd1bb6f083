"""The in-memory doubles pass the suites they help to test others with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from eventreplay.event import Event
from eventreplay.interfaces import QueueSource, Sink, Source
from eventreplay.sources.rows import Rejected
from eventreplay.testing import (
    MemoryBroker,
    MemoryQueue,
    MemorySink,
    MemorySource,
    MemoryWarehouse,
    QueueSourceSuite,
    SinkSuite,
)
from eventreplay.testing.examples import example_events
from eventreplay.testing.source_suite import GrowingSourceSuite, ReplaceableSourceSuite

Items = list[Event | Rejected]


def records() -> Items:
    refused = Rejected(
        source_position=0, payload=b"{", error_code="json_malformed", error_message="Not JSON."
    )
    return [*example_events(7), refused, *example_events(5, first=7), refused]


class TestMemorySource(GrowingSourceSuite, ReplaceableSourceSuite):
    rejects_min = 2

    @pytest.fixture(autouse=True)
    def _records(self) -> None:
        self.items: Items = records()
        self.sources: list[MemorySource] = []

    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        source = MemorySource(self.items, batch_rows_max=batch_rows_max)
        self.sources.append(source)
        return source

    def append(self, events: Sequence[Event]) -> None:
        self.items += events
        for source in self.sources:
            source.append(events)

    def make_replaced_source(self) -> Source:
        return MemorySource(self.items, epoch="2")


class TestMemorySourceWithGaps(GrowingSourceSuite):
    @pytest.fixture(autouse=True)
    def _records(self) -> None:
        self.source_items: Items = records()
        self.sources: list[MemorySource] = []

    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        source = MemorySource(self.source_items, batch_rows_max=batch_rows_max, first_position=3, step=5)
        self.sources.append(source)
        return source

    def append(self, events: Sequence[Event]) -> None:
        self.source_items += events
        for source in self.sources:
            source.append(events)


class TestMemoryQueue(QueueSourceSuite):
    @pytest.fixture(autouse=True)
    def _broker(self) -> None:
        self.broker = MemoryBroker(seed=5)

    def make_queue(self) -> QueueSource:
        return MemoryQueue(self.broker, delivery_rows_max=4)

    def publish(self, events: Sequence[Event]) -> None:
        self.broker.publish(events)


class TestMemorySink(SinkSuite):
    @pytest.fixture(autouse=True)
    def _warehouse(self) -> None:
        self.warehouse = MemoryWarehouse()

    def open_sink(self) -> Sink:
        return MemorySink(self.warehouse)

    def read_events(self) -> Sequence[dict[str, Any]]:
        return [dict(row) for row in self.warehouse.events]

    def read_quarantine(self) -> Sequence[dict[str, Any]]:
        return [dict(row) for row in self.warehouse.quarantine]
