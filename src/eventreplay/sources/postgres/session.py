"""Connections: one for questions, some for bulk; the same identity, TLS and bounds for both drivers."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eventreplay.errors import ConfigError
from eventreplay.sources.postgres import drivers
from eventreplay.sources.postgres.settings import PostgresSettings, is_local

APPLICATION_NAME = "eventreplay"


class Session:
    """The connection that everything but bulk reading goes through. Opened on demand, read-only.

    Not for two threads at once. A broken connection is dropped, and the next call opens another.
    """

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: Any = None
        self.opened = 0

    def connection(self) -> Any:
        """The open connection, in autocommit.

        Raises:
            SourceUnavailableError: the server does not answer.
            SourceError: it does not let us in.
        """
        if self._connection is None or self._connection.closed:
            driver = drivers.psycopg2()
            try:
                # No variable of ours holds the password: tracebacks can show variables.
                self._connection = driver.connect(**conninfo(self._settings))
                self._connection.set_session(readonly=True, autocommit=True)
            except driver.Error as error:
                raise drivers.connection_error(error) from None
            self.opened += 1
        return self._connection

    def rows(
        self, doing: str, statement: Any, parameters: Mapping[str, object] | Sequence[object] | None = None
    ) -> list[tuple[Any, ...]]:
        """All rows of a statement, in a snapshot of its own.

        Args:
            doing: completes "PostgreSQL refused ..."; never holds a value.
            statement: text or composed SQL.
            parameters: values for its placeholders.
        """
        connection = self.connection()
        with drivers.mapped(doing), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def text(self, composed: Any) -> str:
        """Composed SQL as text, quoted for this connection."""
        rendered: str = composed.as_string(self.connection())
        return rendered

    def close(self) -> None:
        """Drop the connection. Idempotent."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


def bulk_connection(settings: PostgresSettings) -> Any:
    """A connection for bulk reading.

    Raises:
        SourceError: as `Session.connection`.
    """
    make_dsn = drivers.psycopg2().extensions.make_dsn
    try:
        return drivers.adbc().connect(make_dsn(**conninfo(settings)), autocommit=True)
    except drivers.adbc().Error as error:
        raise drivers.connection_error(error) from None


def conninfo(settings: PostgresSettings) -> dict[str, str]:
    """What libpq is told, for both drivers.

    Raises:
        ConfigError: the URL is none, or host or database are missing.
    """
    driver = drivers.psycopg2()
    found: dict[str, str] = {}
    if settings.url is not None:
        try:
            found = dict(driver.extensions.parse_dsn(settings.url.reveal()))
        except driver.Error:
            raise ConfigError(
                "url is no URL of PostgreSQL.",
                hint="Write postgresql://user@host:5432/database.",
                setting="url",
            ) from None
    given = {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.database,
        "user": settings.user,
        "password": None if settings.password is None else settings.password.reveal(),
        "sslmode": settings.sslmode,
    }
    found |= {name: str(value) for name, value in given.items() if value is not None}
    found.setdefault("sslmode", "prefer" if is_local(found.get("host")) else "verify-full")
    if found["sslmode"].startswith("verify-") and "sslrootcert" not in found:
        found["sslrootcert"] = _authorities(settings.sslrootcert)
    elif settings.sslrootcert != "system":
        found["sslrootcert"] = settings.sslrootcert
    options = {
        "TimeZone": "UTC",
        "statement_timeout": f"{settings.statement_timeout_s}s",
        "default_transaction_read_only": "on",
        # Ids come in the order of an index; sorting a table of them would spill to the server's disk.
        "enable_sort": "off",
        "jit": "off",
    }
    return {
        **found,
        "application_name": APPLICATION_NAME,
        "client_encoding": "UTF8",
        "connect_timeout": str(settings.connect_timeout_s),
        "keepalives": "1",
        "keepalives_idle": str(max(1, settings.keepalive_idle_s)),
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }


def _authorities(sslrootcert: str) -> str:
    """libpq 16 knows `system`, older ones do not, and a wheel's own idea of it may be a folder not here."""
    if sslrootcert != "system":
        return sslrootcert
    bundle: str | None = ssl.get_default_verify_paths().cafile
    return str(bundle) if Path(bundle or "/nowhere").exists() else sslrootcert
