"""The Snowflake stand-in as a server for tests: a process of its own, that keeps its data over a restart."""

from __future__ import annotations

import importlib
import importlib.util
import secrets
import sys
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import frozen

from eventreplay.testing.services import finding
from eventreplay.testing.services.container import MAIN
from eventreplay.testing.services.errors import NotOursError, ServiceError, missing
from eventreplay.testing.services.guarded import Guarded, beginning, started
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.server import Processes, Server, said_port

ACCOUNT = "standin"
USER = "TEST"
DATABASE = "TEST"
PASSWORD_VARIABLE = "STANDIN_PASSWORD"  # noqa: S105 - a variable's name
LOGIN_S_MAX = 30


@frozen(kw_only=True)
class Login:
    """How the connector reaches one account."""

    host: str
    port: int
    account: str
    user: str
    password: str
    protocol: str = "http"
    more: tuple[tuple[str, str], ...] = ()


class _Program(Processes):
    """The stand-in as a process of this machine."""

    def __init__(self, guarded: Guarded, login: Login) -> None:
        super().__init__(guarded)
        self._login = login

    def run(self) -> None:
        guarded, login = self.guarded, self._login
        guarded.log(MAIN).unlink(missing_ok=True)
        command = [sys.executable, "-m", "eventreplay.testing.standin", "--port", str(login.port)]
        command += ["--data", str(guarded.folder / "data"), "--json", "--database", DATABASE]
        command += ["--user", login.user, "--password-env", PASSWORD_VARIABLE]
        environment = {**finding.clean_environment(), PASSWORD_VARIABLE: login.password}
        guarded.run(MAIN, command, env=environment)


class StandInServer(Server[_Program]):
    """One stand-in; a context manager.

    Attributes:
        host: the loopback's address, or the override's host.
        port: the same after a restart.
        account: what the connector calls it.
        user: an ACCOUNTADMIN.
        password: the user's.
    """

    what = "account"

    def __init__(self, login: Login, backend: _Program | None) -> None:
        super().__init__(backend)
        self._login = login
        self._databases: list[str] = []
        self.host, self.port, self.account = login.host, login.port, login.account
        self.user, self.password = login.user, login.password

    @classmethod
    def find(cls) -> StandInServer:
        """The account that EVENTREPLAY_TEST_SNOWFLAKE_URL names, if it lets us in; else one of our own.

        Its form is http(s)://USER:PASSWORD@host:port/ACCOUNT?role=…&warehouse=…

        Raises:
            ServiceError: nobody can log in there; or as `start`.
        """
        url = finding.override("Snowflake")
        if url is None:
            return cls.start()
        parts = urlsplit(url)
        server = cls(
            Login(
                host=parts.hostname or LOOPBACK,
                port=parts.port or (443 if parts.scheme == "https" else 80),
                account=parts.path.strip("/") or ACCOUNT,
                user=unquote(parts.username or USER),
                password=unquote(parts.password or ""),
                protocol=parts.scheme,
                more=tuple(parse_qsl(parts.query)),
            ),
            None,
        )
        try:
            server.wait_ready()
        except Exception as error:
            problem = f"lets nobody log in: {type(error).__name__}"
            raise finding.unanswered("Snowflake", problem) from error
        return server

    @classmethod
    def start(cls) -> StandInServer:
        """Start a stand-in and wait until somebody could log in.

        Raises:
            ServiceMissingError: a package that it needs is not installed.
            ServiceNotReadyError: it was started and did not answer.
        """
        absent = [name for name in ("fakesnow", "snowflake.connector") if not _installed(name)]
        if absent:
            tried = [
                f"{finding.OVERRIDES['Snowflake']} is not set.",
                *(f"the package {name} is not installed." for name in absent),
            ]
            raise missing("The Snowflake stand-in", tried, "Install eventreplay[standin].")
        return started(cls._start_once, "address already in use")

    @classmethod
    def _start_once(cls) -> StandInServer:
        password = secrets.token_urlsafe(18)
        login = Login(host=LOOPBACK, port=free_port(), account=ACCOUNT, user=USER, password=password)
        with beginning("Snowflake") as guarded:
            program = _Program(guarded, login)
            program.run()
        return cls(login, program)

    def connect_args(self, database: str | None = None) -> dict[str, Any]:
        """Arguments for `snowflake.connector.connect`.

        Args:
            database: as `database()` gave it; None: none is chosen.
        """
        arguments: dict[str, Any] = {
            "account": self._login.account,
            "user": self._login.user,
            "password": self._login.password,
            "host": self._login.host,
            "port": self._login.port,
            "protocol": self._login.protocol,
        }
        if self._backend is not None:
            arguments |= {"role": "ACCOUNTADMIN", "warehouse": "COMPUTE_WH"}
        arguments |= dict(self._login.more)
        return arguments if database is None else {**arguments, "database": database, "schema": "PUBLIC"}

    def database(self) -> str:
        """Create an empty database; its name."""
        name = f"TEST_{secrets.token_hex(6).upper()}"
        self._execute(f"CREATE DATABASE {name}")
        self._databases.append(name)
        return name

    def drop(self, name: str) -> None:
        """Remove a database that `database` made."""
        if name not in self._databases:
            raise NotOursError(f"The database {name} was not made here.")
        self._execute(f"DROP DATABASE IF EXISTS {name}")
        self._databases.remove(name)

    def wait_ready(self) -> None:
        """Wait until it says where it listens; an override's is asked for a login instead."""
        backend = self._backend
        if backend is None:
            self._execute("SELECT 1")
        else:
            backend.guarded.wait_ready(MAIN, lambda: said_port(backend))

    def _leave(self) -> None:
        for name in list(self._databases):
            self.drop(name)

    def _execute(self, statement: str) -> None:
        try:
            connector: Any = importlib.import_module("snowflake.connector")
        except ImportError as error:
            raise ServiceError(
                "Snowflake for tests needs its connector.", hint="Install eventreplay[snowflake]."
            ) from error
        # Without the bounds the connector tries for ever.
        bounds = {"login_timeout": LOGIN_S_MAX, "network_timeout": LOGIN_S_MAX}
        bounds["platform_detection_timeout_seconds"] = 0  # it would ask the metadata services of clouds
        with connector.connect(**self.connect_args(), **bounds) as connection, connection.cursor() as cursor:
            cursor.execute(statement)


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
