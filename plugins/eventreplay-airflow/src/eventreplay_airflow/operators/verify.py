"""The log against the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from eventreplay_airflow import values
from eventreplay_airflow.operators.ends import LogToSinkOperator
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Work


class VerifyOperator(LogToSinkOperator):
    """Compares RAW with the log by counts and sums of hashes; fails for good, naming events that differ.

    Args:
        replay_id: the load to look at.
        partitions: only these; None: all.
        deep: also read, hash and decode the log again, and compare every column.
        schemas: the set of schemas for that; None: the one that is installed.
        generation: of a rebuild that is not live: its RAW is looked at; None or empty: the live one.
        kwargs: `log`, `sink`, `log_conn_id`, `sink_conn_id`, `sink_options`: see `LogToSinkOperator`.
    """

    template_fields: Sequence[str] = (
        *LogToSinkOperator.ends,
        "replay_id",
        "partitions",
        "deep",
        "schemas",
        "generation",
    )
    receipt_kind: ClassVar[str] = "verify"

    def __init__(
        self,
        *,
        replay_id: str = "live",
        partitions: Sequence[str] | str | None = None,
        deep: bool | str = False,
        schemas: str | None = None,
        generation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.replay_id = replay_id
        self.partitions = partitions
        self.deep = deep
        self.schemas = schemas
        self.generation = generation

    def title(self) -> str:
        """The replay's name."""
        return f"verify {self.replay_id}"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One comparison."""
        from eventreplay_airflow.jobs import verify as job  # noqa: PLC0415 - see `jobs`

        request = job.VerifyRequest(
            **self.told_ends(),
            replay_id=values.text("replay_id", self.replay_id),
            partitions=values.texts("partitions", self.partitions) or None,
            deep=values.flag("deep", self.deep),
            schemas=values.optional_text(self.schemas),
            generation=values.optional_text(self.generation),
        )
        return job.VerifyWork(request, hook, partial(self.report, progress), self.stopped, self.log)
