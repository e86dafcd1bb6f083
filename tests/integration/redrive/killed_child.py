"""Redrives, and is killed, by the kernel's SIGKILL, just before or after its k-th statement.

    python -m tests.integration.redrive.killed_child LOG < places

The first line is JSON: `{"duckdb": FILE}`, or the settings of a Snowflake account. Each further line is
`k before|after`. Everything is imported once; every k is a fork of its own, and how it ended goes to standard
output. DuckDB is opened in the forks alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import duckdb

from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.redrive import redrive
from eventreplay.secret import Secret
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_redrive import RedrivesDuckDB
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.sinks.snowflake.session import Session
from tests.integration.redrive.material import NEW, now


class Deadly:
    """Counts statements; the k-th is the last."""

    def __init__(self, k: int, when: str) -> None:
        self.left, self.when = k, when

    def call(self, plain: Callable[..., Any], *arguments: Any, **how: Any) -> Any:
        self.left -= 1
        if self.left == 0 and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = plain(*arguments, **how)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


class DeadlyCursor:
    """A cursor of DuckDB whose statements are counted."""

    def __init__(self, cursor: Any, deadly: Deadly) -> None:
        self._cursor, self._deadly = cursor, deadly

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    def execute(self, *arguments: Any) -> Any:
        return self._deadly.call(self._cursor.execute, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class DeadlyConnection:
    """A connection whose cursors are deadly."""

    def __init__(self, connection: Any, deadly: Deadly) -> None:
        self._connection, self._deadly = connection, deadly

    def cursor(self) -> DeadlyCursor:
        return DeadlyCursor(self._connection.cursor(), self._deadly)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def deadly_duckdb(sink: DuckDBSink, deadly: Deadly) -> Sink:
    """Only what changes is counted: statements of transactions."""
    plain = RedrivesDuckDB._in_transaction
    opened = sink._open

    def in_transaction(self: Any, *arguments: Any) -> Any:
        self._open = lambda: DeadlyConnection(opened(), deadly)
        try:
            return plain(self, *arguments)
        finally:
            self._open = opened

    RedrivesDuckDB._in_transaction = in_transaction  # type: ignore[method-assign,assignment]
    return sink


def deadly_snowflake(deadly: Deadly) -> None:
    """Every statement is counted."""
    for name in ("run", "named"):
        plain = getattr(Session, name)

        def counting(self: Session, *arguments: Any, plain: Any = plain, **how: Any) -> Any:
            return deadly.call(plain, self, *arguments, **how)

        setattr(Session, name, counting)


def open_sink(given: dict[str, Any], deadly: Deadly) -> Sink:
    if "duckdb" in given:
        return deadly_duckdb(DuckDBSink(given["duckdb"], clock=now, threads=1), deadly)
    settings = SnowflakeSettings(**{**given, "password": Secret(given["password"])})
    deadly_snowflake(deadly)
    return SnowflakeSink(settings, clock=now)


def main() -> None:
    given = json.loads(sys.stdin.readline())
    log = Log.open(Path(sys.argv[1]))
    assert duckdb.__version__  # loaded once for all forks
    for line in sys.stdin:
        k, when = line.split()
        child = os.fork()
        if child == 0:
            sink = open_sink(given, Deadly(int(k), when))
            redrive(log, sink, NEW, batch_rows_max=4, transaction_rows_max=4)
            sink.close()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{-os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
