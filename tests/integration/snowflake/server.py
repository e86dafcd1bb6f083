"""The stand-in as these tests use it: a process of its own, with faults on order."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import snowflake.connector

from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings

_NUMBERS = count(1)
START_S_MAX = 60


class StandIn:
    """A running stand-in and what a test asks of it."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "eventreplay.testing.standin", "--json", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"The stand-in did not start: exit code {self._process.wait(START_S_MAX)}."
        self.facts: dict[str, Any] = json.loads(line)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(START_S_MAX)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def control(self, method: str = "GET", **order: Any) -> dict[str, Any]:
        """Order a fault (POST), forget all (DELETE), or ask how often they struck."""
        address = f"http://{self.facts['host']}:{self.facts['port']}/standin/control"
        request = urllib.request.Request(address, json.dumps(order).encode(), method=method)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=START_S_MAX) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
        return answer

    def struck(self) -> int:
        """How many requests a fault has hit."""
        return sum(fault["struck"] for fault in self.control()["faults"])

    def settings(self, database: str, **changes: Any) -> SnowflakeSettings:
        facts = self.facts
        made = {
            "account": facts["account"],
            "user": facts["user"],
            "password": Secret(facts["password"]),
            "host": facts["host"],
            "port": facts["port"],
            "protocol": "http",
            "warehouse": facts["warehouse"],
            "role": facts["role"],
            "database": database,
            "network_timeout_s": 20,
            "login_timeout_s": 20,
            "lock_timeout_s": 20,
        }
        return SnowflakeSettings(**{**made, **changes})

    def connect(self, database: str | None = None) -> snowflake.connector.SnowflakeConnection:
        facts = self.facts
        return snowflake.connector.connect(
            account=facts["account"],
            user=facts["user"],
            password=facts["password"],
            host=facts["host"],
            port=facts["port"],
            protocol="http",
            warehouse=facts["warehouse"],
            role=facts["role"],
            database=database,
            network_timeout=20,
            login_timeout=20,
            session_parameters={"CLIENT_TELEMETRY_ENABLED": False},
            platform_detection_timeout_seconds=0,  # which would ask the metadata services of clouds
        )

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """As the account's administrator; rows of the last statement."""
        connection = self.connect(database)
        try:
            rows: list[tuple[Any, ...]] = []
            for statement in statements:
                rows = connection.cursor().execute(statement).fetchall()
            return rows
        finally:
            connection.close()

    def new_database(self) -> str:
        name = f"DB_{next(_NUMBERS)}"
        self.run(f"CREATE DATABASE {name}")
        return name


def table(
    standin: StandIn, database: str, name: str, columns: Sequence[str], schema: str = "RAW"
) -> list[dict[str, Any]]:
    """Rows in log order, by the given columns; moments as aware UTC datetimes, bytes as bytes."""
    chosen = ", ".join(f'"{column.upper()}"' for column in columns)
    order = '"LOG_PARTITION", "LOG_OFFSET"'
    rows = standin.run(f'SELECT {chosen} FROM "{database}"."{schema}"."{name}" ORDER BY {order}')
    return [dict(zip(columns, map(plain, row), strict=True)) for row in rows]


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return bytes(value) if isinstance(value, bytearray) else value


def script(name: str) -> Path:
    return Path(__file__).with_name(name)
