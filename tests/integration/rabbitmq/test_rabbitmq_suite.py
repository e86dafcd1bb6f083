"""The suite that every queue source passes, against a real broker: classic and quorum queues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from eventreplay.event import Event
from eventreplay.sources.rabbitmq import RabbitSource
from eventreplay.sources.rabbitmq.settings import QueueType, RabbitSettings
from eventreplay.testing import QueueSourceSuite
from eventreplay.testing.faults.publisher import Publisher
from tests.integration.rabbitmq.books import declared


class RabbitSuite(QueueSourceSuite):
    kind: QueueType
    arrival_s_max = 15.0

    @pytest.fixture(autouse=True)
    def _broker(self, rabbitmq_url: str) -> Iterator[None]:
        self._url = rabbitmq_url
        self._settings: RabbitSettings = declared(
            rabbitmq_url, queue_type=self.kind, delivery_rows_max=4, prefetch=1000
        )
        self._made: list[RabbitSource] = []
        yield
        for source in self._made:
            source.close()

    def make_queue(self) -> RabbitSource:
        self._made.append(RabbitSource(self._settings))
        return self._made[-1]

    def publish(self, events: Sequence[Event]) -> None:
        with Publisher(self._url, routing_key=self._settings.queue) as publisher:
            ledger = publisher.publish(events)
        assert set(ledger.confirmed) == {event.event_id for event in events}


class TestClassicQueue(RabbitSuite):
    kind = "classic"


class TestQuorumQueue(RabbitSuite):
    kind = "quorum"
