"""A RabbitMQ broker for tests: own data folder, ports of the loopback, an administrator with a password."""

from __future__ import annotations

import json
import secrets
import socket
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from attrs import frozen

from eventreplay.testing.services import finding
from eventreplay.testing.services.certificates import Certificates, certificates
from eventreplay.testing.services.container import MAIN
from eventreplay.testing.services.errors import ServiceError
from eventreplay.testing.services.guarded import beginning, started
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.rabbitmq_node import ContainerNode, LocalNode, NodeSettings
from eventreplay.testing.services.server import Server

USER = "eventreplay"
VHOSTS_AT_ONCE = 8
"""How many are made in advance: the tool that makes them takes a second, for one as for eight."""

HTTP_S_MAX = 30
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
# A method frame (type 1) on channel 0; after its length, class 10 and method 10: Connection.Start.
AMQP_START = (b"\x01\x00\x00", b"\x00\x0a\x00\x0a")
AMQP_START_BYTES = 11


@frozen(kw_only=True)
class Address:
    """Where a broker is and who may do everything there."""

    host: str
    port: int
    user: str
    password: str
    tls_port: int | None = None
    management_url: str | None = None

    def url(self, vhost: str = "/", *, tls: bool = False) -> str:
        """The AMQP URL of a virtual host."""
        scheme, port = ("amqps", self.tls_port) if tls else ("amqp", self.port)
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{scheme}://{credentials}@{self.host}:{port}/{quote(vhost, safe='')}"


