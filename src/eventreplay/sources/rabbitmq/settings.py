"""What has to be known to consume a queue of RabbitMQ. Loads no driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal, get_args
from urllib.parse import unquote, urlsplit

from attrs import frozen

from eventreplay import bounds
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret

QueueType = Literal["classic", "quorum", "stream"]
Oversize = Literal["stop", "dead-letter"]

_MIB = 1024 * 1024
NAME_BYTES_MAX = 255
"""Names are short strings of the protocol."""

PROPERTIES = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
    "exchange",
    "routing_key",
)
"""Properties of a message that a column may come from; the last two are of its delivery."""

_WHOLE: Mapping[str, tuple[int, int]] = {
    "prefetch": (1, 65_535),
    "delivery_rows_max": (1, 65_535),
    "buffer_bytes_max": (_MIB, 1024 * _MIB),
    "message_bytes_max": (1, 512 * _MIB),
    "heartbeat_s": (1, 3600),
    "attempts_max": (1, 1000),
}
_HOUR_S = 3600
_SECONDS = ("linger_s", "connect_timeout_s", "wait_max_s")
_COLUMNS = ("event_id_from", "event_type_from", "stream_id_from", "source_from")
_MOMENTS = ("occurred_at_from", "recorded_at_from")


@frozen(kw_only=True)
class RabbitSettings:
    """One consumer of one queue.

    Attributes:
        queue: the queue's name.
        url: `amqp://user:password@host:port/vhost`, or `amqps://...`; wins over the single fields.
        host, port, user, password, vhost: where the broker is, who asks; port None: 5672 (TLS: 5671).
        tls: encrypt, and check the broker's certificate and host name.
        ca_file: certificates to trust, PEM; None: those of the system.
        cert_file, key_file: a certificate of our own, for brokers that ask for one.
        queue_type: what `declare` makes and how the queue is consumed.
        stream_offset: where a stream is begun that the log has nothing of yet: `first`, `last`, `next`, or a
            number.
        prefetch: messages delivered and not yet settled, at most.
        delivery_rows_max: messages per batch.
        linger_s: how long a batch that is not full waits for more.
        buffer_bytes_max: bytes received and not yet taken, above which reading pauses.
        message_bytes_max: body above which a message is not kept in memory; see `oversized`.
        oversized: `stop` with an error and acknowledge nothing, or `dead-letter`: enter it in the quarantine
            by size and SHA-256 and reject it, so that the queue's dead-letter exchange keeps the bytes.
        heartbeat_s: silence after which the connection is given up.
        connect_timeout_s: bound of one attempt to connect.
        attempts_max: attempts in a row that may fail before the run stops.
        wait_max_s: longest wait between two of them; they grow from a fifth of a second, with jitter.
        event_id_from, event_type_from, stream_id_from, source_from: where a column comes from, the first
            that is there: a property's name, or `header:NAME`.
        occurred_at_from, recorded_at_from: the same; a header holds RFC 3339 text, an AMQP timestamp, or with
            `header_ms:NAME` milliseconds since 1970.
        content_type: of messages that do not say.
        dead_letter_exchange, dead_letter_queue: declared beside the queue; None: named after it.
        bind: `exchange` or `exchange:routing key`, bound by `declare`.
        delivery_limit: deliveries after which a quorum queue dead-letters a message.

    Raises:
        ConfigError: a value is not allowed; field `setting`.
    """

    PLACE: ClassVar[str] = "queue"
    ENVIRONMENT: ClassVar[Mapping[str, str]] = {
        "url": "AMQP_URL",
        "host": "RABBITMQ_HOST",
        "port": "RABBITMQ_PORT",
        "user": "RABBITMQ_USER",
        "password": "RABBITMQ_PASSWORD",
        "vhost": "RABBITMQ_VHOST",
    }

    queue: str
    url: Secret | None = None
    host: str = "localhost"
    port: int | None = None
    user: str = "guest"
    password: Secret | None = None
    vhost: str = "/"
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    queue_type: QueueType = "quorum"
    stream_offset: str = "first"
    prefetch: int = 40_000
    delivery_rows_max: int = 8192
    linger_s: float = 0.02
    buffer_bytes_max: int = 64 * _MIB
    message_bytes_max: int = 128 * _MIB
    oversized: Oversize = "stop"
    heartbeat_s: int = 30
    connect_timeout_s: float = 10.0
    attempts_max: int = 10
    wait_max_s: float = 10.0
    event_id_from: tuple[str, ...] = ("header:cloudEvents:id", "header:cloudEvents_id", "message_id")
    event_type_from: tuple[str, ...] = ("header:cloudEvents:type", "header:cloudEvents_type", "type")
    stream_id_from: tuple[str, ...] = (
        "header:cloudEvents:subject",
        "header:cloudEvents_subject",
        "header:stream_id",
    )
    source_from: tuple[str, ...] = ("header:cloudEvents:source", "header:cloudEvents_source", "app_id")
    occurred_at_from: tuple[str, ...] = (
        "header:cloudEvents:time",
        "header:cloudEvents_time",
        "header:occurred_at",
        "timestamp",
    )
    recorded_at_from: tuple[str, ...] = ("header:recorded_at", "header_ms:timestamp_in_ms")
    content_type: str = "application/octet-stream"
    dead_letter_exchange: str | None = None
    dead_letter_queue: str | None = None
    bind: tuple[str, ...] = ()
    delivery_limit: int = 20

    def __attrs_post_init__(self) -> None:
        _check_numbers(self)
        _check_texts(self)
        if (self.cert_file is None) != (self.key_file is None):
            raise _wrong("cert_file", "cert_file and key_file go together.")
        self.address  # noqa: B018 - parsing it is the check

    @property
    def address(self) -> Address:
        """Where and as whom to connect: the URL's parts, or the single fields."""
        if self.url is None:
            port = self.port or (5671 if self.tls else 5672)
            return Address(self.host, port, self.user, self.password, self.vhost, self.tls)
        return _parse_url(self.url, self)

    @property
    def name(self) -> str:
        """What the source is called in checkpoints: the place in the broker, without the broker's address."""
        vhost = self.address.vhost
        return f"rabbitmq:{'' if vhost == '/' else vhost}/{self.queue}"

    @property
    def dead_letters(self) -> tuple[str, str]:
        """Names of the dead-letter exchange and queue."""
        return (
            self.dead_letter_exchange or f"{self.queue}.dead-letter",
            self.dead_letter_queue or f"{self.queue}.dead-letter",
        )


