"""What is asked of a broker of our own: that it dies and comes back, waits no longer, and speaks TLS.

All in one file, for the broker takes longer to start than these tests.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from eventreplay.errors import SourceError
from eventreplay.sources.rabbitmq import RabbitSource
from eventreplay.sources.rabbitmq.check import check
from eventreplay.sources.rabbitmq.settings import QueueType
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.publisher import Publisher
from eventreplay.testing.services import RabbitServer
from tests.integration.rabbitmq.books import (
    Found,
    by_name,
    capture_with,
    declared,
    left,
    published,
    run,
    settings,
    until,
)

KINDS = ["quorum", pytest.param("classic", marks=pytest.mark.long)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_that_is_killed_and_comes_back(
    kind: QueueType, own_server: RabbitServer, tmp_path: Path
) -> None:
    url = own_server.vhost()
    consumer = declared(url, queue_type=kind, attempts_max=40)
    ledger = published(url, 300).ledger
    killed = threading.Event()
    killed.wait(1.5)  # a broker killed within half a second of a declaration forgets it
    source = RabbitSource(consumer)

    def kill_once(received: int, _: int | None) -> None:
        # After the commit of everything, before any of it is settled: the fault falls on the last message.
        if received >= 300 and not killed.is_set():
            own_server.kill()
            killed.set()
            own_server.restart()

    receipt, _ = capture_with(source, tmp_path, settle_after=kill_once, idle_end_s=2.0)
    assert killed.is_set()
    found = Found(tmp_path)
    found.holds(ledger)
    assert found.duplicates == receipt.received - 300 == 300
    assert left(url) == 0


def test_settling_later_than_the_broker_waits(own_server: RabbitServer, tmp_path: Path) -> None:
    """consumer_timeout: the channel is closed, everything comes again, and the consumer with it."""
    # How often it looks, a minute by default, is no setting of its file.
    own_server.rabbitmqctl("eval", "application:set_env(rabbit, channel_tick_interval, 1000).")
    url = own_server.vhost()
    consumer = declared(url)
    ledger = published(url, 40).ledger
    source = RabbitSource(consumer)
    waited: list[bool] = []

    def wait_once(received: int, _: int | None) -> None:
        if received >= 40 and not waited:
            until(lambda: not source.attached, 60)
            waited.append(True)

    receipt, _ = capture_with(source, tmp_path, settle_after=wait_once)
    assert waited
    found = Found(tmp_path)
    found.holds(ledger)
    assert found.duplicates == receipt.received - 40 == 40
    assert left(url) == 0


def test_tls_with_the_right_host_name(own_server: RabbitServer, tmp_path: Path) -> None:
    assert own_server.tls_url is not None
    declared(own_server.url, "over-tls")
    with Publisher(own_server.url, routing_key="over-tls") as publisher:
        ledger = publisher.publish(example_events(2000))
    # A buffer far smaller than what comes: reading pauses and goes on, in TLS as well.
    encrypted = settings(
        own_server.tls_url, "over-tls", ca_file=str(own_server.ca_file), delivery_rows_max=50
    )
    run(encrypted, tmp_path)
    Found(tmp_path).holds(ledger)
    assert by_name(check(encrypted))["TLS"].ok


def test_tls_with_a_wrong_host_name_is_refused(own_server: RabbitServer) -> None:
    assert own_server.tls_url is not None
    # The loopback in short: the same broker, by a name its certificate does not have.
    wrong = settings(
        own_server.tls_url.replace("@127.0.0.1", "@127.1"), "over-tls", ca_file=str(own_server.ca_file)
    )
    source = RabbitSource(wrong)
    with pytest.raises(SourceError, match="certificate") as caught:
        until(lambda: source.receive(0.2) is not None)
    assert not caught.value.retryable
    source.close()
    assert "certificate" in check(wrong)[0].detail


def test_tls_without_the_authority_is_refused(own_server: RabbitServer) -> None:
    assert own_server.tls_url is not None
    with pytest.raises(SourceError, match="certificate"):
        declare(settings(own_server.tls_url, "over-tls"))