class RabbitServer(Server[LocalNode | ContainerNode]):
    """One RabbitMQ broker; a context manager.

    RabbitMQ 3.10 notes a new quorum queue half a second late: killed sooner after the declaration, it comes
    back with a queue that answers nothing. Messages it has confirmed are kept.

    Attributes:
        url: amqp:// URL of the administrator and the virtual host `/`.
        host: the loopback's address, or the override's host.
        port: of AMQP; the same after a restart.
        user: the administrator.
        password: of the administrator.
        tls_url: amqps:// URL, if it was started with `tls=True`.
        ca_file: the authority to verify the broker with, if it was started with `tls=True`.
        management_url: of the HTTP API, if it was started with `management=True`.
    """

    what = "broker"

    def __init__(
        self, address: Address, node: LocalNode | ContainerNode | None, ca_file: Path | None = None
    ) -> None:
        super().__init__(node)
        self._address = address
        self._vhosts: list[str] = []
        self._made: list[str] = []
        self.host, self.port = address.host, address.port
        self.user, self.password = address.user, address.password
        self.url = address.url()
        self.tls_url = None if address.tls_port is None else address.url(tls=True)
        self.management_url = address.management_url
        self.ca_file = ca_file

    @classmethod
    def find(cls) -> RabbitServer:
        """The broker that EVENTREPLAY_TEST_RABBITMQ_URL names, if it answers; else one of our own.

        Virtual hosts are made there through the HTTP API: EVENTREPLAY_TEST_RABBITMQ_MANAGEMENT_URL, or port
        15672 of the same host.

        Raises:
            ServiceError: the named broker does not answer; or as `start`.
        """
        url = finding.override("RabbitMQ")
        if url is None:
            return cls.start()
        parts = urlsplit(url)
        host = parts.hostname or LOOPBACK
        address = Address(
            host=host,
            port=parts.port or 5672,
            user=parts.username or "guest",
            password=parts.password or "guest",
            management_url=finding.setting("EVENTREPLAY_TEST_RABBITMQ_MANAGEMENT_URL")
            or f"http://{host}:15672",
        )
        if not _answers(address.host, address.port):
            raise finding.unanswered("RabbitMQ", "does not answer the AMQP handshake")
        return cls(address, None)

    @classmethod
    def start(cls, config: str = "", *, tls: bool = False, management: bool = False) -> RabbitServer:
        """Start a broker and wait until it answers the AMQP handshake.

        Args:
            config: lines of rabbitmq.conf, after our own.
            tls: also listen with TLS and a certificate for the loopback.
            management: with the management plugin and its HTTP API, and Prometheus' metrics.

        Raises:
            ServiceMissingError: no container engine, no programs, no packages; says what was tried.
            ServiceNotReadyError: it was started and did not answer.
        """
        return started(lambda: cls._start_once(config, tls=tls, management=management), "eaddrinuse")

    @classmethod
    def _start_once(cls, config: str, *, tls: bool, management: bool) -> RabbitServer:
        management_port = free_port() if management else None
        address = Address(
            host=LOOPBACK,
            port=free_port(),
            user=USER,
            password=secrets.token_urlsafe(18),
            tls_port=free_port() if tls else None,
            management_url=None if management_port is None else f"http://{LOOPBACK}:{management_port}",
        )
        engine = finding.docker()
        node: LocalNode | ContainerNode
        with beginning("RabbitMQ") as guarded:
            signed: Certificates | None = certificates(guarded.folder / "certificates") if tls else None
            settings = NodeSettings(
                port=address.port,
                tls_port=address.tls_port,
                management_port=management_port,
                user=address.user,
                password=address.password,
                config=config,
                signed=signed,
            )
            node = (
                LocalNode(guarded, settings) if engine is None else ContainerNode(guarded, engine, settings)
            )
            node.run()
        return cls(address, node, None if signed is None else signed.ca)

    def vhost(self) -> str:
        """Create an empty virtual host; its amqp:// URL, of the same administrator."""
        if not self._vhosts:
            self._vhosts = self._make_vhosts()
        return self._address.url(self._vhosts.pop())

    def _make_vhosts(self) -> list[str]:
        if self._backend is None:
            name = f"test-{secrets.token_hex(6)}"
            self._http("PUT", f"/api/vhosts/{name}")
            self._made.append(name)
            return [name]
        names = [f"test-{secrets.token_hex(6)}" for _ in range(VHOSTS_AT_ONCE)]
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "vhosts": [{"name": name} for name in names],
            "permissions": [{"user": USER, "vhost": name, **everything} for name in names],
        }
        self._backend.rabbitmqctl("import_definitions", text=json.dumps(definitions))
        return names

    def rabbitmqctl(self, *words: str, text: str = "") -> str:
        """Run the broker's own tool, which takes about a second; what it prints.

        Args:
            words: the command and its arguments.
            text: for its standard input.

        Raises:
            ServiceError: it failed; with what it said.
        """
        return self._ours().rabbitmqctl(*words, text=text)

    def _leave(self) -> None:
        for name in self._made:
            self._http("DELETE", f"/api/vhosts/{name}")
        self._made.clear()

    def wait_ready(self) -> None:
        """Wait until the handshake is answered, and every other port is listened on."""
        ports = [port for port in (self._address.port, self._address.tls_port) if port is not None]
        management = urlsplit(self.management_url or "").port

        def ready() -> bool | None:
            if not _answers(self.host, self._address.port):
                return None
            more = [*ports[1:], *([] if management is None else [management])]
            return True if all(_listens(self.host, port) for port in more) else None

        self.guarded.wait_ready(MAIN, ready)

    def _http(self, method: str, path: str) -> None:
        credentials = b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers: Mapping[str, str] = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(  # noqa: S310 - the URL is the tests' own
            f"{self.management_url}{path}", method=method, headers=dict(headers)
        )
        try:
            with urllib.request.urlopen(request, timeout=HTTP_S_MAX):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            with error:
                raise ServiceError(f"RabbitMQ: {method} {path} answered {error.code}.") from None
        except OSError as error:
            raise ServiceError(
                f"RabbitMQ's HTTP API does not answer at {self.management_url}.",
                hint="Enable the management plugin, or set EVENTREPLAY_TEST_RABBITMQ_MANAGEMENT_URL.",
            ) from error


def _answers(host: str, port: int) -> bool:
    """Whether an AMQP 0-9-1 broker begins the handshake."""
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(AMQP_HEADER)
            said = b""
            while len(said) < AMQP_START_BYTES:
                more = connection.recv(64)
                if not more:
                    return False
                said += more
    except OSError:
        return False
    return said[:3] == AMQP_START[0] and said[7:AMQP_START_BYTES] == AMQP_START[1]


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except OSError:
        return False
