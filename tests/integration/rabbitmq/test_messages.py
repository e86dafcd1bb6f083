"""What messages look like: sizes, types, names, CloudEvents, poison; streams; ending a service."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pytest

from eventreplay.errors import EpochError, SourceError
from eventreplay.sources.rabbitmq import RabbitSource
from eventreplay.testing.examples import HOSTILE_TEXTS, example_events
from eventreplay.testing.faults.publisher import Publisher
from tests.integration.rabbitmq.books import Found, captured, declared, run, settings

PLAIN: dict[str, Any] = {"message_id": "m", "type": "t", "timestamp": 1_700_000_000}


def send(url: str, *messages: tuple[bytes, dict[str, Any]], queue: str = "events") -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for body, properties in messages:
        channel.basic_publish("", queue, body, pika.BasicProperties(**properties), mandatory=True)
    connection.close()


def test_sizes_from_nothing_to_many_megabytes(rabbitmq_url: str, tmp_path: Path) -> None:
    """Around a frame's length, above what the buffer holds, above what the log takes."""
    consumer = declared(rabbitmq_url, buffer_bytes_max=1024 * 1024, queue_type="classic")
    sizes = [0, 1, 131_063, 131_064, 131_065, 262_144, 3_000_000, 17_000_000, 1]
    bodies = [bytes([size % 251]) * size for size in sizes]
    send(rabbitmq_url, *((body, PLAIN | {"message_id": f"m{at}"}) for at, body in enumerate(bodies)))
    run(consumer, tmp_path)
    found = Found(tmp_path)
    due = {f"m{at}": hashlib.sha256(body).hexdigest() for at, body in enumerate(bodies)}
    assert [row["error_code"] for row in found.quarantine] == ["payload_too_large"]
    assert found.quarantine[0]["payload"] == bodies[7]
    assert found.sha256 == {name: digest for name, digest in due.items() if name != "m7"}


