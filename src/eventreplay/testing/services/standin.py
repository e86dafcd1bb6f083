"""The Snowflake stand-in as a server for tests: a process of its own, that keeps its data over a restart."""

from __future__ import annotations

import importlib
import importlib.util
import json
import secrets
import signal
import sys
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import frozen

from eventreplay.testing.services import finding
from eventreplay.testing.services.container import MAIN
from eventreplay.testing.services.errors import NotOursError, ServiceError, ServiceNotReadyError, missing
from eventreplay.testing.services.guarded import Guarded, started
from eventreplay.testing.services.ports import LOOPBACK, free_port

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


class StandInServer:
    """One stand-in; a context manager.

    Attributes:
        host: the loopback's address, or the override's host.
        port: the same after a restart.
        account: what the connector calls it.
        user: an ACCOUNTADMIN.
        password: the user's.
    """

    def __init__(self, login: Login, guarded: Guarded | None) -> None:
        self._login = login
        self._guarded = guarded
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
            raise ServiceNotReadyError(
                f"Nobody can log in to the account that {finding.OVERRIDES['Snowflake']} names:"
                f" {type(error).__name__}.",
                hint="Start it, correct the URL, or unset the variable to have a stand-in started.",
                service="Snowflake",
                status=None,
            ) from error
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
        server = cls(login, Guarded("Snowflake"))
        try:
            server._run()
        except BaseException:
            server.close()
            raise
        return server

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
        if self._guarded is not None:
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

    def kill(self) -> None:
        """SIGKILL; what was committed is kept."""
        self._ours().kill()

    def stop(self) -> None:
        """Stop as an administrator would."""
        guarded = self._ours()
        guarded.signal(signal.SIGTERM, MAIN)
        guarded.wait_for(lambda: guarded.status(MAIN), "the stand-in did not stop", LOGIN_S_MAX)

    def restart(self) -> None:
        """Start again with the same data on the same port; stops first if it runs."""
        guarded = self._ours()
        if guarded.status(MAIN) is None:
            self.stop()
        self._run()
        self.wait_ready()

    def pause(self) -> None:
        """Freeze it: connections stay open, nobody answers."""
        self._ours().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let go on what `pause` froze."""
        self._ours().signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """The end of its log."""
        return self._ours().tail(MAIN)

    def wait_ready(self) -> None:
        """Wait until it says where it listens; an override's is asked for a login instead."""
        if self._guarded is None:
            self._execute("SELECT 1")
            return
        guarded = self._guarded

        def said() -> int | None:
            lines = guarded.log(MAIN).read_text("utf-8", "replace").splitlines()
            line = next((line for line in lines if line.startswith("{")), None)
            return None if line is None else int(json.loads(line)["port"])

        guarded.wait_ready(MAIN, said)

    def close(self) -> None:
        """End it and remove its data; an override's account stays, our databases go."""
        if self._guarded is None:
            for name in list(self._databases):
                self.drop(name)
            return
        self._guarded.close()

    @property
    def guarded(self) -> Guarded:
        """Its processes, folder and output.

        Raises:
            NotOursError: somebody else started it.
        """
        return self._ours()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        guarded = self._ours()
        guarded.log(MAIN).unlink(missing_ok=True)
        command = [sys.executable, "-m", "eventreplay.testing.standin", "--port", str(self.port)]
        command += ["--data", str(guarded.folder / "data"), "--json", "--database", DATABASE]
        command += ["--user", self.user, "--password-env", PASSWORD_VARIABLE]
        environment = {**finding.clean_environment(), PASSWORD_VARIABLE: self.password}
        guarded.run(MAIN, command, env=environment)

    def _ours(self) -> Guarded:
        if self._guarded is None:
            raise NotOursError(
                "This account was started by somebody else; it is not ours to stop.",
                hint="Tests that stop a stand-in start their own: StandInServer.start().",
            )
        return self._guarded

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
