"""Our errors as Airflow's: what may pass is tried again, what will not fails the task at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from eventreplay.errors import CheckpointConflictError, EventReplayError, FenceError
from eventreplay.redaction import redacted


class StoppedError(Exception):
    """Airflow asked the task to end, and it has, at a commit. Never leaves this package."""


@contextmanager
def as_airflow() -> Iterator[None]:
    """Raise what Airflow understands.

    Raises:
        AirflowFailException: a final error; trying again would hide the fault.
        AirflowException: one that may pass, another copy of this run that was first, or a stop that was
            asked for; the next try goes on at the last commit.
    """
    try:
        yield
    except StoppedError:
        raise AirflowException(
            "Ended at a commit, as Airflow asked. Nothing is lost; the next try goes on from there."
        ) from None
    except EventReplayError as error:
        # Below our errors stand drivers' own, which may quote what they were given.
        raise _mapped(error) from (error if os.environ.get("EVENTREPLAY_DEBUG") else None)


def _mapped(error: EventReplayError) -> AirflowException:
    text = redacted(f"{type(error).__name__}: {error}")
    if isinstance(error, (FenceError, CheckpointConflictError)):
        # Not ours to repeat, but to look again: the other copy is doing it, the next try finds it done.
        return AirflowException(
            f"{text} Another copy of this run is at work; the next try sees what is left."
        )
    return AirflowException(text) if error.retryable else AirflowFailException(text)
