"""The stand-in as these tests use it: settings for the sink, an administrator's hands, faults on order."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import snowflake.connector

from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.testing.services import StandInServer

ANSWER_S_MAX = 60
MOMENTS = ("occurred_at", "recorded_at")


class StandIn:
    """A running stand-in and what a test asks of it."""

    def __init__(self, server: StandInServer) -> None:
        self.server = server

    def control(self, method: str = "GET", **order: Any) -> dict[str, Any]:
        """Order a fault (POST), forget all (DELETE), or ask how often they struck."""
        address = f"http://{self.server.host}:{self.server.port}/standin/control"
        request = urllib.request.Request(address, json.dumps(order).encode(), method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_S_MAX) as reply:  # noqa: S310 - a server of ours
            answer: dict[str, Any] = json.load(reply)
        return answer

    def struck(self) -> int:
        """How many requests the faults in force have hit."""
        return sum(int(fault["struck"]) for fault in self.control()["faults"])

    def settings(self, database: str, **changes: Any) -> SnowflakeSettings:
        arguments = self.server.connect_args()
        made = {
            **arguments,
            "password": Secret(arguments["password"]),
            "database": database,
            "network_timeout_s": 20,
            "login_timeout_s": 20,
            "lock_timeout_s": 20,
        }
        return SnowflakeSettings(**{**made, **changes})

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """As the account's administrator; rows of the last statement."""
        connection = snowflake.connector.connect(
            **self.server.connect_args(database),
            network_timeout=20,
            login_timeout=20,
            session_parameters={"CLIENT_TELEMETRY_ENABLED": False},
            platform_detection_timeout_seconds=0,  # which would ask the metadata services of clouds
        )
        try:
            rows: list[tuple[Any, ...]] = []
            for statement in statements:
                cursor = connection.cursor()
                cursor.execute(statement)
                rows = cursor.fetchall()
            return rows
        finally:
            connection.close()


def table(
    standin: StandIn, database: str, name: str, columns: Sequence[str], schema: str = "RAW"
) -> list[dict[str, Any]]:
    """Rows in log order, by the given columns; moments as aware UTC datetimes, bytes as bytes."""
    # Moments as text: no conversion on their way here can move or refuse one.
    chosen = ", ".join(as_text(column) if column in MOMENTS else f'"{column.upper()}"' for column in columns)
    order = '"LOG_PARTITION", "LOG_OFFSET"' + (', "STAGE"' if name == "QUARANTINE" else "")
    rows = standin.run(f'SELECT {chosen} FROM "{database}"."{schema}"."{name}" ORDER BY {order}')
    return [
        {
            name: moment(value) if name in MOMENTS else plain(value)
            for name, value in zip(columns, row, strict=True)
        }
        for row in rows
    ]


def as_text(column: str) -> str:
    return f"TO_VARCHAR(\"{column.upper()}\", 'YYYY-MM-DD HH24:MI:SS.FF6')"


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return bytes(value) if isinstance(value, bytearray) else value
