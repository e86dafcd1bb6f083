"""What a broker and a network do to a consumer, and what must hold: nothing confirmed is ever lost.

In each of these the fault is seen to have fired, and the last one falls on the last message.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from eventreplay.errors import SourceUnavailableError
from eventreplay.interfaces import Delivery
from eventreplay.sources.rabbitmq import RabbitSource
from eventreplay.sources.rabbitmq.settings import QueueType
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.proxy import Proxy
from eventreplay.testing.faults.publisher import Publisher
from eventreplay.testing.services import RabbitServer
from tests.integration.rabbitmq.books import (
    Found,
    at_port,
    capture_with,
    declared,
    left,
    published,
    run,
    settings,
    until,
)

LONG = pytest.mark.long
KINDS = ["quorum", pytest.param("classic", marks=LONG)]


@pytest.fixture
def proxy(rabbitmq_server: RabbitServer) -> Iterator[Proxy]:
    with Proxy(rabbitmq_server.host, rabbitmq_server.port) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_between_delivery_and_settling(
    kind: QueueType, rabbitmq_url: str, proxy: Proxy, tmp_path: Path
) -> None:
    """The log has committed; the acknowledgement never arrives: everything comes again, once in the count."""
    declared(rabbitmq_url, queue_type=kind)
    ledger = published(rabbitmq_url, 50).ledger
    consumer = settings(at_port(rabbitmq_url, proxy.port), queue_type=kind)

    class Reset(RabbitSource):
        resets = 0

        def settle(self, delivery: Delivery) -> None:
            if self.resets == 0:
                self.resets += proxy.reset_all()
                until(lambda: not self.attached)
            super().settle(delivery)

    receipt, source = capture_with(Reset(consumer), tmp_path)
    assert source.resets == 1
    assert proxy.count("accepted") == 2
    found = Found(tmp_path)
    found.holds(ledger)
    assert found.duplicates == receipt.received - 50 > 0
    assert left(rabbitmq_url) == 0


def test_confirms_that_are_lost_and_events_published_again(
    rabbitmq_url: str, proxy: Proxy, tmp_path: Path
) -> None:
    def heal() -> None:
        proxy.heal()
        proxy.reset_all()

    consumer = declared(rabbitmq_url)
    with Publisher(
        at_port(rabbitmq_url, proxy.port), routing_key="events", confirm_s_max=2.0, batch_rows_max=20
    ) as publisher:
        publisher.publish(example_events(20))
        proxy.drop("down")
        healer = threading.Timer(1.0, heal)
        healer.start()
        publisher.publish(example_events(20, first=20))
        healer.join()
    assert proxy.bytes("dropped", "down") > 0
    assert publisher.ledger.published > 40
    run(consumer, tmp_path)
    found = Found(tmp_path)
    found.holds(publisher.ledger)
    assert len(publisher.ledger.confirmed) == 40
    assert found.duplicates > 0


def test_a_queue_that_is_deleted_and_declared_again(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(rabbitmq_url, queue_type="classic", attempts_max=30)
    first = published(rabbitmq_url, 30).ledger
    source = RabbitSource(consumer)
    again: list[Publisher] = []

    def delete_once(received: int, _: int | None) -> None:
        if received >= 30 and not again:
            connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
            connection.channel().queue_delete("events")
            connection.close()
            until(lambda: not source.attached)  # basic.cancel has come
            declare(consumer)
            again.append(published(rabbitmq_url, 20, first=30))

    capture_with(source, tmp_path, progress=delete_once)
    found = Found(tmp_path)
    assert set(found.sha256) == set(first.confirmed) | set(again[0].ledger.confirmed)


def test_a_queue_that_does_not_come_back_is_an_error_and_no_silence(rabbitmq_url: str) -> None:
    consumer = declared(rabbitmq_url, queue_type="classic", attempts_max=3)
    source = RabbitSource(consumer)
    assert source.receive(0.1) is None
    until(lambda: source.attached)
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    connection.channel().queue_delete("events")
    connection.close()
    until(lambda: not source.attached)
    with pytest.raises(SourceUnavailableError, match=r"delete|cancel"):
        until(lambda: source.receive(0.1) is not None)
    source.close()


@LONG
def test_a_connection_that_went_silent_is_given_up_by_its_heartbeat(
    rabbitmq_url: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Half-open: no packet says that it is over, only that nothing comes."""
    declared(rabbitmq_url)
    consumer = settings(at_port(rabbitmq_url, proxy.port), heartbeat_s=1, attempts_max=20)
    source = RabbitSource(consumer)
    source.receive(0.1)
    until(lambda: source.attached)
    proxy.half_open("both")
    ledger = published(rabbitmq_url, 25).ledger
    until(lambda: not source.attached, 30)
    proxy.heal()
    capture_with(source, tmp_path)
    assert proxy.count("accepted") >= 2
    Found(tmp_path).holds(ledger)


@LONG
def test_heartbeats_go_on_while_nobody_receives(rabbitmq_url: str) -> None:
    """A capture that writes for longer than the heartbeat keeps its connection, and what it holds."""
    consumer = declared(rabbitmq_url, heartbeat_s=1)
    published(rabbitmq_url, 5)
    source = RabbitSource(consumer)
    first = source.receive(10.0)
    assert first is not None
    threading.Event().wait(4.0)  # four heartbeats; the broker gives up after two that are missing
    assert source.attached
    source.settle(first)
    source.close()
    assert left(rabbitmq_url) == 0


def test_delivered_too_often_a_message_goes_to_the_dead_letters_and_is_captured_there(
    rabbitmq_url: str, tmp_path: Path
) -> None:
    consumer = declared(rabbitmq_url, delivery_limit=2)
    ledger = published(rabbitmq_url, 6).ledger
    for _ in range(4):
        source = RabbitSource(consumer)
        for _ in range(20):
            if source.receive(0.1) is not None:
                break
        source.close()  # unsettled: a crash, as far as the broker knows
    letters = settings(rabbitmq_url, consumer.dead_letters[1], queue_type="classic")
    until(lambda: left(rabbitmq_url, letters.queue) == 6)
    run(letters, tmp_path)
    found = Found(tmp_path)
    found.holds(ledger)
    assert left(rabbitmq_url) == 0
    assert "x-death" in dict(found.rows[0]["headers"])
