"""The peers: pika's own ways to drain a queue, and to fill one where no C compiler is."""

from __future__ import annotations

import os
import time

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

PREFETCH = 40_000
"""The default of our own reader, so that all get the same chance."""

ACK_EACH = 500


def parameters() -> pika.ConnectionParameters:
    """The broker the measurement started; see `broker.environment`."""
    return pika.ConnectionParameters(
        host=os.environ["BENCHMARK_HOST"],
        port=int(os.environ["BENCHMARK_PORT"]),
        virtual_host=os.environ["BENCHMARK_VHOST"],
        credentials=pika.PlainCredentials(os.environ["BENCHMARK_USER"], os.environ["BENCHMARK_PASSWORD"]),
    )


class _Count:
    """Counts deliveries, acknowledges every `ACK_EACH` and the last; the least a consumer can do."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.got = 0
        self.bytes_got = 0

    def take(self, channel: BlockingChannel | Channel, tag: int, body: bytes) -> bool:
        """True when the last one came."""
        self.got += 1
        self.bytes_got += len(body)
        if self.got % ACK_EACH == 0 or self.got == self.events:
            channel.basic_ack(tag, multiple=True)
        return self.got == self.events


def blocking(queue: str, events: int) -> dict[str, object]:
    """`BlockingConnection` with a callback: pika's usual consumer."""
    connection = pika.BlockingConnection(parameters())
    channel = connection.channel()
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    channel.basic_qos(prefetch_count=PREFETCH)
    count = _Count(events)

    def on_message(
        channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
    ) -> None:
        del properties
        if count.take(channel, method.delivery_tag, body):
            channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    channel.start_consuming()
    channel.basic_qos(prefetch_count=PREFETCH)  # a round trip: the last acknowledgement is at the broker
    result = _result(begun_s, begun_cpu_s, count)
    connection.close()
    return result


def select(queue: str, events: int) -> dict[str, object]:
    """`SelectConnection`, pika's faster one: callbacks without the blocking layer between."""
    count = _Count(events)
    begun: list[float] = []
    result: dict[str, object] = {}

    def on_open(connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=on_channel)

    def on_channel(channel: Channel) -> None:
        begun.extend((time.perf_counter(), time.process_time()))
        channel.basic_qos(
            prefetch_count=PREFETCH, callback=lambda _: channel.basic_consume(queue, on_message)
        )

    def on_message(channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        del properties
        if count.take(channel, method.delivery_tag, body):
            channel.basic_qos(prefetch_count=PREFETCH, callback=on_end)

    def on_end(_: object) -> None:
        result.update(_result(begun[0], begun[1], count))
        connection.close()

    connection = pika.SelectConnection(
        parameters(),
        on_open_callback=on_open,
        on_close_callback=lambda connection, _: connection.ioloop.stop(),
    )
    connection.ioloop.start()
    if not result:
        raise RuntimeError(f"The connection closed after {count.got} of {events} messages.")
    return result


def publish(queue: str, events: int, body_bytes: int) -> dict[str, object]:
    """Fill `queue`; returns when the broker has them all. Slow: only where the C client cannot be built."""
    connection = pika.BlockingConnection(parameters())
    channel = connection.channel()
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    for number in range(events):
        text = (f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}" * (body_bytes // 16 + 1))[:body_bytes]
        start = f'{{"number":{number},"text":"'
        properties = BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            message_id=f"bench-{number:015}",
            type="shop.OrderPlaced",
            app_id="bench",
            timestamp=1_767_225_600,
        )
        channel.basic_publish("", queue, (start + text[len(start) + 2 :] + '"}').encode(), properties)
    channel.queue_declare(queue, passive=True)  # answered after everything before it on this channel
    result = _result(begun_s, begun_cpu_s, _Count(events))
    connection.close()
    return result


def _result(begun_s: float, begun_cpu_s: float, count: _Count) -> dict[str, object]:
    return {
        "seconds": time.perf_counter() - begun_s,
        "cpu_s": time.process_time() - begun_cpu_s,
        "events": count.events,
    }
