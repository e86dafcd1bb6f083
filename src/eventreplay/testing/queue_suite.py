"""What every queue source must do: deliver, and deliver again until settled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import monotonic
from typing import ClassVar

from eventreplay.batch import EVENT_SCHEMA
from eventreplay.event import Event
from eventreplay.interfaces import Delivery, QueueSource
from eventreplay.testing.checks import check, check_equal
from eventreplay.testing.examples import example_events

_DELIVERY_ROWS_MAX = 4


class QueueSourceSuite(ABC):
    """Redelivery, settlement, order, bounds. The queue is empty when a test begins.

    Attributes:
        arrival_s_max: how long a published or returned message may take to arrive.
        slack_s: how much longer than its timeout a `receive` may take on a busy machine.
    """

    arrival_s_max: ClassVar[float] = 5.0
    slack_s: ClassVar[float] = 2.0

    @abstractmethod
    def make_queue(self) -> QueueSource:
        """A new consumer of the same queue, with at most 4 events in a delivery."""

    @abstractmethod
    def publish(self, events: Sequence[Event]) -> None:
        """Publish and wait for the broker's confirmation."""

    def test_delivers_everything_in_order(self) -> None:
        events = example_events(10)
        self.publish(events)
        queue = self.make_queue()
        found = _rows(self._receive(queue, 10))
        check_equal(
            [event.event_id for event in found], [event.event_id for event in events], "Delivered events"
        )
        for got, due in zip(found, events, strict=True):
            for name in ("event_type", "stream_id", "source", "content_type", "payload", "occurred_at"):
                check_equal(getattr(got, name), getattr(due, name), f"{name} of {due.event_id}")
            check_equal(
                dict(got.headers) | dict(due.headers), dict(got.headers), f"Headers of {due.event_id}"
            )
        queue.close()

    def test_deliveries_have_the_exact_schema_and_bound(self) -> None:
        self.publish(example_events(10))
        queue = self.make_queue()
        for delivery in self._receive(queue, 10):
            check(
                delivery.batch.events.schema.equals(EVENT_SCHEMA),
                "Batch.events must have EVENT_SCHEMA exactly.",
            )
            check(0 < delivery.batch.rows <= _DELIVERY_ROWS_MAX, "A delivery has 1 to 4 rows here.")
        queue.close()

    def test_nothing_is_lost_by_closing_without_settling(self) -> None:
        events = example_events(10)
        self.publish(events)
        first = self.make_queue()
        self._receive(first, 10)
        first.close()
        second = self.make_queue()
        check_equal(
            self._ids(second, {event.event_id for event in events}), _ids(events), "Events delivered again"
        )
        second.close()

    def test_settled_events_do_not_come_again(self) -> None:
        self.publish(example_events(10))
        first = self.make_queue()
        for delivery in self._receive(first, 10):
            first.settle(delivery)
        first.close()
        second = self.make_queue()
        check(self._nothing(second), "A settled event was delivered again.")
        second.close()

    def test_only_what_was_settled_is_gone(self) -> None:
        events = example_events(10)
        self.publish(events)
        first = self.make_queue()
        deliveries = self._receive(first, 10)
        settled = deliveries[0]
        first.settle(settled)
        first.close()
        rest = _ids(events) - _ids(settled.batch.to_events())
        second = self.make_queue()
        check_equal(self._ids(second, rest), rest, "Events delivered again after one delivery was settled")
        for delivery in self._redelivered:
            second.settle(delivery)
        second.close()
        check(self._nothing(self.make_queue()), "The queue is not empty though everything was settled.")

    def test_receiving_on_does_not_settle(self) -> None:
        events = example_events(8)
        self.publish(events)
        first = self.make_queue()
        last = self._receive(first, 8)[-1]
        check(first.receive(0.0) is None, "Nothing more was due.")
        check(last.batch.rows > 0, "A delivery is not empty.")
        first.close()
        second = self.make_queue()
        check_equal(self._ids(second, _ids(events)), _ids(events), "Events delivered again")
        second.close()

    def test_settling_twice_is_settling_once(self) -> None:
        events = example_events(8)
        self.publish(events)
        first = self.make_queue()
        deliveries = self._receive(first, 8)
        first.settle(deliveries[0])
        first.settle(deliveries[0])
        first.close()
        rest = _ids(events) - _ids(deliveries[0].batch.to_events())
        second = self.make_queue()
        check_equal(self._ids(second, rest), rest, "Events delivered again after settling one delivery twice")
        second.close()

    def test_settling_over_a_lost_connection_does_nothing(self) -> None:
        events = example_events(6)
        self.publish(events)
        first = self.make_queue()
        deliveries = self._receive(first, 6)
        first.close()
        first.settle(deliveries[0])
        second = self.make_queue()
        second.settle(deliveries[0])
        check_equal(self._ids(second, _ids(events)), _ids(events), "Events delivered again")
        second.close()

    def test_receive_waits_no_longer_than_asked(self) -> None:
        queue = self.make_queue()
        for timeout_s in (0.0, 0.2):
            begun_s = monotonic()
            check(queue.receive(timeout_s) is None, "An empty queue delivered something.")
            check(monotonic() - begun_s < timeout_s + self.slack_s, f"receive({timeout_s}) blocked too long.")
        queue.close()

    def test_events_published_later_arrive(self) -> None:
        queue = self.make_queue()
        check(queue.receive(0.0) is None, "An empty queue delivered something.")
        self.publish(example_events(1))
        check_equal(len(_rows(self._receive(queue, 1))), 1, "Events delivered after waiting")
        queue.close()

    def test_close_is_idempotent_and_name_is_stable(self) -> None:
        first, second = self.make_queue(), self.make_queue()
        check(first.name and first.name == second.name, "name is a text, the same for every consumer.")
        for queue in (first, second):
            queue.close()
            queue.close()

    def _receive(self, queue: QueueSource, rows: int) -> list[Delivery]:
        """Deliveries until `rows` rows have come, or the time for their arrival is over."""
        deliveries: list[Delivery] = []
        until_s = monotonic() + self.arrival_s_max
        while sum(delivery.batch.rows for delivery in deliveries) < rows and monotonic() < until_s:
            delivery = queue.receive(0.1)
            if delivery is not None:
                deliveries.append(delivery)
        found = sum(delivery.batch.rows for delivery in deliveries)
        check(found >= rows, f"{found} of {rows} events arrived within {self.arrival_s_max} s.")
        return deliveries

    def _ids(self, queue: QueueSource, due: set[str]) -> set[str]:
        """Ids that come until all of `due` did and the queue is quiet; keeps the deliveries for settling."""
        found: set[str] = set()
        self._redelivered: list[Delivery] = []
        until_s = monotonic() + self.arrival_s_max
        while monotonic() < until_s:
            delivery = queue.receive(0.1)
            if delivery is None:
                if found >= due:
                    break
                continue
            self._redelivered.append(delivery)
            found |= _ids(delivery.batch.to_events())
        return found

    def _nothing(self, queue: QueueSource) -> bool:
        quiet = queue.receive(0.5) is None
        queue.close()
        return quiet


def _rows(deliveries: Sequence[Delivery]) -> list[Event]:
    return [event for delivery in deliveries for event in delivery.batch.to_events()]


def _ids(events: Sequence[Event]) -> set[str]:
    return {event.event_id for event in events}
