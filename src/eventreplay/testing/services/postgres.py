"""A PostgreSQL server for tests: own data folder, a port of the loopback, superuser with a password."""

from __future__ import annotations

import ctypes
import importlib
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from attrs import frozen

from eventreplay.testing.services import finding, prefix
from eventreplay.testing.services.certificates import Certificates, certificates
from eventreplay.testing.services.container import MAIN, Container, Image
from eventreplay.testing.services.errors import (
    NotOursError,
    ServiceError,
    missing,
)
from eventreplay.testing.services.guarded import Account, Guarded, beginning, started
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.server import Processes, Server

IMAGE = "postgres:16.9"
PACKAGE = "postgresql"
USER = "postgres"
PROBE_S = 2
"""Somebody else on its port may accept and stay silent; it is asked again until it answers."""

SETTINGS: Mapping[str, str] = {
    "max_prepared_transactions": "20",
    "wal_level": "logical",
    # A killed process loses nothing that the kernel has taken; only a crashed machine would, and then the
    # data folder is of no use anyway. Set it to "on" where the cost of a commit matters.
    "fsync": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "log_min_messages": "warning",
}


@frozen
class Programs:
    """Where PostgreSQL's programs are, and the environment they need beyond a clean one."""

    bin: Path
    env: Mapping[str, str]


