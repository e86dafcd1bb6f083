"""How pika is told where to connect, and by which rules of TLS."""

from __future__ import annotations

import ssl

import pika

from eventreplay.errors import ConfigError
from eventreplay.sources.rabbitmq.settings import RabbitSettings

_PRODUCT = "eventreplay"


def parameters(settings: RabbitSettings, *, heartbeat: bool = True) -> pika.ConnectionParameters:
    """pika's parameters; the password is revealed into them and nowhere else.

    Raises:
        ConfigError: a certificate file cannot be used.
    """
    address = settings.address
    tls = _tls(settings) if address.tls else None
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.vhost,
        # Erased after use, pika could not connect again; it lives as long as one attempt.
        # A fresh broker accepts guest from its own machine; no variable of ours holds a password.
        credentials=pika.PlainCredentials(
            address.user, "guest" if address.password is None else address.password.reveal()
        ),
        heartbeat=settings.heartbeat_s if heartbeat else None,
        socket_timeout=settings.connect_timeout_s,
        stack_timeout=settings.connect_timeout_s,
        blocked_connection_timeout=None,
        connection_attempts=1,
        ssl_options=tls,
        client_properties={"product": _PRODUCT, "connection_name": settings.name[:200]},
    )


def _tls(settings: RabbitSettings) -> pika.SSLOptions:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "A certificate file of the RabbitMQ settings cannot be used.",
            hint="Check ca_file, cert_file and key_file: PEM, readable, the key without a passphrase.",
            setting="ca_file" if settings.cert_file is None else "cert_file",
        ) from error
    # The default context checks the chain and the host name; server_hostname is what it is compared with.
    return pika.SSLOptions(context, server_hostname=settings.address.host)
