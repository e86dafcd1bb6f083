"""Declaring a queue so that it loses nothing: durable, with a dead-letter exchange and a queue behind it.

Declaring again what is there does nothing; declaring it otherwise is refused by the broker, and the error
names the argument. Nothing is ever deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pika
from attrs import frozen
from pika import exceptions

from eventreplay.errors import ConfigError, EventReplayError, SourceError
from eventreplay.sources.rabbitmq.failures import ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED, mapped
from eventreplay.sources.rabbitmq.parameters import parameters
from eventreplay.sources.rabbitmq.settings import NAME_BYTES_MAX, RabbitSettings

_RESERVED = "amq."
_DIFFERS = re.compile(
    r"inequivalent arg '(?P<argument>[^']{1,60})'.{0,600}received (?P<wanted>.{1,300}) but current is "
    r"(?P<found>.{1,300})$",
    re.DOTALL,
)


@frozen
class Declared:
    """One thing that is there now, whether it was before or not."""

    kind: str
    name: str
    arguments: dict[str, object]


def queue_arguments(settings: RabbitSettings) -> dict[str, object]:
    """Arguments of the queue itself."""
    arguments: dict[str, object] = {"x-queue-type": settings.queue_type}
    if settings.queue_type == "stream":
        return arguments
    arguments["x-dead-letter-exchange"] = settings.dead_letters[0]
    if settings.queue_type == "quorum":
        # A quorum queue gives a message up after so many deliveries. At least once: it lets go of it only
        # when the dead-letter queue has it, for which it must refuse publishers rather than drop.
        arguments["x-delivery-limit"] = settings.delivery_limit
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-overflow"] = "reject-publish"
    return arguments


@contextmanager
def connected(settings: RabbitSettings) -> Iterator[Any]:
    """A plain connection of the driver, for a few calls; closed afterwards.

    Raises:
        EventReplayError: it cannot be made.
    """
    try:
        connection = pika.BlockingConnection(parameters(settings, heartbeat=False))
    except EventReplayError:
        raise
    except Exception as error:  # noqa: BLE001 - sockets', TLS's, the driver's own
        raise mapped(error, settings) from None
    try:
        yield connection
    finally:
        if connection.is_open:
            connection.close()


def declare(settings: RabbitSettings) -> list[Declared]:
    """Declare the queue, its dead-letter exchange and queue, and its bindings. Idempotent.

    Raises:
        ConfigError: a name is one that nobody can declare (field `setting`), or something of that name is
            there and differs (field `argument`).
        SourceError: a right is missing; fields `right`, `resource`.
        SourceUnavailableError: the broker cannot be reached.
    """
    _check_names(settings)
    steps = [*_dead_letter_steps(settings), *_queue_steps(settings)]
    with connected(settings) as connection:
        for step in steps:
            _do(connection, settings, step)
    return [step.made for step in steps if step.made is not None]


def _check_names(settings: RabbitSettings) -> None:
    """Raise for names that the broker or the protocol has no room for, before anything is declared."""
    names = {"queue": settings.queue}
    if settings.queue_type != "stream":
        names["dead_letter_exchange"], names["dead_letter_queue"] = settings.dead_letters
    for setting, name in names.items():
        if name.startswith(_RESERVED):
            raise ConfigError(
                f"{name[:80]!r} cannot be declared: names that begin with {_RESERVED} are RabbitMQ's own.",
                hint=f"Choose another {setting}.",
                setting=setting,
            )
        if len(name.encode()) > NAME_BYTES_MAX:
            raise ConfigError(
                f"The name of {setting} is longer than {NAME_BYTES_MAX} bytes: {name[:80]!r}...",
                hint=f"Set {setting}: by default it is the queue's name with .dead-letter behind it.",
                setting=setting,
            )


@frozen
class _Step:
    """One call, the right it needs, on what, and what is there afterwards."""

    right: str
    resource: str
    call: Callable[[Any], object]
    made: Declared | None


def _dead_letter_steps(settings: RabbitSettings) -> list[_Step]:
    if settings.queue_type == "stream":
        return []
    exchange, letters = settings.dead_letters
    # Classic: it has no delivery limit after which it would drop what nobody has looked at yet.
    kind: dict[str, object] = {"x-queue-type": "classic"}
    return [
        _Step(
            "configure",
            exchange,
            lambda channel: channel.exchange_declare(exchange, "fanout", durable=True),
            Declared("exchange", exchange, {}),
        ),
        _Step(
            "configure",
            letters,
            lambda channel: channel.queue_declare(letters, durable=True, arguments=kind),
            Declared("queue", letters, kind),
        ),
        _Step("write", letters, lambda channel: channel.queue_bind(letters, exchange), None),
    ]


def _queue_steps(settings: RabbitSettings) -> list[_Step]:
    queue, own = settings.queue, queue_arguments(settings)
    steps = [
        _Step(
            "configure",
            queue,
            lambda channel: channel.queue_declare(queue, durable=True, arguments=own),
            Declared("queue", queue, own),
        )
    ]
    for binding in settings.bind:
        exchange, _, key = binding.partition(":")
        made = Declared("binding", exchange, {"routing_key": key})
        steps.append(_Step("write", queue, partial(_bind, queue=queue, exchange=exchange, key=key), made))
    return steps


def _bind(channel: Any, *, queue: str, exchange: str, key: str) -> None:
    channel.queue_bind(queue, exchange, key)


def _do(connection: Any, settings: RabbitSettings, step: _Step) -> None:
    """Take one step on a channel of its own: the broker closes a channel whose wish it refuses."""
    try:
        channel = connection.channel()
        step.call(channel)
        channel.close()
    except exceptions.ChannelClosedByBroker as error:
        raise refused(error, settings, step.right, step.resource) from None
    except exceptions.AMQPError as error:
        raise mapped(error, settings) from None


def refused(
    error: exceptions.ChannelClosedByBroker, settings: RabbitSettings, right: str, resource: str
) -> EventReplayError:
    """What a broker's refusal of a declaration means."""
    user = settings.address.user
    if error.reply_code == ACCESS_REFUSED:
        if "to exchange" in str(error.reply_text) and right == "write":
            right, resource = "read", "the exchange it is bound to"
        return SourceError(
            f"User {user!r} lacks the right to {right} {resource!r}.",
            hint=f"Grant it: rabbitmqctl set_permissions -p {settings.address.vhost!r} {user!r} "
            "CONFIGURE WRITE READ.",
            right=right,
            resource=resource,
        )
    if error.reply_code == NOT_FOUND:
        return ConfigError(
            f"Queue {settings.queue!r} cannot be bound: there is no such exchange.",
            hint="Name an exchange that exists by bind; exchanges of publishers are not declared here.",
            setting="bind",
        )
    differs = _DIFFERS.search(str(error.reply_text))
    if error.reply_code == PRECONDITION_FAILED and differs is not None:
        return ConfigError(
            f"{resource!r} is there already, and differs in {differs['argument']}: "
            f"wanted {differs['wanted']}, found {differs['found']}.",
            hint="Set what is there, or declare under another name and bind that; nothing was changed.",
            argument=differs["argument"],
            wanted=differs["wanted"],
            found=differs["found"],
            resource=resource,
        )
    return ConfigError(
        f"RabbitMQ refuses to declare {resource!r} (code {error.reply_code}).",
        hint="Does this broker know the queue type, and are its arguments allowed?",
        resource=resource,
        code=error.reply_code,
    )