class _Local(Processes):
    """The server as processes of this machine."""

    stop_signal = signal.SIGINT

    def __init__(
        self,
        guarded: Guarded,
        programs: Programs,
        port: int,
        password: str,
        settings: Mapping[str, str],
        signed: Certificates | None,
    ) -> None:
        super().__init__(guarded)
        self._programs = programs
        self._account: Account | None = finding.unprivileged()
        self._home = guarded.folder / "home"
        self._home.mkdir(mode=0o700)
        self._data = self._home / "data"
        self._settings = {
            **settings,
            "port": str(port),
            "listen_addresses": LOOPBACK,
            # A socket's path would be too long below deep folders, and nobody needs it.
            "unix_socket_directories": "",
        }
        if signed is not None:
            own = self._home / "server.key"
            own.write_bytes(signed.key.read_bytes())
            own.chmod(0o600)
            signed.chain.chmod(0o644)
            signed.ca.parent.chmod(0o755)
            self._settings |= {"ssl": "on", "ssl_cert_file": str(signed.chain), "ssl_key_file": str(own)}
        self._initdb(password)

    def _initdb(self, password: str) -> None:
        secret = self._home / "password"
        secret.write_text(password + "\n", "ascii")
        finding.give(self._home, self._account)
        command = [
            str(self._programs.bin / "initdb"),
            f"--pgdata={self._data}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        self.guarded.run("initdb", command, env=self._env(), account=self._account)
        self.guarded.finish("initdb")
        secret.unlink()

    def _env(self) -> dict[str, str]:
        return {**finding.clean_environment(), **self._programs.env, "HOME": str(self._home)}

    def run(self) -> None:
        command = [str(self._programs.bin / "postgres"), "-D", str(self._data)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        # SIGQUIT ends it at once, and unlike SIGKILL it takes its shared memory along.
        self.guarded.run(MAIN, command, env=self._env(), account=self._account, quit_signal=signal.SIGQUIT)

    def kill(self) -> None:
        segment = self._segment()
        super().kill()
        if segment is not None:
            # The kernel keeps a killed server's few bytes of System V memory until somebody removes them.
            ctypes.CDLL(None, use_errno=True).shmctl(segment, 0, None)

    def _segment(self) -> int | None:
        try:
            words = (self._data / "postmaster.pid").read_text("ascii").splitlines()[6].split()
            return int(words[1])
        except (OSError, IndexError, ValueError):
            return None


class PostgresServer(Server[_Local | Container]):
    """One PostgreSQL server; a context manager.

    Attributes:
        url: postgresql:// URL of the superuser and the database `postgres`.
        host: the loopback's address, or the override's host.
        port: the same after a restart.
        user: the superuser.
        password: the superuser's.
        ca_file: the authority to verify the server with, if it was started with `tls=True`.
    """

    what = "PostgreSQL server"

    def __init__(self, url: str, backend: _Local | Container | None, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        self.url = url
        self.host = parts.hostname or LOOPBACK
        self.port = parts.port or 5432
        self.user = unquote(parts.username or USER)
        self.password = unquote(parts.password or "")
        self.ca_file = ca_file
        super().__init__(backend)
        self._databases: list[str] = []

    @classmethod
    def find(cls) -> PostgresServer:
        """The server that EVENTREPLAY_TEST_POSTGRES_URL names, if it answers; else one of our own.

        Raises:
            ServiceError: the named server does not answer; or as `start`.
        """
        url = finding.override("PostgreSQL")
        if url is None:
            return cls.start()
        server = cls(url, None)
        problem = server.problem()
        if problem is not None:
            raise finding.unanswered("PostgreSQL", f"does not answer SQL: {problem}")
        return server

    @classmethod
    def start(cls, settings: Mapping[str, str] | None = None, *, tls: bool = False) -> PostgresServer:
        """Start a server and wait until it answers SQL.

        Args:
            settings: of postgresql.conf, over those in `SETTINGS`.
            tls: with a certificate for the loopback; clients without TLS are let in as well.

        Raises:
            ServiceMissingError: no container engine, no programs, no packages; says what was tried.
            ServiceNotReadyError: it was started and did not answer.
        """
        merged = {**SETTINGS, **(settings or {})}
        return started(lambda: cls._start_once(merged, tls=tls), "could not bind")

    @classmethod
    def _start_once(cls, settings: Mapping[str, str], *, tls: bool) -> PostgresServer:
        password, port = secrets.token_urlsafe(18), free_port()
        engine = finding.docker()
        backend: _Local | Container
        with beginning("PostgreSQL") as guarded:
            signed = certificates(guarded.folder / "certificates") if tls else None
            if engine is not None:
                backend = _container(guarded, engine, port, password, settings, signed)
            else:
                backend = _Local(guarded, _programs(), port, password, settings, signed)
            backend.run()
        url = f"postgresql://{USER}:{quote(password)}@{LOOPBACK}:{port}/postgres"
        return cls(url, backend, None if signed is None else signed.ca)

    def database(self) -> str:
        """Create an empty database; its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self._execute(f'CREATE DATABASE "{name}"')
        self._databases.append(name)
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def drop(self, url: str) -> None:
        """Remove a database that `database` made, and whoever is connected to it."""
        name = urlsplit(url).path.lstrip("/")
        if name not in self._databases:
            raise NotOursError(f"The database {name} was not made here.")
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._databases.remove(name)

    def _leave(self) -> None:
        for name in self._databases:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._databases.clear()

    def wait_ready(self) -> None:
        """Wait until SQL is answered."""
        self.guarded.wait_ready(MAIN, lambda: True if self.problem() is None else None)

    def problem(self) -> str | None:
        """Why SQL is not answered now, or None; without the driver's own text, which may quote the URL."""
        driver = _driver()
        try:
            connection = driver.connect(self.url, connect_timeout=PROBE_S)
        except driver.OperationalError as error:
            return "refused the password" if "authentication failed" in str(error) else "no connection"
        connection.close()
        return None

    def _execute(self, statement: str) -> None:
        driver = _driver()
        connection = driver.connect(self.url, connect_timeout=30)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


def _container(
    guarded: Guarded,
    engine: str,
    port: int,
    password: str,
    settings: Mapping[str, str],
    signed: Certificates | None,
) -> Container:
    """The server as a container of the official image."""
    words = ["postgres"]
    for name, value in settings.items():
        words += ["-c", f"{name}={value}"]
    volumes: dict[Path, str] = {}
    entrypoint = None
    if signed is not None:
        volumes[signed.ca.parent] = "/certificates"
        words += ["-c", "ssl=on", "-c", "ssl_cert_file=/tls/server.pem", "-c", "ssl_key_file=/tls/server.key"]
        # The key must be the server's own and closed to others, whoever owns it outside.
        taken = "mkdir /tls && install -o postgres -g postgres -m 600 /certificates/server.* /tls/"
        entrypoint, words = "sh", ["-c", f'{taken} && exec docker-entrypoint.sh "$@"', "sh", *words]
    return Container(
        guarded,
        engine,
        Image(
            name=IMAGE,
            ports={5432: port},
            volumes=volumes,
            environment={
                "POSTGRES_PASSWORD": password,
                "POSTGRES_INITDB_ARGS": "--auth=scram-sha-256 --locale=C.UTF-8",
            },
            entrypoint=entrypoint,
            words=words,
        ),
    )


def _programs() -> Programs:
    """PostgreSQL's programs on this machine, or from the distribution's packages."""
    here = finding.installed("postgres", ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"])
    if here is not None:
        return Programs(here.parent, {})
    tried = [
        f"{finding.OVERRIDES['PostgreSQL']} is not set, or this server has to be our own.",
        "no container engine answers `docker info`.",
        "no `postgres` below /usr/lib/postgresql or on PATH.",
    ]
    try:
        folder = prefix.provide(PACKAGE)
    except prefix.PrefixError as error:
        tried.append(f"packages: {error}")
    else:
        found = sorted(folder.glob("usr/lib/postgresql/*/bin/postgres"))
        if found:
            return Programs(found[-1].parent, {"LD_LIBRARY_PATH": prefix.libraries(folder)})
        tried.append(f"packages: {folder} holds no `postgres`.")
    raise missing("PostgreSQL", tried, "Install PostgreSQL 13 or newer (Debian: apt-get install postgresql).")


def _driver() -> Any:
    try:
        return importlib.import_module("psycopg2")
    except ImportError as error:
        raise ServiceError(
            "PostgreSQL for tests needs the driver psycopg2.", hint="Install eventreplay[postgres]."
        ) from error
