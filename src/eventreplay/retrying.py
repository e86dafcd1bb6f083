"""Trying again: only what may succeed, from the last checkpoint, never in the middle of a write.

Every verb goes on behind its last commit, so a whole run is the unit that is safe to repeat. A final error
is raised at once: trying it again would only hide it for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from eventreplay.errors import EventReplayError

Result = TypeVar("Result")

Told = Callable[[EventReplayError, int], None]
"""Called with the error and the number of the attempt that failed, before the wait."""


def retried(
    run: Callable[[], Result],
    *,
    attempts_max: int = 5,
    wait_max_s: float = 30.0,
    told: Told | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Call `run` until it returns, at most `attempts_max` times, while its errors are retryable.

    Args:
        run: opens what it needs and closes it again; begins at the checkpoint on every call.
        attempts_max: calls at most; 1 never tries again.
        wait_max_s: longest wait between two, which grow exponentially from one second, with jitter.
        told: learns of every failure that is followed by another attempt.
        sleep: how to wait.

    Raises:
        EventReplayError: a final error at once; a retryable one after the last attempt.
    """

    def tell(state: object) -> None:
        error = state.outcome.exception()  # type: ignore[attr-defined]
        if told is not None and isinstance(error, EventReplayError):
            told(error, state.attempt_number)  # type: ignore[attr-defined]

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, EventReplayError) and error.retryable),
        stop=stop_after_attempt(attempts_max),
        wait=wait_exponential_jitter(initial=1, max=wait_max_s),
        before_sleep=tell,
        sleep=sleep,
        reraise=True,
    )
    return retrying(run)
