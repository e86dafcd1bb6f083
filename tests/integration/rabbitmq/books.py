"""What several tests of the queue do: declare, publish, capture, and hold the log against the ledger."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika

from eventreplay.capture import CaptureReceipt
from eventreplay.finding import Finding
from eventreplay.interfaces import Delivery
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.secret import Secret
from eventreplay.sources.rabbitmq import RabbitSettings, RabbitSource
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.publisher import Ledger, Publisher, missing

PARTITION = "live-0"


def settings(url: str, queue: str = "events", **changes: Any) -> RabbitSettings:
    usual: dict[str, Any] = {"url": Secret(url), "queue": queue, "wait_max_s": 1.0, "heartbeat_s": 10}
    return RabbitSettings(**usual | changes)


def declared(url: str, queue: str = "events", **changes: Any) -> RabbitSettings:
    made = settings(url, queue, **changes)
    declare(made)
    return made


def at_port(url: str, port: int) -> str:
    """The same URL by way of a proxy on the loopback."""
    parts = urlsplit(url)
    return url.replace(f":{parts.port}/", f":{port}/")


def captured(source: RabbitSource, folder: Path, **changes: Any) -> CaptureReceipt:
    """Capture until idle; `settle_after` runs between a commit and the settling of what it holds."""
    options: dict[str, Any] = {"idle_end_s": 0.8, "age_max_s": 0.3, "run_max_s": 90.0}
    hooks = {name: changes.pop(name) for name in ("stop", "progress") if name in changes}
    partition = changes.pop("partition", PARTITION)
    between = changes.pop("settle_after", None)
    if between is not None:
        source = _Between(source, folder, between)  # type: ignore[assignment]
    try:
        return capture_queue(
            source,
            Log.open(folder),
            partition,
            clock=time.monotonic,
            options=QueueOptions(**options | changes),
            **hooks,
        )
    finally:
        source.close()


class _Between:
    """A source that tells somebody what the log holds before it settles."""

    def __init__(self, source: RabbitSource, folder: Path, tell: Callable[[int, None], None]) -> None:
        self._source = source
        self._log = Log.open(folder)
        self._tell = tell

    def settle(self, delivery: Delivery) -> None:
        head = self._log.reader(PARTITION).head()
        assert head is not None, "Settled before anything was committed."
        self._tell(head.next_offset + head.next_quarantine_offset, None)
        self._source.settle(delivery)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def run(consumer: RabbitSettings, folder: Path, **changes: Any) -> CaptureReceipt:
    """Capture until idle."""
    return captured(RabbitSource(consumer), folder, **changes)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition, looking often; fails when the time is over."""
    end_s = time.monotonic() + seconds
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, "It did not happen in time."
        waiting.wait(0.05)


class Found:
    """What a partition holds: each id's payload hash, how often it is there, and the quarantine."""

    def __init__(self, folder: Path, partition: str = PARTITION) -> None:
        reader = Log.open(folder).reader(partition)
        self.sha256: dict[str, str] = {}
        self.times: Counter[str] = Counter()
        self.rows: list[dict[str, Any]] = []
        self.quarantine: list[dict[str, Any]] = []
        for commit in reader.commits():
            for ref in commit.segments:
                self.rows += reader.read(ref).to_pylist()
            for ref in commit.quarantine:
                self.quarantine += reader.read(ref).to_pylist()
        for row in self.rows:
            self.sha256[row["event_id"]] = row["payload_sha256"].hex()
            self.times[row["event_id"]] += 1

    @property
    def duplicates(self) -> int:
        return sum(self.times.values()) - len(self.times)

    def holds(self, ledger: Ledger) -> None:
        """Every confirmed event is here, with its bytes; nothing is here that was never published."""
        assert missing(ledger.confirmed, self.sha256) == []
        assert set(self.sha256) <= set(ledger.confirmed) | set(ledger.unknown)


def published(url: str, count: int, *, first: int = 0, queue: str = "events") -> Publisher:
    """Publish example events; who did, with the ledger."""
    with Publisher(url, routing_key=queue) as publisher:
        publisher.publish(example_events(count, first=first))
    return publisher


def capture_with(source: Any, folder: Path, **changes: Any) -> tuple[Any, Any]:
    """Capture until idle: the receipt, and the source."""
    return captured(source, folder, **changes), source


def left(url: str, queue: str = "events") -> int:
    """Messages that the queue holds, ready to be delivered."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    count: int = connection.channel().queue_declare(queue, passive=True).method.message_count
    connection.close()
    return count


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """What a check found, by the finding's name."""
    return {finding.name: finding for finding in findings}
