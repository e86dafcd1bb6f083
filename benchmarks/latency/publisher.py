"""Publishes at a steady rate with confirms; a process of its own, so that it shares no lock with who reads.

Every message carries the moment it was due, not the moment it was sent: a publisher that falls behind must
not make the system look faster than it is.
"""

from __future__ import annotations

import time

import pika
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from benchmarks.queue.pika_child import parameters

TICK_S = 0.002
CONFIRM_S_MAX = 60.0
STAMP_PREFIX = '{"published_ns":"'
STAMP_DIGITS = 19


def run(queue: str, rate: int, seconds: int, body_bytes: int) -> dict[str, object]:
    """Publish `rate * seconds` messages over `seconds`; returns when the last is confirmed.

    Returns:
        events: how many were confirmed; late_ms: the most a message was sent after it was due; cpu_s.

    Raises:
        RuntimeError: a message was not confirmed.
    """
    steady = _Steady(queue, rate, rate * seconds, body_bytes)
    connection = pika.SelectConnection(
        parameters(),
        on_open_callback=lambda opened: opened.channel(on_open_callback=steady.on_channel),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    begun_cpu_s = time.process_time()
    connection.ioloop.start()
    if steady.confirmed != steady.events or steady.refused:
        raise RuntimeError(f"{steady.confirmed} of {steady.events} messages were confirmed.")
    return {
        "events": steady.confirmed,
        "late_ms": steady.late_ns_max / 1e6,
        "cpu_s": time.process_time() - begun_cpu_s,
    }


class _Steady:
    """The state of one run on pika's event loop."""

    def __init__(self, queue: str, rate: int, events: int, body_bytes: int) -> None:
        self.queue = queue
        self.events = events
        self.period_ns = 1_000_000_000 // rate
        self.padding = "x" * max(0, body_bytes - len(STAMP_PREFIX) - STAMP_DIGITS - len('","text":""}'))
        self.sent = self.confirmed = self.refused = self.late_ns_max = 0
        self.open_tags: set[int] = set()
        self.begun_ns = 0

    def on_channel(self, channel: Channel) -> None:
        self.channel = channel
        channel.confirm_delivery(self.on_confirm, callback=self.on_ready)

    def on_ready(self, _: Method) -> None:
        self.begun_ns = time.monotonic_ns()
        self.tick()

    def tick(self) -> None:
        """Send what is due, and come back; after the last one, give up waiting for confirms at some time."""
        now_ns = time.monotonic_ns()
        due = min(self.events, (now_ns - self.begun_ns) // self.period_ns + 1)
        while self.sent < due:
            due_ns = self.begun_ns + self.sent * self.period_ns
            self.late_ns_max = max(self.late_ns_max, now_ns - due_ns)
            body = f'{STAMP_PREFIX}{due_ns:0{STAMP_DIGITS}}","text":"{self.padding}"}}'
            properties = BasicProperties(
                content_type="application/json",
                delivery_mode=2,
                message_id=f"latency-{self.sent:012}",
                type="shop.OrderPlaced",
                app_id="bench",
                timestamp=1_767_225_600,
            )
            self.sent += 1
            self.open_tags.add(self.sent)
            self.channel.basic_publish("", self.queue, body.encode(), properties)
        loop = self.channel.connection.ioloop
        if self.sent < self.events:
            loop.call_later(TICK_S, self.tick)
        else:
            loop.call_later(CONFIRM_S_MAX, self.channel.connection.close)

    def on_confirm(self, frame: Method) -> None:
        method = frame.method
        tags = (
            [tag for tag in self.open_tags if tag <= method.delivery_tag]
            if method.multiple
            else [method.delivery_tag]
        )
        self.open_tags.difference_update(tags)
        if isinstance(method, Basic.Nack):
            self.refused += len(tags)
        else:
            self.confirmed += len(tags)
        if self.confirmed == self.events and not self.channel.connection.is_closing:
            self.channel.connection.close()
