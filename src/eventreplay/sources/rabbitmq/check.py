"""What a doctor looks at: is the broker there, what may we do, is the queue one that loses nothing.

Nothing is changed and no message is taken: rights are found out by asking for things that are refused for
another reason once the right is there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from pika import exceptions

from eventreplay.errors import EventReplayError
from eventreplay.finding import Finding
from eventreplay.sources.rabbitmq.failures import ACCESS_REFUSED, NOT_FOUND, mapped
from eventreplay.sources.rabbitmq.settings import RabbitSettings
from eventreplay.sources.rabbitmq.topology import connected, queue_arguments, refused

_NO_EXCHANGE = "eventreplay.no-such-exchange"


def check(settings: RabbitSettings) -> list[Finding]:
    """Findings about the broker, the rights and the queue; never raises for an unreachable broker."""
    address = settings.address
    try:
        with connected(settings) as connection:
            version = _version(connection)
            return [
                Finding(
                    name="broker", ok=True, detail=f"RabbitMQ {version} at {address.host}:{address.port}."
                ),
                _tls(settings),
                Finding(name="virtual host", ok=True, detail=f"{address.vhost!r} as user {address.user!r}."),
                *_queue(connection, settings),
                _consumer_timeout(),
            ]
    except EventReplayError as error:
        return [Finding(name="broker", ok=False, detail=error.message, hint=error.hint)]
    except exceptions.AMQPError as error:
        lost = mapped(error, settings)
        return [Finding(name="broker", ok=False, detail=lost.message, hint=lost.hint)]


def _version(connection: Any) -> str:
    properties = connection._impl.server_properties or {}  # noqa: SLF001 - not offered otherwise
    return str(properties.get("version", "of unknown version"))[:40]


def _tls(settings: RabbitSettings) -> Finding:
    address = settings.address
    if address.tls:
        return Finding(name="TLS", ok=True, detail="Encrypted; the broker's host name was verified.")
    here = _is_loopback(address.host)
    return Finding(
        name="TLS",
        ok=here,
        required=False,
        detail="Not encrypted; the broker is on this machine."
        if here
        else "Not encrypted: the password and the events can be read on the way.",
        hint="" if here else "Use amqps://, and ca_file for an authority of your own.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _queue(connection: Any, settings: RabbitSettings) -> list[Finding]:
    queue = settings.queue
    absent = _refusal(connection, lambda channel: channel.queue_declare(queue, passive=True))
    if absent is not None:
        return [
            Finding(
                name="queue",
                ok=False,
                detail=f"There is no queue {queue!r} in virtual host {settings.address.vhost!r}.",
                hint="Declare it: eventreplay rabbitmq declare.",
            )
        ]
    return [
        Finding(name="queue", ok=True, detail=f"{queue!r} is there."),
        _read(connection, settings),
        _write(connection, settings),
        *_arguments(connection, settings),
        *_dead_letters(connection, settings),
    ]


def _read(connection: Any, settings: RabbitSettings) -> Finding:
    # The broker looks at the right first and at this nonsensical priority then: nothing is consumed.
    reply = _refusal(
        connection,
        lambda channel: channel.basic_consume(
            settings.queue, on_message_callback=_never, arguments={"x-priority": "none"}
        ),
    )
    return _right(settings, "read", reply is not None and reply.reply_code == ACCESS_REFUSED, required=True)


def _write(connection: Any, settings: RabbitSettings) -> Finding:
    reply = _refusal(connection, lambda channel: channel.queue_bind(settings.queue, _NO_EXCHANGE))
    is_missing = (
        reply is not None and reply.reply_code == ACCESS_REFUSED and "to queue" in str(reply.reply_text)
    )
    return _right(settings, "write", is_missing, required=False)


def _right(settings: RabbitSettings, right: str, is_missing: bool, *, required: bool) -> Finding:  # noqa: FBT001
    user = settings.address.user
    needed = {
        "read": "capture needs it",
        "write": "only binding needs it",
        "configure": "only declare needs it",
    }
    return Finding(
        name=f"{right} on queue",
        ok=not is_missing,
        required=required,
        detail=f"User {user!r} {'lacks' if is_missing else 'has'} it; {needed[right]}.",
        hint=f"rabbitmqctl set_permissions -p {settings.address.vhost!r} {user!r} CONFIGURE WRITE READ"
        if is_missing
        else "",
    )


def _arguments(connection: Any, settings: RabbitSettings) -> list[Finding]:
    wanted = queue_arguments(settings)
    reply = _refusal(
        connection, lambda channel: channel.queue_declare(settings.queue, durable=True, arguments=wanted)
    )
    if reply is not None and reply.reply_code == ACCESS_REFUSED:
        return [_right(settings, "configure", is_missing=True, required=False)]
    findings = [_right(settings, "configure", is_missing=False, required=False)]
    if reply is None:
        detail = f"Durable, {settings.queue_type}, with the arguments that declare gives it."
        return [*findings, Finding(name="queue arguments", ok=True, detail=detail)]
    differs = refused(reply, settings, "configure", settings.queue)
    loses = settings.queue_type == "quorum" and "dead-letter" in str(differs.fields.get("argument"))
    hint = (
        "A quorum queue without a dead-letter exchange drops a message after its delivery limit: set one by "
        "a policy, or declare the queue anew."
        if loses
        else differs.hint
    )
    return [
        *findings,
        Finding(name="queue arguments", ok=False, required=False, detail=differs.message, hint=hint),
    ]


def _dead_letters(connection: Any, settings: RabbitSettings) -> list[Finding]:
    if settings.queue_type == "stream":
        return []
    exchange, letters = settings.dead_letters
    missing = [
        name
        for name, ask in (
            (exchange, lambda channel: channel.exchange_declare(exchange, passive=True)),
            (letters, lambda channel: channel.queue_declare(letters, passive=True)),
        )
        if _is_absent(_refusal(connection, ask))
    ]
    return [
        Finding(
            name="dead letters",
            ok=not missing,
            required=False,
            detail=f"{' and '.join(map(repr, missing))} missing."
            if missing
            else f"Exchange {exchange!r} and queue {letters!r} are there.",
            hint="eventreplay rabbitmq declare" if missing else "",
        )
    ]


def _consumer_timeout() -> Finding:
    return Finding(
        name="consumer_timeout",
        ok=True,
        required=False,
        detail="The broker closes a channel whose messages stay unsettled for 30 minutes (its default); "
        "a capture settles within seconds. A broker set to less than a minute would interrupt it.",
    )


def _refusal(connection: Any, action: Callable[[Any], object]) -> exceptions.ChannelClosedByBroker | None:
    """How the broker refused `action` on a channel of its own; None if it did not."""
    channel = connection.channel()
    try:
        action(channel)
    except exceptions.ChannelClosedByBroker as error:
        return error
    if channel.is_open:
        channel.close()
    return None


def _is_absent(reply: exceptions.ChannelClosedByBroker | None) -> bool:
    return reply is not None and reply.reply_code == NOT_FOUND


def _never(*_: object) -> None:
    raise AssertionError("A check consumed a message.")
