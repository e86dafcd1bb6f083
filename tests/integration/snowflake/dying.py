"""A sink that dies at its k-th statement, without a process: from then on its sessions do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from eventreplay.sinks.snowflake.session import Session
from eventreplay.testing.crash import SimulatedCrash


class Dying:
    """Counts the statements of the sessions that are asked while it counts, and ends them all at the k-th.

    Attributes:
        statements: those that were asked for, in order, the last one never sent.
        fired: whether anything died.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.fired = False
        self._at = 0
        self._seen: set[int] = set()
        self._held: list[Session] = []  # so that no other session gets the number of one that is gone
        for name in ("run", "named"):
            plain = getattr(Session, name)

            def asked(session: Session, *args: Any, plain: Any = plain, **how: Any) -> Any:
                self._count(session, str(args[0]))
                return plain(session, *args, **how)

            patch.setattr(Session, name, asked)

    def die_at(self, k: int) -> None:
        """From now on; 0: only count."""
        self.statements, self.fired, self._at = [], False, k
        self._seen.clear()
        self._held.clear()

    def stop(self) -> None:
        """Count no more, and let others live; the dead stay dead."""
        self._at = -1

    def _count(self, session: Session, statement: str) -> None:
        if self.fired and (self._at >= 0 or id(session) in self._seen):
            raise SimulatedCrash
        if self._at < 0:
            return
        if id(session) not in self._seen:
            self._seen.add(id(session))
            self._held.append(session)
        self.statements.append(statement)
        if self._at and len(self.statements) == self._at:
            self.fired = True
            raise SimulatedCrash