def _check_numbers(settings: RabbitSettings) -> None:
    bounds.port(settings)
    for name, (least, most) in _WHOLE.items():
        bounds.whole(settings, name, least, most)
    for name in _SECONDS:
        bounds.number(settings, name, 0, _HOUR_S)
    bounds.whole(settings, "delivery_limit", 1)


def _check_texts(settings: RabbitSettings) -> None:
    for name in ("queue", "vhost", "dead_letter_exchange", "dead_letter_queue"):
        value = getattr(settings, name)
        if value is not None:
            _check_name(name, value)
    if settings.queue_type not in get_args(QueueType):
        raise _wrong("queue_type", "It is classic, quorum or stream.")
    if settings.oversized not in get_args(Oversize):
        raise _wrong("oversized", "It is stop or dead-letter.")
    if not re.fullmatch(r"first|last|next|[0-9]{1,18}", settings.stream_offset):
        raise _wrong("stream_offset", "It is first, last, next or a number.")
    for name in (*_COLUMNS, *_MOMENTS):
        for place in getattr(settings, name):
            _check_place(name, place)


@frozen
class Address:
    """Where a broker is, and who asks."""

    host: str
    port: int
    user: str
    password: Secret | None
    vhost: str
    tls: bool


def _parse_url(url: Secret, settings: RabbitSettings) -> Address:
    # Nothing of the text is quoted in an error, and no frame that raises one holds it: a mistyped URL has the
    # password in any of its parts.
    address = _address_in(url, settings)
    if address is None:
        raise _wrong("url", "Its form is amqp://user:password@host:port/vhost, without a query.")
    _check_name("url", address.vhost)
    return address


def _address_in(url: Secret, settings: RabbitSettings) -> Address | None:
    """The parts of a URL; None if it is none."""
    try:
        parts = urlsplit(url.reveal())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or parts.query or parts.fragment:
        return None
    tls = parts.scheme == "amqps"
    vhost = unquote(parts.path[1:]) if len(parts.path) > 1 else settings.vhost
    password = Secret(unquote(parts.password)) if parts.password else settings.password
    user = unquote(parts.username) if parts.username else settings.user
    return Address(parts.hostname, port or (5671 if tls else 5672), user, password, vhost, tls)


def _check_name(setting: str, name: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise _wrong(setting, "It is not text that UTF-8 can write.") from None
    if "\r" in name or "\n" in name:
        raise _wrong(setting, "RabbitMQ leaves line breaks out of names: it would be another name there.")
    if not 0 < size <= NAME_BYTES_MAX:
        raise _wrong(setting, f"A name has 1 to {NAME_BYTES_MAX} bytes.")


def _check_place(setting: str, place: str) -> None:
    kind, colon, name = place.partition(":")
    kinds = ("header", "header_ms") if setting in _MOMENTS else ("header",)
    if colon and kind in kinds and name:
        return
    if place in PROPERTIES and (place != "timestamp" or setting in _MOMENTS):
        return
    raise _wrong(
        setting, f"{place[:60]!r} is no place: name a property ({', '.join(PROPERTIES)}) or header:NAME."
    )


def _wrong(setting: str, hint: str) -> ConfigError:
    return ConfigError(f"The RabbitMQ setting {setting} is not allowed.", hint=hint, setting=setting)
