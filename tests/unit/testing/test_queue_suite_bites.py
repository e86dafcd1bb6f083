"""Broken queue sources fail the queue suite, each in the test that is meant for it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event as Gate
from typing import Any

import pytest
from attrs import evolve

from eventreplay.batch import Batch
from eventreplay.event import Event
from eventreplay.interfaces import Delivery, QueueSource
from eventreplay.testing import MemoryBroker, MemoryQueue, QueueSourceSuite
from tests.unit.testing.biting import failing


def suite_of(broken: type[MemoryQueue]) -> type[Any]:
    class Suite(QueueSourceSuite):
        arrival_s_max = 0.5
        slack_s = 0.1

        def prepare(self) -> None:
            self.broker = MemoryBroker(seed=3)

        def make_queue(self) -> QueueSource:
            return broken(self.broker, delivery_rows_max=4)

        def publish(self, events: Sequence[Event]) -> None:
            self.broker.publish(events)

    return Suite


class SettlesBeforeTheCommit(MemoryQueue):
    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = super().receive(timeout_s)
        if delivery is not None:
            super().settle(delivery)
        return delivery


class SettlesTheOneBefore(MemoryQueue):
    last: Delivery | None = None

    def receive(self, timeout_s: float) -> Delivery | None:
        if self.last is not None:
            super().settle(self.last)
        self.last = super().receive(timeout_s)
        return self.last


class LosesRedelivery(MemoryQueue):
    def close(self) -> None:
        self._broker._held[self._connection] = []
        super().close()


class SettlesOnClose(MemoryQueue):
    def close(self) -> None:
        self._broker.settle(self._connection, list(self._broker._held[self._connection]))
        super().close()


class NeverSettles(MemoryQueue):
    def settle(self, delivery: Delivery) -> None:
        del delivery


class SettlesEverything(MemoryQueue):
    def settle(self, delivery: Delivery) -> None:
        del delivery
        self._broker.settle(self._connection, list(self._broker._held[self._connection]))


class SettlesOverAnyConnection(MemoryQueue):
    def settle(self, delivery: Delivery) -> None:
        for message in delivery.token.messages:  # type: ignore[attr-defined]
            self._broker._messages.pop(message, None)


class SettlesOnlyOnce(MemoryQueue):
    def settle(self, delivery: Delivery) -> None:
        before = self._broker.unsettled
        super().settle(delivery)
        if self._broker.unsettled == before:
            raise RuntimeError("unknown delivery tag")


class Blocks(MemoryQueue):
    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = super().receive(timeout_s)
        if delivery is None:
            Gate().wait(timeout_s + 0.3)
        return delivery


class Reorders(MemoryQueue):
    def receive(self, timeout_s: float) -> Delivery | None:
        self._broker._ready.reverse()
        return super().receive(timeout_s)


class DropsHeaders(MemoryQueue):
    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = super().receive(timeout_s)
        if delivery is None:
            return None
        bare = [evolve(event, headers={}) for event in delivery.batch.to_events()]
        return Delivery(batch=Batch.from_events(bare), token=delivery.token)


BROKEN = {
    SettlesBeforeTheCommit: "test_nothing_is_lost_by_closing_without_settling",
    SettlesTheOneBefore: "test_receiving_on_does_not_settle",
    LosesRedelivery: "test_nothing_is_lost_by_closing_without_settling",
    SettlesOnClose: "test_nothing_is_lost_by_closing_without_settling",
    NeverSettles: "test_settled_events_do_not_come_again",
    SettlesEverything: "test_only_what_was_settled_is_gone",
    SettlesOverAnyConnection: "test_settling_over_a_lost_connection_does_nothing",
    SettlesOnlyOnce: "test_settling_twice_is_settling_once",
    Blocks: "test_receive_waits_no_longer_than_asked",
    Reorders: "test_delivers_everything_in_order",
    DropsHeaders: "test_delivers_everything_in_order",
}


def test_the_sound_queue_passes() -> None:
    assert failing(suite_of(MemoryQueue)) == set()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_broken_queue_fails(broken: type[MemoryQueue]) -> None:
    assert BROKEN[broken] in failing(suite_of(broken))
