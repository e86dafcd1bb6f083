"""A session and its transaction: read committed, with statements that fail leaving the transaction as it was.

DuckDB gives a transaction one snapshot and breaks it at the first error. Snowflake gives each statement its
own snapshot and undoes only the statement. So the writes of a transaction are kept as a journal of DuckDB's:
where the snapshot has grown old for what a statement reads, or where a statement failed,
the transaction is rolled back
in DuckDB and its journal run again,
on a fresh snapshot. Table locks keep others from what it updated meanwhile.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection

from eventreplay.testing.standin.engine import Engine, search_path
from eventreplay.testing.standin.failures import SqlError, as_sql_error
from eventreplay.testing.standin.passing import follow

Run = Callable[..., duckdb.DuckDBPyConnection]
_numbers = itertools.count(1_700_000_000_001)
DEFAULTS: dict[str, Any] = {
    "AUTOCOMMIT": True,
    "LOCK_TIMEOUT": 43200,
    "STATEMENT_TIMEOUT_IN_SECONDS": 172800,
    "QUERY_TAG": "",
    "TIMEZONE": "UTC",
    "TRANSACTION_ABORT_ON_ERROR": False,
    "CLIENT_SESSION_KEEP_ALIVE": False,
}


@dataclass(eq=False)
class Transaction:
    """One open transaction: what it wrote, in DuckDB's words, and how old its snapshot is."""

    number: int = field(default_factory=lambda: next(_numbers))
    journal: list[tuple[str, Any]] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    snapshot: int = -1  # -1: DuckDB's transaction is not begun
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    temporary_files: list[Path] = field(default_factory=list)
    passed: int = 0  # moves of tables that the journal has followed


