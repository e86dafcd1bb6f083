"""A promoter and a loader whose statements alternate: some of the one, then some of the other, and again."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from eventreplay.sinks.snowflake.session import Session

BOUND_S = 120
_LOCKING = "CHECKPOINT_LOCK"


class Turns:
    """Gives the loader so many statements after each one of the promoter.

    Who waits for the lock of loads inside Snowflake does not hold up the other: it is passed over until it
    has got it.

    Attributes:
        promoter: statements it has made.
        loads: what the loader's statements were, in order.
    """

    def __init__(self, patch: pytest.MonkeyPatch, share: int) -> None:
        self.promoter: list[str] = []
        self.loads: list[str] = []
        self._share, self._allowed = share, 0
        self._free = self._waiting = self._over = False
        self._changed = threading.Condition()
        self._promoting = threading.current_thread()
        for name in ("run", "named"):
            plain = getattr(Session, name)

            def asked(session: Session, *args: Any, plain: Any = plain, **how: Any) -> Any:
                if threading.current_thread() is self._promoting:
                    return self._promote(lambda: plain(session, *args, **how), str(args[0]))
                return self._load(lambda: plain(session, *args, **how), str(args[0]))

            patch.setattr(Session, name, asked)

    def let_go(self) -> None:
        """The loader may go on without waiting for anybody, and the promoter too."""
        with self._changed:
            self._free = self._over = True
            self._changed.notify_all()

    def _promote(self, ask: Any, statement: str) -> Any:
        if self._over:
            return ask()
        locks = _LOCKING in statement
        with self._changed:
            self._free = locks  # the loader may hold the lock, and has to come to its COMMIT
            self._changed.notify_all()
        try:
            return ask()
        finally:
            self.promoter.append(statement)
            with self._changed:
                self._free = False
                self._allowed = self._share
                self._changed.notify_all()
                done = self._changed.wait_for(
                    lambda: self._allowed == 0 or self._waiting or self._over, BOUND_S
                )
            assert done, f"The loader did not move after {statement[:60]}."

    def _load(self, ask: Any, statement: str) -> Any:
        with self._changed:
            assert self._changed.wait_for(lambda: self._allowed > 0 or self._free, BOUND_S)
            self._waiting = _LOCKING in statement
            self._changed.notify_all()
        try:
            return ask()
        finally:
            self.loads.append(statement)
            with self._changed:
                self._waiting = False
                self._allowed = max(self._allowed - 1, 0)
                self._changed.notify_all()
