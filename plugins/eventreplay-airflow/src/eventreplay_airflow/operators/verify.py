"""The log against the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from eventreplay_airflow import values
from eventreplay_airflow.operators.base import EventReplayOperator
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Work


class VerifyOperator(EventReplayOperator):
    """Compares RAW with the log by counts and sums of hashes; fails for good, naming events that differ.

    Args:
        log: a folder or `s3://bucket/prefix`.
        sink: the warehouse, as `ReplayOperator` has it.
        log_conn_id: connection of the log's store; None: `eventreplay_log` if it is S3; empty: none.
        sink_conn_id: connection of the warehouse; the same.
        sink_options: further settings of the sink, by their names.
        replay_id: the load to look at.
        partitions: only these; None: all.
        deep: also read, hash and decode the log again, and compare every column.
        schemas: the set of schemas for that; None: the one that is installed.
        kwargs: as every operator of this provider takes.
    """

    template_fields: Sequence[str] = (
        "log_url", "sink", "log_conn_id", "sink_conn_id", "sink_options", "replay_id", "partitions",
        "deep", "schemas",
    )  # fmt: skip
    receipt_kind: ClassVar[str] = "verify"

    def __init__(
        self,
        *,
        log: str,
        sink: str,
        log_conn_id: str | None = None,
        sink_conn_id: str | None = None,
        sink_options: Mapping[str, Any] | None = None,
        replay_id: str = "live",
        partitions: Sequence[str] | str | None = None,
        deep: bool | str = False,
        schemas: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.log_url = log  # `log` is the operator's logger
        self.sink = sink
        self.log_conn_id = log_conn_id
        self.sink_conn_id = sink_conn_id
        self.sink_options = sink_options or {}
        self.replay_id = replay_id
        self.partitions = partitions
        self.deep = deep
        self.schemas = schemas

    def title(self) -> str:
        """The replay's name."""
        return f"verify {self.replay_id}"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One comparison."""
        from eventreplay_airflow.jobs import verify as job  # noqa: PLC0415 - see `jobs`

        request = job.VerifyRequest(
            log=values.text("log", self.log_url),
            sink=values.text("sink", self.sink),
            options=values.mapping("sink_options", self.sink_options) or {},
            replay_id=values.text("replay_id", self.replay_id),
            partitions=values.texts("partitions", self.partitions) or None,
            deep=values.flag("deep", self.deep),
            schemas=values.optional_text(self.schemas),
        )
        return job.VerifyWork(request, hook, partial(self.report, progress), self.stopped, self.log)
