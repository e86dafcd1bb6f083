"""The wait for new commits, without a worker: a trigger that looks at the heads of a log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import amask_secret
from airflow.triggers.base import BaseTrigger, TriggerEvent

from eventreplay.errors import EventReplayError
from eventreplay.redaction import redacted

if TYPE_CHECKING:  # a triggerer loads Arrow when it first waits
    from eventreplay_airflow.jobs.heads import Heads

PAUSE_MIN_S, PAUSE_MAX_S = 1.0, 30.0
"""Between two looks; each pause is half as long again as the one before."""


class CommitsTrigger(BaseTrigger):
    """Fires once partitions of a log have commits beyond given numbers.

    Everything it knows is in its arguments, so another triggerer takes over after a restart where this one
    was. The log is asked in a thread: nothing blocks the other triggers.

    Args:
        log: a folder or `s3://bucket/prefix`.
        log_conn_id: connection of its store, as operators have it.
        marks: commit number by partition.
        every: whether all partitions of `marks` must be beyond; else any partition there is.
        pause_max_s: longest pause between two looks, in seconds.
    """

    def __init__(
        self,
        *,
        log: str,
        log_conn_id: str | None,
        marks: Mapping[str, int],
        every: bool,
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.log_url = log  # `log` is the trigger's logger
        self.log_conn_id = log_conn_id
        self.marks = dict(marks)
        self.every = every
        self.pause_max_s = pause_max_s
        self._ended = asyncio.Event()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where this class is, and everything to make it again."""
        return (
            "eventreplay_airflow.triggers.CommitsTrigger",
            {
                "log": self.log_url,
                "log_conn_id": self.log_conn_id,
                "marks": self.marks,
                "every": self.every,
                "pause_max_s": self.pause_max_s,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, with pauses that grow, until there are commits; a final error is an event too."""
        from eventreplay_airflow.jobs.heads import beyond  # noqa: PLC0415 - see above

        pause_s = min(PAUSE_MIN_S, self.pause_max_s)
        heads: Heads | None = None
        while True:
            try:
                if heads is None:
                    heads = await self._opened()
                found = await asyncio.to_thread(heads.look)
                if beyond(found, self.marks, every=self.every):
                    yield TriggerEvent({"heads": found})  # type: ignore[no-untyped-call]
                    return
            except EventReplayError as error:
                text = redacted(f"{type(error).__name__}: {error}")
                if not error.retryable:
                    yield TriggerEvent({"error": text})  # type: ignore[no-untyped-call]
                    return
                self.log.warning("Looking again in %.0f s: %s", pause_s, text)
                heads = None
            if await self._ended_within(pause_s):
                return
            pause_s = min(self.pause_max_s, 1.5 * pause_s)

    async def cleanup(self) -> None:
        """End at once: the task was cleared, or this triggerer stops."""
        self._ended.set()

    async def _ended_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _opened(self) -> Heads:
        from eventreplay_airflow.hook import EventReplayHook, needs_connection  # noqa: PLC0415 - see above
        from eventreplay_airflow.jobs.heads import Heads  # noqa: PLC0415

        known: dict[str, Any] = {}
        wanted = needs_connection(self.log_url, self.log_conn_id)
        if wanted is not None:
            # Here, not in the thread: a triggerer's way to connections belongs to its loop.
            known[wanted] = await BaseHook.aget_connection(wanted)
        secrets: list[str] = []
        hook = EventReplayHook(log_conn_id=self.log_conn_id, get=known.__getitem__, mask=secrets.append)
        names = frozenset(self.marks) if self.every else None
        log = await asyncio.to_thread(hook.open_log, self.log_url, must_exist=False)
        for text in secrets:
            await amask_secret(text)
        return Heads(log, names)
