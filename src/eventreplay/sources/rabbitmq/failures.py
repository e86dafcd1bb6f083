"""The driver's errors as ours. None of the driver's text is passed on: it may quote what is secret."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from pika import exceptions

from eventreplay.errors import EventReplayError, SourceError, SourceUnavailableError
from eventreplay.sources.rabbitmq.frames import FrameError
from eventreplay.sources.rabbitmq.settings import RabbitSettings

ACCESS_REFUSED, NOT_FOUND, RESOURCE_LOCKED, PRECONDITION_FAILED = 403, 404, 405, 406
NOT_ALLOWED, NOT_IMPLEMENTED = 530, 540


def mapped(error: BaseException, settings: RabbitSettings, *, was_attached: bool = False) -> EventReplayError:
    """What a failure of the driver means.

    Args:
        error: as the driver raised or handed it; those it wraps are looked through.
        settings: whose connection failed.
        was_attached: whether the consumer had been accepted: then a queue that is gone may come back.
    """
    place = f"{settings.address.host}:{settings.address.port}"
    for cause in _causes(error):
        found = _meaning(cause, settings, place, was_attached=was_attached)
        if found is not None:
            return found
    return SourceUnavailableError(
        f"RabbitMQ at {place} cannot be reached ({_kind(error)}).",
        hint="Is the broker running, and are host and port right?",
        host=settings.address.host,
        port=settings.address.port,
    )


def _meaning(  # noqa: C901 - a table of cases
    cause: BaseException, settings: RabbitSettings, place: str, *, was_attached: bool
) -> EventReplayError | None:
    if isinstance(cause, EventReplayError):
        return cause
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SourceError(
            f"The certificate of RabbitMQ at {place} is not one for this host name, or not trusted "
            f"(verification error {cause.verify_code}).",
            hint="Connect by the name in the certificate, and name its authority by ca_file.",
            host=settings.address.host,
            verify_code=cause.verify_code,
        )
    if isinstance(cause, exceptions.ProbableAuthenticationError):
        return SourceError(
            f"RabbitMQ at {place} refuses user {settings.address.user!r} or the password.",
            hint="Check user and password.",
            user=settings.address.user,
        )
    if isinstance(cause, exceptions.ProbableAccessDeniedError):
        return _vhost_refused(settings)
    if isinstance(cause, exceptions.IncompatibleProtocolError):
        return SourceUnavailableError(
            f"What answers at {place} does not speak AMQP 0-9-1, or wants TLS.",
            hint="Check the port, and whether it is amqp:// or amqps://.",
        )
    if isinstance(cause, exceptions.ConnectionClosedByBroker):
        if cause.reply_code in {ACCESS_REFUSED, NOT_ALLOWED}:
            return _vhost_refused(settings)
        return SourceUnavailableError(
            f"RabbitMQ at {place} closed the connection (code {cause.reply_code}).",
            hint="It is being restarted, or an operator closed it: try again.",
            code=cause.reply_code,
        )
    if isinstance(cause, exceptions.ChannelClosedByBroker):
        return _channel_closed(cause, settings, was_attached=was_attached)
    if isinstance(cause, exceptions.AMQPHeartbeatTimeout):
        return SourceUnavailableError(
            f"Nothing was heard of RabbitMQ at {place} for {settings.heartbeat_s} s.",
            hint="The network or the broker stalls: try again.",
        )
    if isinstance(cause, FrameError | exceptions.ProtocolSyntaxError):
        return SourceUnavailableError(
            f"RabbitMQ at {place} sent what the protocol does not allow.", hint="Is there a proxy in between?"
        )
    return None


def _vhost_refused(settings: RabbitSettings) -> SourceError:
    address = settings.address
    return SourceError(
        f"RabbitMQ refuses user {address.user!r} the virtual host {address.vhost!r}, or there is none.",
        hint=f"Create it, and grant: rabbitmqctl set_permissions -p VHOST {address.user!r} '' '' QUEUE.",
        user=address.user,
        vhost=address.vhost,
    )


def _channel_closed(
    cause: exceptions.ChannelClosedByBroker, settings: RabbitSettings, *, was_attached: bool
) -> EventReplayError:
    code, queue = cause.reply_code, settings.queue
    if code == ACCESS_REFUSED:
        return SourceError(
            f"User {settings.address.user!r} lacks the right to read queue {queue!r}.",
            hint="Grant it: rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ.",
            right="read",
            queue=queue,
        )
    if code == NOT_FOUND and not was_attached:
        return SourceError(
            f"There is no queue {queue!r} in virtual host {settings.address.vhost!r}.",
            hint="Declare it: eventreplay rabbitmq declare.",
            queue=queue,
        )
    if code == NOT_IMPLEMENTED or (code == PRECONDITION_FAILED and not was_attached):
        return SourceError(
            f"Queue {queue!r} cannot be consumed as a {settings.queue_type} queue (code {code}).",
            hint="Compare queue_type and stream_offset with what was declared: eventreplay rabbitmq check.",
            queue=queue,
            code=code,
        )
    return SourceUnavailableError(
        f"RabbitMQ closed the channel that consumes queue {queue!r} (code {code}).",
        hint={
            NOT_FOUND: "The queue was deleted: declare it again.",
            RESOURCE_LOCKED: "Another consumer holds the queue for itself: end it, or wait.",
            PRECONDITION_FAILED: "Settling took longer than the broker's consumer_timeout, perhaps.",
        }.get(code, "Try again."),
        queue=queue,
        code=code,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it wraps, the innermost first: what went wrong, then how it showed."""
    seen: list[BaseException] = []
    left: list[object] = [error]
    while left:
        one = left.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in seen):
            continue
        seen.append(one)
        left += [one.__cause__, one.__context__, getattr(one, "exception", None)]
        left += [*getattr(one, "exceptions", ()), *one.args]
    return reversed(seen)


def _kind(error: BaseException) -> str:
    """The name of the innermost error's class: says refused, reset or timed out, and quotes nothing."""
    return type(next(_causes(error))).__name__
