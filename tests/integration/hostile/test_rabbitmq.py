"""Hostile strings through RabbitMQ: values come out exactly; queues are declared by their exact names."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pika

from eventreplay import Log
from eventreplay.errors import ConfigError
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.secret import Secret
from eventreplay.sources.rabbitmq import RabbitSettings, RabbitSource
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.hostile import HOSTILE
from tests.integration.hostile.corpus import Case, canary, cases, seen

SHORT_BYTES_MAX = 255
"""Properties, routing keys and names are short strings of the protocol; a driver can send no longer ones."""

CONSUMED_OF = 6
"""One queue of so many is consumed too."""


def settings(url: str, queue: str, **changes: Any) -> RabbitSettings:
    return RabbitSettings(url=Secret(url), queue=queue, queue_type="classic", **changes)


def fits(case: Case) -> bool:
    return case.place == "header_value" or len(case.text.encode()) <= SHORT_BYTES_MAX


def properties(case: Case) -> pika.BasicProperties:
    event = case.event
    return pika.BasicProperties(
        message_id=event.event_id,
        type=event.event_type,
        app_id=event.source,
        content_type=event.content_type,
        timestamp=int(event.occurred_at.timestamp()),
        headers=dict(event.headers),
    )


def test_every_value_that_a_message_can_hold_comes_out_exactly(tmp_path: Path, rabbitmq_url: str) -> None:
    before = canary(tmp_path)
    every = [case for case in cases() if fits(case)]
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq_url))) as connection:
        channel = connection.channel()
        channel.queue_declare("canary", durable=True)
        channel.basic_publish("", "canary", b"alive")
        channel.queue_declare("hostile", durable=True)
        channel.queue_bind("hostile", "amq.fanout")
        channel.confirm_delivery()
        for case in every:
            # The stream is the routing key: that is where a stranger's text stands, too.
            channel.basic_publish(
                "amq.fanout", case.event.stream_id, case.event.payload, properties(case), mandatory=True
            )
        consumer = settings(rabbitmq_url, "hostile", stream_id_from=("routing_key",))
        log = Log.open(tmp_path / "log")
        with closing(RabbitSource(consumer)) as source:
            options = QueueOptions(idle_end_s=1.0, run_max_s=60.0)
            receipt = capture_queue(source, log, "queue", clock=time.monotonic, options=options)
        assert channel.queue_declare("hostile", passive=True).method.message_count == 0
        assert channel.basic_get("canary", auto_ack=True)[2] == b"alive"
    refused = [case for case in every if case.is_refused]
    assert (receipt.received, receipt.quarantined) == (len(every), len(refused))
    found = {}
    for commit in log.reader("queue").commits():
        for ref in (*commit.segments, *commit.quarantine):
            for row in log.read(ref).to_pylist():
                headers = {
                    name: value for name, value in row["headers"] or [] if not name.startswith("amqp.")
                }
                found[json.loads(row["payload"])["case"]] = {**row, "headers": headers}
    for case in every:
        row = found[f"{case.place}/{case.name}"]
        if not case.text and case.is_refused:
            assert row[case.place] is None  # an empty id or type is none
        else:
            assert case.found_in(row) == case.text, case
    assert seen(tmp_path) == before


def test_every_name_of_a_queue_is_declared_and_consumed_exactly_or_refused(rabbitmq_url: str) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq_url))) as connection:
        channel = connection.channel()
        channel.queue_declare("canary", durable=True)
        channel.basic_publish("", "canary", b"alive")
        channel.confirm_delivery()
        declared = []
        for name, text in HOSTILE.items():
            # Dead letters of their own have longer names; made for those near the bound, shared by the rest.
            shared = (
                {} if len(text) > 200 else {"dead_letter_exchange": "letters", "dead_letter_queue": "letters"}
            )
            try:
                consumer = settings(rabbitmq_url, text, **shared)
                declare(consumer)
            except ConfigError as error:
                assert error.hint, name  # noqa: PT017 - either way out is right
                continue
            declared.append(name)
            # Refused as unroutable unless a queue of exactly this name is there.
            channel.basic_publish("", text, name.encode(), mandatory=True)
            if len(declared) % CONSUMED_OF == 0:
                with closing(RabbitSource(consumer)) as source:
                    delivery = source.receive(10.0)
                    assert delivery is not None, name
                    assert delivery.batch.events is not None
                    assert delivery.batch.events.column("payload").to_pylist() == [name.encode()]
        assert len(declared) > len(HOSTILE) * 0.8
        assert channel.basic_get("canary", auto_ack=True)[2] == b"alive"
