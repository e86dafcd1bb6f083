"""Declaring, checking, rights and TLS: what is missing is named, and nothing is taken on the way."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import pytest

from eventreplay.errors import ConfigError, SourceError
from eventreplay.sources.rabbitmq import RabbitSource
from eventreplay.sources.rabbitmq.check import check
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.publisher import Publisher
from eventreplay.testing.services import RabbitServer
from tests.integration.rabbitmq.books import Found, by_name, declared, run, settings, until

ROOT = Path(__file__).resolve().parents[3]


def vhost_of(url: str) -> str:
    return unquote(urlsplit(url).path[1:])


Rights = dict[str, str]
"""What may be configured, written and read: regular expressions."""


def users(server: RabbitServer, url: str, rights: dict[str, Rights | None]) -> dict[str, str]:
    """Make one user for each name, with these rights and no others; their URLs.

    All by one call: the broker's tool takes a second each time.
    """
    words = {name: secrets.token_hex(8) for name in rights}
    names = {name: f"{name}-{secrets.token_hex(4)}" for name in rights}
    given = [
        {"user": names[name], "vhost": vhost_of(url), **each}
        for name, each in rights.items()
        if each is not None
    ]
    made = [{"name": names[name], "password": word, "tags": ""} for name, word in words.items()]
    server.rabbitmqctl("import_definitions", text=json.dumps({"users": made, "permissions": given}))
    parts = urlsplit(url)
    return {
        name: f"amqp://{names[name]}:{word}@{parts.hostname}:{parts.port}{parts.path}"
        for name, word in words.items()
    }


def test_declaring_twice_is_declaring_once(rabbitmq_url: str) -> None:
    wanted = settings(rabbitmq_url, bind=("amq.topic:orders.#",))
    assert declare(wanted) == declare(wanted)
    findings = by_name(check(wanted))
    assert all(finding.ok for finding in findings.values()), findings
    assert {"read on queue", "write on queue", "configure on queue", "dead letters", "TLS"} <= set(findings)


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        # The broker names the first that differs; a quorum queue has arguments that a classic one has not.
        ({"queue_type": "classic"}, "x-"),
        ({"delivery_limit": 3}, "x-delivery-limit"),
        ({"dead_letter_exchange": "elsewhere"}, "x-dead-letter-exchange"),
    ],
)
def test_what_differs_is_named(rabbitmq_url: str, change: dict[str, Any], argument: str) -> None:
    declared(rabbitmq_url)
    with pytest.raises(ConfigError) as caught:
        declare(settings(rabbitmq_url, **change))
    assert str(caught.value.fields["argument"]).startswith(argument)
    assert not by_name(check(settings(rabbitmq_url, **change)))["queue arguments"].ok


def test_a_quorum_queue_without_dead_letters_is_told_of(rabbitmq_url: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    connection.channel().queue_declare("events", durable=True, arguments={"x-queue-type": "quorum"})
    connection.close()
    findings = by_name(check(settings(rabbitmq_url)))
    assert not findings["dead letters"].ok
    assert not findings["queue arguments"].ok


def test_a_check_takes_no_message(rabbitmq_url: str, tmp_path: Path) -> None:
    consumer = declared(rabbitmq_url)
    with Publisher(rabbitmq_url, routing_key="events") as publisher:
        ledger = publisher.publish(example_events(3))
    assert all(finding.ok for finding in check(consumer))
    run(consumer, tmp_path)
    Found(tmp_path).holds(ledger)
    assert check(settings(rabbitmq_url, "no-such"))[-2].detail.startswith("There is no queue")


def test_each_missing_right_is_named(rabbitmq_server: RabbitServer, rabbitmq_url: str) -> None:
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    lacking: dict[str, Rights | None] = {right: {**everything, right: "^$"} for right in everything}
    urls = users(rabbitmq_server, rabbitmq_url, {"nobody": None, **lacking})
    declared(rabbitmq_url)

    url = urls["nobody"]
    mine = settings(url)
    findings = check(mine)
    assert [finding.ok for finding in findings] == [False]
    assert "virtual host" in findings[0].detail
    with pytest.raises(SourceError, match="virtual host") as caught:
        declare(mine)
    assert url.split(":")[2].split("@")[0] not in str(caught.value)

    for right in everything:
        found = by_name(check(settings(urls[right])))
        assert [name for name in everything if not found[f"{name} on queue"].ok] == [right]
        with pytest.raises(SourceError) as caught:
            declare(settings(urls[right], "another"))
        assert caught.value.fields["right"] == right
    source = RabbitSource(settings(urls["read"]))
    with pytest.raises(SourceError, match="right to read") as caught:
        until(lambda: source.receive(0.2) is not None)
    assert not caught.value.retryable
    source.close()


def test_a_wrong_password_is_final_and_not_shown(rabbitmq_url: str) -> None:
    parts = urlsplit(rabbitmq_url)
    url = f"amqp://{parts.username}:wrong-word@{parts.hostname}:{parts.port}{parts.path}"
    source = RabbitSource(settings(url))
    with pytest.raises(SourceError) as caught:
        until(lambda: source.receive(0.2) is not None)
    assert not caught.value.retryable
    assert "wrong-word" not in f"{caught.value!r} {caught.value} {caught.value.fields} {source!r}"
    source.close()
