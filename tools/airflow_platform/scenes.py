"""One set of places for the platform's data: a log, a warehouse, a journal, a queue; and what came of them.

The servers and Airflow's connections are there once; a scene differs from another one by Airflow's variables
alone. So each test begins with nothing, in seconds.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from psycopg2 import sql

from eventreplay.capabilities.generations import Generation
from eventreplay.demo.ledger import Difference, compare, write_ledger
from eventreplay.log import Log
from eventreplay.log.s3.settings import S3Settings
from eventreplay.secret import Secret
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.snowflake import SnowflakeSink
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.setup import init
from eventreplay.sources.rabbitmq import RabbitSettings
from eventreplay.sources.rabbitmq.topology import declare
from eventreplay.testing.services.s3 import REGION
from tools.airflow_platform import filling, marts
from tools.airflow_platform.ends import Ends

SEED = 7
KEYS = {
    "VOLUME_ANOMALY_PCT": "100000",
    "RAW_EVENTS_FRESHNESS_WARN_HOURS": "24",
    "RAW_EVENTS_FRESHNESS_ERROR_HOURS": "168",
}
"""A generated history has as many events a day as the dice say: no volume of it is an anomaly."""


def _now() -> datetime:
    return datetime.now(UTC)


class Scene(ABC):
    """Places for data.

    Attributes:
        work: folder of the scene: dbt's artifacts, the ledger.
        events: in the history that `fill` brought.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.events = 0
        work.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """Airflow's variables that lead here."""

    @abstractmethod
    def fill(self, events: int, *, seed: int = SEED, live_from: int = 0) -> int:
        """Bring a history into the journal, and its part from `live_from` on into the queue; how many rows.

        The same events come both ways, in the same order, so that the marts are those of the history.
        """

    @abstractmethod
    def log(self) -> Log:
        """The log, as a reader with rights of its own sees it."""

    @abstractmethod
    def warehouse(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The marts as tables of a DuckDB, value by value."""

    @abstractmethod
    def count(self, table: str) -> int:
        """Rows of a table of the warehouse, such as RAW.EVENTS."""

    @abstractmethod
    def open_sink(self) -> DuckDBSink | SnowflakeSink:
        """The warehouse as the library has it, to be closed."""

    def generations(self) -> Sequence[Generation]:
        """Those of the warehouse, the live one first."""
        with self.open_sink() as sink:
            found: Sequence[Generation] = sink.generations()
        return found

    def differences(self) -> list[Difference]:
        """Where the marts are not as the ledger says; empty: they are equal."""
        with self.warehouse() as found:
            return compare(self.work / "ledger", found, raw=None)

    def figures(self) -> dict[str, int]:
        """Rows of every table of the marts."""
        with self.warehouse() as found:
            tables = found.execute(
                "SELECT table_name FROM information_schema.tables WHERE upper(table_schema) = 'MART'"
            ).fetchall()
            counted = {}
            for (name,) in sorted(tables):
                row = found.execute(f'SELECT count(*) FROM "MART"."{name}"').fetchone()  # noqa: S608 - ours
                counted[name] = 0 if row is None else int(row[0])
        return counted

    def _wrote(self, events: int, seed: int) -> None:
        self.events = events
        write_ledger(seed, events, self.work / "ledger")


class RealScene(Scene):
    """A schema of the journal's database, a queue, a prefix of the bucket, a database of the warehouse."""

    def __init__(self, ends: Ends, work: Path) -> None:
        super().__init__(work)
        self.ends = ends
        self.name = f"scene_{secrets.token_hex(4)}"
        self.database = ends.snowflake.database()
        self.queue = f"events_{self.name}"
        self.table = f"{self.name}.events"
        self.log_url = f"s3://{ends.bucket}/{self.name}/log"
        schema, role = sql.Identifier(self.name), sql.Identifier(ends.reader)
        place = sql.Identifier(self.name, "events")
        ends.as_owner(
            sql.SQL("CREATE SCHEMA {}").format(schema),
            sql.SQL(filling.TABLE).format(table=place),
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role),
            sql.SQL("GRANT SELECT ON {} TO {}").format(place, role),
            sql.SQL("GRANT SELECT ON SEQUENCE {} TO {}").format(
                sql.Identifier(self.name, "events_id_seq"), role
            ),
        )
        declare(RabbitSettings(queue=self.queue, url=Secret(ends.broker)))
        init(self.warehouse_settings())

    def variables(self) -> dict[str, str]:
        return {
            "eventreplay_log_url": self.log_url,
            "eventreplay_sink_url": f"snowflake://{self.database}",
            "eventreplay_journal_source": f"postgres:{self.table}",
            "eventreplay_live_source": f"rabbitmq:{self.queue}",
            "eventreplay_work": str(self.work / "airflow"),
            **KEYS,
        }

    def fill(self, events: int, *, seed: int = SEED, live_from: int = 0) -> int:
        rows = filling.into_journal(self.ends.journal, self.table, events, seed)
        rows += filling.into_queue(self.ends.broker, self.queue, events, seed, live_from)
        self._wrote(events, seed)
        return rows

    def log(self) -> Log:
        return Log.open(self.log_url, s3=self.log_settings())

    def log_settings(self) -> S3Settings:
        """How the log's bucket is reached."""
        return S3Settings(
            endpoint=self.ends.s3.endpoint,
            region=REGION,
            access_key_id=self.ends.access_key,
            secret_access_key=Secret(self.ends.secret_key),
        )

    def login(self) -> dict[str, Any]:
        """What the warehouse's connector is given to reach the scene's database."""
        return self.ends.snowflake.connect_args(self.database)

    def warehouse_settings(self) -> SnowflakeSettings:
        """The same for the library."""
        login = self.login()
        names = ("account", "user", "host", "port", "protocol", "database", "role", "warehouse")
        given: Mapping[str, Any] = {name: login[name] for name in names if name in login}
        return SnowflakeSettings(**given, password=Secret(login["password"]))

    def open_sink(self) -> SnowflakeSink:
        return SnowflakeSink(self.warehouse_settings(), clock=_now)

    def warehouse(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return marts.copied(self.login())

    def count(self, table: str) -> int:
        return int(marts.rows(self.login(), f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - ours


class EmbeddedScene(Scene):
    """What a laptop has without any server: files in, a folder as log, DuckDB."""

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.file = work / "warehouse.duckdb"

    def variables(self) -> dict[str, str]:
        return {
            "eventreplay_log_url": str(self.work / "log"),
            "eventreplay_sink_url": f"duckdb:///{self.file}",
            "eventreplay_journal_source": f"files:{self.work / 'journal'}",
            "eventreplay_live_source": f"files:{self.work / 'live'}",
            "eventreplay_work": str(self.work / "airflow"),
            **KEYS,
        }

    def fill(self, events: int, *, seed: int = SEED, live_from: int = 0) -> int:
        rows = filling.into_files(self.work / "journal", events, seed)
        rows += filling.into_files(self.work / "live", events, seed, live_from)
        self._wrote(events, seed)
        return rows

    def log(self) -> Log:
        return Log.open(self.work / "log")

    def open_sink(self) -> DuckDBSink:
        return DuckDBSink(self.file, clock=_now)

    def warehouse(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return marts.opened(self.file)

    def count(self, table: str) -> int:
        with self.warehouse() as found:
            row = found.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
        return 0 if row is None else int(row[0])
