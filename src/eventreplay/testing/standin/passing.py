"""Tables that change names while transactions are open: rows belong to a table, and not to its name.

Snowflake binds a statement to its table as it runs. Here a transaction is a journal of statements with names,
so the names in it follow the tables: rows that were copied into a table that has been swapped away since come
with that table, as they do in Snowflake, and not with the one that has the name now.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Passage:
    """Which names have passed to which tables, in order; and a turn for who writes or lets names pass."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writing = 0
        self._passing = False
        self._moves: list[dict[str, str]] = []

    @contextmanager
    def writing(self) -> Iterator[None]:
        """For a statement or a COMMIT: no name passes meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: not self._passing)
            self._writing += 1
        try:
            yield
        finally:
            with self._changed:
                self._writing -= 1
                self._changed.notify_all()

    @contextmanager
    def passing(self, names: dict[str, str]) -> Iterator[None]:
        """For SWAP and RENAME: `names` says under which name each table stands afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: not self._passing)
            self._passing = True
            self._changed.wait_for(lambda: self._writing == 0)
        try:
            yield
            self._moves.append(names)
        finally:
            with self._changed:
                self._passing = False
                self._changed.notify_all()

    @property
    def count(self) -> int:
        """How many moves there have been."""
        return len(self._moves)

    def since(self, seen: int, tables: set[str]) -> list[dict[str, str]]:
        """The moves after the first `seen` that concern any of the tables."""
        found, names = [], set(tables)
        for move in self._moves[seen:]:
            if names & move.keys():
                found.append(move)
                names = {move.get(name, name) for name in names}
        return found


def follow(journal: list[tuple[str, Any]], move: dict[str, str]) -> list[tuple[str, Any]]:
    """Statements of DuckDB's with the names that their tables have after a move."""
    patterns = {old: r"\.".join(rf'"?{re.escape(part)}"?' for part in old.split(".")) for old in move}
    either = re.compile("|".join(f'(?<![\\w."])({pattern})(?![\\w"])' for pattern in patterns.values()))

    def renamed(found: re.Match[str]) -> str:
        new = list(move.values())[(found.lastindex or 1) - 1]
        return ".".join(f'"{part}"' for part in new.split("."))

    return [(either.sub(renamed, sql), params) for sql, params in journal]
