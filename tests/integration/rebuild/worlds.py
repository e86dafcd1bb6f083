"""The warehouses that the story is told on, each with a way to look at it that is not ours."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from eventreplay.interfaces import Sink
from eventreplay.secret import Secret
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing.services import StandInServer
from tests.integration.rebuild.expected import Ask
from tools.airflow_platform import marts


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class World(ABC):
    """One warehouse.

    Attributes:
        url: as a plan names it.
        environment: what dbt's profile reads.
    """

    url: str
    environment: Mapping[str, str | Secret]

    @abstractmethod
    def open_sink(self) -> Sink:
        """The warehouse, open."""

    @abstractmethod
    def another(self) -> World:
        """An empty one of the same kind."""

    @abstractmethod
    def asked(self, *schemas: str) -> Any:
        """A context: asks DuckDB's SQL of these schemas."""

    def bytes_of(self, suffix: str = "") -> dict[str, str]:
        """SHA-256 of every mart's rows, in their order, as text: equal if the marts are byte for byte."""
        with self.asked(f"MART{suffix}") as ask:
            found = ask(
                "select table_name from information_schema.tables"
                f" where table_schema = 'MART{suffix}' and table_type = 'BASE TABLE' order by 1"
            )
            return {name: _digest(ask, f'MART{suffix}."{name}"') for (name,) in found}

    def count(self, table: str) -> int:
        """Rows of a table."""
        with self.asked(table.partition(".")[0]) as ask:
            return int(ask(f"select count(*) from {table}")[0][0])


class Embedded(World):
    """A DuckDB file."""

    def __init__(self, folder: Path, number: int = 0) -> None:
        self._folder, self._number = folder, number
        self.path = folder / f"warehouse-{number}.duckdb"
        self.url = f"duckdb:///{self.path}"
        self.environment = DuckDBSink.dbt_environment(self.path)

    def open_sink(self) -> Sink:
        return DuckDBSink(self.path, clock=now)

    def another(self) -> World:
        return Embedded(self._folder, self._number + 1)

    @contextmanager
    def asked(self, *schemas: str) -> Iterator[Ask]:
        assert schemas
        with duckdb.connect(str(self.path), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield lambda query: connection.execute(query).fetchall()


class Cloud(World):
    """A database of the stand-in; to be asked, it is copied into a DuckDB in memory, value by value."""

    def __init__(self, server: StandInServer) -> None:
        self._server = server
        self._name = server.database()
        login = server.connect_args(self._name)
        names = ("account", "user", "host", "port", "protocol", "database", "role", "warehouse")
        given: Mapping[str, Any] = {name: login[name] for name in names if name in login}
        self._login = login
        self.settings = SnowflakeSettings(**given, password=Secret(login["password"]))
        self.url = f"snowflake://{self._name}"
        self.environment = SnowflakeSink.dbt_environment(self.settings)
        SnowflakeSink.init(self.settings)

    def open_sink(self) -> Sink:
        return SnowflakeSink(self.settings, clock=now)

    def another(self) -> World:
        return Cloud(self._server)

    @contextmanager
    def asked(self, *schemas: str) -> Iterator[Ask]:
        with marts.copied(self._login, *schemas) as connection:
            yield lambda query: connection.execute(query).fetchall()

    def count(self, table: str) -> int:
        return int(marts.rows(self._login, f"SELECT count(*) FROM {table}")[0][0])


def _digest(ask: Ask, table: str) -> str:
    digest = hashlib.sha256()
    for row in ask(f"select * from {table} order by all"):
        digest.update(repr(row).encode())
    return digest.hexdigest()
