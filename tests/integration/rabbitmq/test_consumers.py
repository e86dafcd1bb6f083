"""Two consumers of one queue, each with its partition: between them they have everything once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventreplay.interfaces import Delivery
from eventreplay.sources.rabbitmq import RabbitSource
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.proxy import Proxy
from eventreplay.testing.faults.publisher import Publisher, missing
from eventreplay.testing.services import RabbitServer
from tests.integration.rabbitmq.books import Found, at_port, captured, declared, settings, until

ROWS = 3000
PREFETCH = 100


@pytest.mark.parametrize("resets", [1, pytest.param(0, marks=pytest.mark.long)])
def test_two_consumers_share_a_queue(
    resets: int, rabbitmq_server: RabbitServer, rabbitmq_url: str, tmp_path: Path
) -> None:
    with Proxy(rabbitmq_server.host, rabbitmq_server.port) as proxy:

        class Reset(RabbitSource):
            """Loses its connection between a commit and its settling, once."""

            resets_done = 0

            def settle(self, delivery: Delivery) -> None:
                if self.resets_done < resets:
                    self.resets_done += proxy.reset_all()
                    until(lambda: not self.attached)
                super().settle(delivery)

        declared(rabbitmq_url)
        first = RabbitSource(settings(rabbitmq_url, prefetch=PREFETCH))
        second = Reset(settings(at_port(rabbitmq_url, proxy.port), prefetch=PREFETCH))
        for source in (first, second):
            assert source.receive(0.0) is None
        until(lambda: first.attached and second.attached)
        with Publisher(rabbitmq_url, routing_key="events") as publisher:
            ledger = publisher.publish(example_events(ROWS))
        with ThreadPoolExecutor(2) as executor:
            running = [
                executor.submit(captured, source, tmp_path, partition=f"live-{number}")
                for number, source in enumerate((first, second))
            ]
            received = [each.result().received for each in running]
        assert second.resets_done == resets

    parts = [Found(tmp_path, f"live-{number}") for number in range(2)]
    assert [sum(part.times.values()) for part in parts] == received
    assert min(received) > 0
    together = Counter[str]()
    for part in parts:
        together += part.times
    assert missing(ledger.confirmed, parts[0].sha256 | parts[1].sha256) == []
    assert len(together) == ROWS
    doubled = sum(received) - ROWS
    # What comes again is what was unsettled when the connection went, no more.
    assert 0 < doubled <= PREFETCH if resets else doubled == 0
