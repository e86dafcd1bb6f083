"""deploy/rabbitmq in a real broker: its topology is as the commands expect, its users can do just enough."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pika.exceptions
import pytest

from eventreplay.errors import SourceError
from eventreplay.sources.rabbitmq.check import check
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.examples import example_events
from eventreplay.testing.faults.publisher import Publisher
from eventreplay.testing.services import RabbitServer
from tests.integration.rabbitmq.books import Found, run, settings

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def deployed(rabbitmq_server: RabbitServer) -> Callable[[str], str]:
    """deploy/rabbitmq/definitions.json imported into the broker; the URL of each of its users."""
    vhost, ending = f"shop-{secrets.token_hex(4)}", secrets.token_hex(4)
    text = (ROOT / "deploy/rabbitmq/definitions.json").read_text("utf-8")
    given = json.loads(text.replace('"vhost": "shop"', f'"vhost": "{vhost}"'))
    given["vhosts"] = [{"name": vhost}]
    # Somebody who publishes, which none of the two may.
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    given["users"].append({"name": "shop", "tags": ""})
    given["permissions"].append({"user": "shop", "vhost": vhost, **everything})
    words = {one["name"]: secrets.token_hex(8) for one in given["users"]}
    for one in given["users"]:
        if one["name"] != "eventreplay-capture":  # whose password is set as the README says
            one.pop("password_hash", None)
            one["password"] = words[one["name"]]
        one["name"] += f"-{ending}"
    for one in given["permissions"]:
        one["user"] += f"-{ending}"
    rabbitmq_server.rabbitmqctl("import_definitions", text=json.dumps(given))
    parts = urlsplit(rabbitmq_server.url)

    def url(name: str) -> str:
        return f"amqp://{name}-{ending}:{words[name]}@{parts.hostname}:{parts.port}/{vhost}"

    # Before its password is set, nobody is let in as the consumer.
    assert [one.ok for one in check(settings(url("eventreplay-capture"), "orders"))] == [False]
    capture = f"eventreplay-capture-{ending}"
    rabbitmq_server.rabbitmqctl("change_password", capture, words["eventreplay-capture"])
    return url


ORDERS: dict[str, Any] = {
    "dead_letter_exchange": "orders.dead-letter",
    "delivery_limit": 20,
    "bind": ("shop:orders.#",),
}


def test_the_definitions_are_what_the_commands_expect(deployed: Callable[[str], str]) -> None:
    """The operator may declare them again, which changes nothing; the check finds no fault."""
    operator = settings(deployed("eventreplay-operator"), "orders", **ORDERS)
    assert declare(operator) == declare(operator)
    assert {one.name: one.detail for one in check(operator) if one.required and not one.ok} == {}


def test_the_user_of_deploy_can_capture_and_nothing_else(
    deployed: Callable[[str], str], tmp_path: Path
) -> None:
    url = deployed("eventreplay-capture")
    with Publisher(deployed("shop"), routing_key="orders") as publisher:
        ledger = publisher.publish(example_events(5))
    run(settings(url, "orders"), tmp_path)
    Found(tmp_path).holds(ledger)
    with pytest.raises(SourceError, match="configure"):
        declare(settings(url, "orders", **ORDERS))
    with pytest.raises(SourceError, match="read"):
        run(settings(url, "other"), tmp_path / "other")
    acts: tuple[Callable[[Any], Any], ...] = (
        lambda channel: channel.basic_publish("shop", "orders.placed", b"{}"),
        lambda channel: channel.basic_publish("", "orders", b"{}"),
        lambda channel: channel.queue_declare("mine"),
        lambda channel: channel.queue_delete("orders"),
        lambda channel: channel.queue_purge("shop"),
        lambda channel: channel.queue_bind("orders", "shop", "other.#"),
        lambda channel: channel.exchange_declare("mine"),
    )
    for act in acts:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
            act(channel)
        assert caught.value.reply_code == 403
        connection.close()
