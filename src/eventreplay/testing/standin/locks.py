"""Table locks as Snowflake takes them, and which commit last touched which table.

UPDATE, DELETE and MERGE hold their table until the transaction ends,
and others of their kind wait; INSERT and COPY
only add and wait for nobody. DuckDB alone would let both run and fail the second.
"""

import threading
import time
from collections.abc import Iterable

from eventreplay.testing.standin.failures import SqlError

WAKE_S = 0.2  # how often a waiter looks whether it was cancelled
EVERYTHING = "*"


class TableLocks:
    """Who holds which table; the number of the last commit that wrote each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders: dict[str, int] = {}
        self._waits: dict[int, str] = {}
        self._commits: dict[str, int] = {}
        self.number = 0

    def acquire(
        self, owner: int, tables: Iterable[str], *, timeout_s: float, cancelled: threading.Event
    ) -> None:
        """Take each table for `owner`, waiting at most `timeout_s`.

        Raises:
            SqlError: 000625 lock timeout or deadlock; 000604 cancelled.
        """
        until = time.monotonic() + timeout_s
        with self._changed:
            for table in sorted(set(tables)):
                while self._holders.get(table, owner) != owner:
                    self._waits[owner] = table
                    try:
                        self._check(owner, table, until, cancelled)
                        self._changed.wait(min(WAKE_S, max(until - time.monotonic(), 0.001)))
                    finally:
                        del self._waits[owner]
                self._holders[table] = owner

    def _check(self, owner: int, table: str, until: float, cancelled: threading.Event) -> None:
        if cancelled.is_set():
            raise SqlError("SQL execution canceled", 604, "57014")
        seen, holder = {owner}, self._holders.get(table)
        while holder is not None and holder in self._waits:
            if holder in seen:
                raise SqlError(f"Deadlock over table '{table}': the statement was aborted.", 626, "40001")
            seen.add(holder)
            holder = self._holders.get(self._waits[holder])
            if holder == owner:
                raise SqlError(f"Deadlock over table '{table}': the statement was aborted.", 626, "40001")
        if time.monotonic() >= until:
            raise SqlError(
                f"Another transaction has locked table '{table}' and has not released it within "
                "LOCK_TIMEOUT; "
                "the statement was aborted.",
                625,
                "57014",
            )

    def report(self) -> list[tuple[str, int, str]]:
        """Table, transaction and HOLDING or WAITING, for SHOW LOCKS."""
        with self._changed:
            holding = [(table, holder, "HOLDING") for table, holder in self._holders.items()]
            return holding + [(table, waiter, "WAITING") for waiter, table in self._waits.items()]

    def release(self, owner: int) -> None:
        """Let go of everything `owner` holds."""
        with self._changed:
            for table in [name for name, holder in self._holders.items() if holder == owner]:
                del self._holders[table]
            self._changed.notify_all()

    def committed(self, tables: Iterable[str]) -> None:
        """Say that a commit wrote these tables."""
        with self._changed:
            self.number += 1
            for table in tables:
                self._commits[table] = self.number

    def last_commit(self, table: str) -> int:
        """The number of the last commit that wrote `table` (or any table, for `EVERYTHING`); 0: none yet."""
        with self._changed:
            if table == EVERYTHING:
                return self.number
            return max(self._commits.get(table, 0), self._commits.get(EVERYTHING, 0))