class Session:
    """What one login sees: its role, its place, its parameters, its DuckDB cursor."""

    def __init__(self, engine: Engine, number: int, user: str) -> None:
        self.engine, self.number, self.user = engine, number, user
        self.role = "PUBLIC"
        self.warehouse: str | None = None
        self.duck = engine.duck_conn.cursor()
        self.conn = FakeSnowflakeConnection(
            self.duck, {}, create_database=False, create_schema=False, db_path=engine.db_path
        )
        self.probe = engine.duck_conn.cursor()  # describes types: what fails there ends no transaction
        self.parameters = dict(DEFAULTS)
        self.transaction: Transaction | None = None
        self.busy = threading.RLock()  # one statement at a time
        self.cancelled = threading.Event()
        self.temporary: dict[tuple[str, str, str], str] = {}
        self.last_query_id = ""
        engine.sessions[number] = self

    @property
    def database(self) -> str | None:
        return self.conn.database if self.conn.database_set else None

    @property
    def schema(self) -> str | None:
        return self.conn.schema if self.conn.schema_set else None

    def use(self, database: str | None, schema: str | None) -> None:
        """Make a place current; what does not exist is left unset, as at login."""
        self.conn.database_set = self.conn.schema_set = False
        self.conn.database, self.conn._schema = database, None  # noqa: SLF001 - fakesnow has no setter
        if database is None or not self.engine.has_database(database):
            self.conn.database = None
            return
        self.conn.database_set = True
        if schema is not None and self.engine.has_schema(database, schema):
            self.conn._schema = schema  # noqa: SLF001
            self.conn.schema_set = True
        self.duck.execute(search_path(database, self.conn.schema))

    # ---------------------------------------------------------------------------------------- transactions
    def begin(self) -> Transaction:
        """BEGIN; within a transaction it changes nothing, as in Snowflake."""
        if self.transaction is None:
            self.transaction = Transaction(passed=self.engine.passage.count)
        return self.transaction

    def commit(self) -> None:
        """Make the transaction's writes durable and visible, then let its tables go."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        try:
            with self.engine.passage.writing():
                if transaction.snapshot >= 0:
                    self._freshen(transaction, ())
                    self.duck.execute("COMMIT")
                if transaction.written:
                    self.engine.locks.committed(transaction.written)
        except duckdb.Error as error:
            self._undo()
            raise SqlError(
                f"The transaction was aborted: {as_sql_error(error).message}", 40001, "40001"
            ) from error
        finally:
            self._end(transaction)
        for action in transaction.after_commit:
            action()

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        if transaction.snapshot >= 0:
            self._undo()
        self._end(transaction)

    def _end(self, transaction: Transaction) -> None:
        self.engine.locks.release(transaction.number)
        for file in transaction.temporary_files:
            file.unlink(missing_ok=True)

    def _undo(self) -> None:
        with contextlib.suppress(duckdb.TransactionException):  # DuckDB ended it already
            self.duck.execute("ROLLBACK")

    def _start(self, transaction: Transaction) -> None:
        number = self.engine.locks.number
        self.duck.execute("BEGIN TRANSACTION")
        for sql, params in transaction.journal:
            self.duck.execute(sql, params)
        transaction.snapshot = number

    def _restart(self, transaction: Transaction) -> None:
        self._undo()
        transaction.snapshot = -1
        self._start(transaction)

    def _freshen(self, transaction: Transaction, tables: Iterable[str]) -> None:
        moves = self.engine.passage.since(transaction.passed, transaction.written)
        transaction.passed = self.engine.passage.count
        for move in moves:
            transaction.journal = follow(transaction.journal, move)
            transaction.written = {move.get(name, name) for name in transaction.written}
        if transaction.snapshot < 0:
            self._start(transaction)
        elif moves or any(self.engine.locks.last_commit(table) > transaction.snapshot for table in tables):
            self._restart(transaction)

    def write(
        self, work: Callable[[Run], Any], *, writes: set[str], exclusive: set[str], reads: set[str]
    ) -> Any:
        """Run one DML statement in the session's transaction, or in one of its own with autocommit.

        Args:
            work: does it,
            by calling what it is given with SQL and parameters; each call is kept for a re-run.
            writes: tables written (`DB.SCHEMA.TABLE`).
            exclusive: those of them that UPDATE, DELETE or MERGE change: locked until the transaction ends.
            reads: tables whose latest commits the statement has to see.
        """
        alone = self.transaction is None and bool(self.parameters["AUTOCOMMIT"])
        transaction = self.begin()
        recorded: list[tuple[str, Any]] = []

        def run(sql: str, params: Any = None) -> duckdb.DuckDBPyConnection:
            result = self.duck.execute(sql, params)
            recorded.append((sql, params))
            return result

        try:
            self.engine.locks.acquire(
                transaction.number,
                exclusive,
                timeout_s=float(self.parameters["LOCK_TIMEOUT"]),
                cancelled=self.cancelled,
            )
            databases = {table.split(".", 1)[0] for table in writes}
            with self.engine.passage.writing():
                self._freshen(transaction, reads | exclusive | databases)
                result = work(run)
                transaction.journal += recorded
                transaction.written |= writes
        except BaseException:
            # Whatever ended the statement, none of it may stay.
            if alone:
                self.rollback()
            elif transaction.snapshot >= 0:
                self._restart(transaction)
            raise
        if alone:
            self.commit()
        return result

    def read(self, work: Callable[[], Any], reads: set[str]) -> Any:
        """Run a query: on the latest commits, and on the transaction's own writes."""
        transaction = self.transaction
        if transaction is None:
            return work()
        if transaction.snapshot >= 0:
            self._freshen(transaction, reads)
        try:
            return work()
        except BaseException:
            # Whatever ended the query: DuckDB's transaction is broken by an error, ours is not.
            if transaction.snapshot >= 0:
                self._restart(transaction)
            raise

    def define(self, work: Callable[[], Any], database: str | None, tables: Iterable[str] = ()) -> Any:
        """Run a DDL statement: it commits what is open, waits for locks on `tables`, and commits itself."""
        self.commit()
        number = next(_numbers)
        timeout_s = float(self.parameters["LOCK_TIMEOUT"])
        try:
            self.engine.locks.acquire(number, tables, timeout_s=timeout_s, cancelled=self.cancelled)
            result = work()
        finally:
            self.engine.locks.release(number)
        if database is not None:
            self.engine.locks.committed({database})
        return result

    def interrupt(self) -> None:
        """Stop the statement that is running."""
        self.cancelled.set()
        self.duck.interrupt()

    def close(self) -> None:
        """End the session: roll back, drop temporary tables."""
        self.interrupt()
        with self.busy:
            self.rollback()
            for (database, schema, _), name in self.temporary.items():
                try:
                    self.duck.execute(f'DROP TABLE IF EXISTS "{database}"."{schema}"."{name}"')
                except duckdb.Error:
                    continue  # its schema or database went first
            self.temporary.clear()
            self.probe.close()
            self.duck.close()
