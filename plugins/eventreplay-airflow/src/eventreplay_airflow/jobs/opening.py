"""Sinks that are busy: a DuckDB file can be opened by one process at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from eventreplay.errors import EventReplayError
from eventreplay.retrying import retried
from eventreplay_airflow.failures import StoppedError

Result = TypeVar("Result")

ATTEMPTS_MAX = 7
WAIT_MAX_S = 15.0
"""1 + 2 + 4 + 8 + 15 + 15 s, and some jitter: three quarters of a minute."""
_LOOK_EVERY_S = 0.5


def when_free(sink_url: str, run: Callable[[], Result], log: Any, stopped: Callable[[], bool]) -> Result:
    """Call `run`, again while a file is in use by another process; other warehouses wait by themselves.

    Raises:
        EventReplayError: the last one, if the file did not get free; retryable.
        StoppedError: Airflow asked for an end meanwhile.
    """
    if not sink_url.startswith("duckdb://"):
        return run()

    told, sleep = telling(log), waiting(stopped)
    return retried(run, attempts_max=ATTEMPTS_MAX, wait_max_s=WAIT_MAX_S, told=told, sleep=sleep)


def telling(log: Any) -> Callable[[EventReplayError, int], None]:
    """Says in a task's log why something is tried again."""

    def told(error: EventReplayError, attempt: int) -> None:
        log.info("Waiting for the warehouse, attempt %d of %d: %s", attempt, ATTEMPTS_MAX, error.message)

    return told


def waiting(stopped: Callable[[], bool]) -> Callable[[float], None]:
    """Waits so many seconds, or until Airflow asks for an end.

    Raises:
        StoppedError: it did.
    """

    def wait(seconds: float) -> None:
        left_s, never = seconds, threading.Event()
        while left_s > 0:
            if stopped():
                raise StoppedError
            never.wait(min(_LOOK_EVERY_S, left_s))
            left_s -= _LOOK_EVERY_S

    return wait