def test_many_large_messages_pause_the_reading_and_not_the_heart(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(
        rabbitmq_url, queue_type="classic", buffer_bytes_max=1024 * 1024, heartbeat_s=1, delivery_rows_max=1
    )
    send(rabbitmq_url, *((b"x" * 1_000_000, PLAIN | {"message_id": f"m{at}"}) for at in range(30)))
    source = RabbitSource(consumer)
    assert source.receive(10.0) is not None
    threading.Event().wait(3.0)  # nobody takes anything, for three heartbeats
    assert source.attached
    link = source._link
    assert link is not None
    assert link._splitter is not None
    assert link._splitter.bytes_held < 3 * 1024 * 1024
    captured(source, tmp_path, idle_end_s=3.0)
    assert len(Found(tmp_path).sha256) == 29


def test_a_message_above_the_bound_stops_or_goes_to_the_dead_letters(
    rabbitmq_url: str, tmp_path: Path
) -> None:
    consumer = declared(rabbitmq_url, message_bytes_max=1000)
    big = b"b" * 200_000
    send(rabbitmq_url, (b"fine", PLAIN), (big, PLAIN | {"message_id": "big"}), (b"last", PLAIN))
    with pytest.raises(SourceError, match="message of 200000 bytes"):
        run(consumer, tmp_path / "stopped")
    lets_go = settings(rabbitmq_url, message_bytes_max=1000, oversized="dead-letter")
    run(lets_go, tmp_path / "log")
    found = Found(tmp_path / "log")
    assert [row["error_code"] for row in found.quarantine] == ["message_too_large"]
    reference = {"bytes": 200_000, "sha256": hashlib.sha256(big).hexdigest()}
    assert json.loads(found.quarantine[0]["payload"]) == reference
    assert found.quarantine[0]["event_id"] == "big"
    assert [row["payload"] for row in found.rows] == [b"fine", b"last"]
    run(settings(rabbitmq_url, consumer.dead_letters[1], queue_type="classic"), tmp_path / "letters")
    assert Found(tmp_path / "letters").rows[0]["payload"] == big


def test_poison_is_quarantined_once_and_the_rest_flows(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(rabbitmq_url)
    poison: list[dict[str, Any]] = [
        {"type": "t", "timestamp": 1},
        {"message_id": "m", "timestamp": 1},
        {"message_id": "m", "type": "t"},
        PLAIN | {"headers": {"occurred_at": "yesterday"}},
        PLAIN | {"content_type": "application/cloudevents+json"},
    ]
    send(rabbitmq_url, *((f"body {at}".encode(), one) for at, one in enumerate(poison)), (b"good", PLAIN))
    receipt = run(consumer, tmp_path)
    found = Found(tmp_path)
    assert (receipt.received, receipt.logged, receipt.quarantined) == (6, 1, 5)
    assert {row["payload"]: row["error_code"] for row in found.quarantine} == {
        b"body 0": "event_id_missing",
        b"body 1": "event_type_missing",
        b"body 2": "occurred_at_missing",
        b"body 3": "occurred_at_malformed",
        b"body 4": "json_malformed",
    }
    assert run(consumer, tmp_path).received == 0


def test_cloud_events_in_both_modes(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(rabbitmq_url)
    binary = {
        "cloudEvents:id": "b-1",
        "cloudEvents:type": "order.placed",
        "cloudEvents:source": "/shop",
        "cloudEvents:subject": "order-1",
        "cloudEvents:time": "2026-01-31T12:00:00.123456789+02:00",
        "cloudEvents:specversion": "1.0",
    }
    envelope = (
        '{"specversion":"1.0","id":"s-1","type":"order.placed","source":"/shop","subject":"order-2",'
        '"time":"2026-01-31T10:00:00Z","data":{"amount": 1.10}}'
    )
    send(
        rabbitmq_url,
        (b"bytes", {"headers": binary, "content_type": "application/protobuf"}),
        (envelope.encode(), {"content_type": "application/cloudevents+json; charset=utf-8"}),
    )
    run(consumer, tmp_path)
    first, second = Found(tmp_path).rows
    assert (first["event_id"], first["event_type"], first["source"]) == ("b-1", "order.placed", "/shop")
    assert (first["stream_id"], first["payload"]) == ("order-1", b"bytes")
    assert first["occurred_at"] == datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)
    assert "cloudEvents:id" not in dict(first["headers"])
    assert (second["event_id"], second["stream_id"]) == ("s-1", "order-2")
    assert (second["content_type"], second["payload"]) == ("application/json", b'{"amount": 1.10}')


@pytest.mark.parametrize("name", sorted(HOSTILE_TEXTS))
def test_hostile_texts_are_stored_exactly(name: str, rabbitmq_url: str, tmp_path: Path) -> None:
    text = HOSTILE_TEXTS[name]
    queue = text.replace("\r", "").replace("\n", "")  # those are refused; see the settings
    consumer = declared(rabbitmq_url, queue=queue, queue_type="classic")
    properties = PLAIN | {"message_id": text, "type": text, "app_id": text, "headers": {text: text}}
    send(rabbitmq_url, (text.encode(), properties), queue=queue)
    run(consumer, tmp_path, idle_end_s=0.4, age_max_s=0.1)
    row = Found(tmp_path).rows[0]
    assert (row["event_id"], row["event_type"], row["source"]) == (text, text, text)
    assert dict(row["headers"])[text] == text
    assert row["payload"] == text.encode()
    assert consumer.name.endswith(f"/{queue}")


def test_a_service_ends_at_a_commit_when_it_is_told_to(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(rabbitmq_url)
    with Publisher(rabbitmq_url, routing_key="events") as publisher:
        ledger = publisher.publish(example_events(30))
    told = threading.Event()
    source = RabbitSource(consumer)
    handed: list[int] = []

    class Told:
        def receive(self, timeout_s: float) -> Any:
            delivery = source.receive(timeout_s)
            if delivery is not None:
                handed.append(delivery.batch.rows)
                told.set()
            return delivery

        def __getattr__(self, name: str) -> Any:
            return getattr(source, name)

    receipt = captured(Told(), tmp_path, stop=told.is_set, idle_end_s=None, age_max_s=60.0)  # type: ignore[arg-type]
    assert receipt.received == sum(handed) > 0
    run(consumer, tmp_path)
    found = Found(tmp_path)
    found.holds(ledger)
    assert found.duplicates == 0


def test_a_stream_goes_on_behind_the_log_s_checkpoint(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(rabbitmq_url, queue_type="stream", prefetch=100)
    with Publisher(rabbitmq_url, routing_key="events") as publisher:
        publisher.publish(example_events(150))
        assert run(consumer, tmp_path).position == 149
        assert run(consumer, tmp_path).received == 0
        ledger = publisher.publish(example_events(60, first=150))
    assert run(consumer, tmp_path).received == 60
    found = Found(tmp_path)
    found.holds(ledger)
    assert found.duplicates == 0
    assert [row["source_position"] for row in found.rows] == list(range(210))


def test_a_stream_that_was_made_anew_is_not_taken_for_the_old_one(
    rabbitmq_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventreplay.sources.rabbitmq.source.PROOF_S_MAX", 1.0)
    consumer = declared(rabbitmq_url, queue_type="stream")
    with Publisher(rabbitmq_url, routing_key="events") as publisher:
        publisher.publish(example_events(20))
    run(consumer, tmp_path)
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    connection.channel().queue_delete("events")
    connection.close()
    declared(rabbitmq_url, queue_type="stream")
    with Publisher(rabbitmq_url, routing_key="events") as publisher:
        publisher.publish(example_events(5))
    with pytest.raises(EpochError):
        run(consumer, tmp_path)
