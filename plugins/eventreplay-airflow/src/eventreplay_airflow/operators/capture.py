"""A source into the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias

from eventreplay_airflow import values
from eventreplay_airflow.assets import LOG_ALIAS
from eventreplay_airflow.operators.base import EventReplayOperator
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Work


class CaptureOperator(EventReplayOperator):
    """Captures a range of a re-readable source, or a queue for a bounded time, into one partition of the log.

    Goes on behind the partition's last commit, whatever stopped the last run; if there is nothing to do it
    commits nothing. Of two at once on one partition, the log lets one go on. Nothing depends on a date.

    Args:
        source: `NAME:PLACE`, the `NAME` of a source or a path of files, as on the command line.
        log: a folder or `s3://bucket/prefix`.
        partition: the log partition; one source, one partition.
        source_conn_id: connection of the source; None: the usual one for it; empty: none, see the hook.
        log_conn_id: connection of the log's store; the same.
        source_options: further settings of the source, by their names; secrets stand in the connection.
        first: first position to take where nothing before it was captured; of a re-readable source.
        upto: last position to take; None: the source's safe head; of a re-readable source.
        run_for_s: end after so long, at a commit. A queue needs this, `idle_end_s`, or both.
        idle_end_s: end when a queue was silent for so long; a source with positions ends at its head.
        age_max_s: of a queue: commit what was held for so long; None: 5 s.
        rows_max: of a queue: commit after so many events; None: 65,536.
        workers: threads that hash and encode; no influence on the result.
        segment_positions: positions per segment; fixed for the life of a partition.
        kwargs: as every operator of this provider takes.
    """

    template_fields: Sequence[str] = (
        "source", "log_url", "partition", "source_conn_id", "log_conn_id", "source_options", "first", "upto",
        "run_for_s", "idle_end_s", "age_max_s", "rows_max", "workers", "segment_positions",
    )  # fmt: skip
    receipt_kind: ClassVar[str] = "capture"
    alias: ClassVar[AssetAlias | None] = LOG_ALIAS

    def __init__(
        self,
        *,
        source: str,
        log: str,
        partition: str,
        source_conn_id: str | None = None,
        log_conn_id: str | None = None,
        source_options: Mapping[str, Any] | None = None,
        first: int | str | None = None,
        upto: int | str | None = None,
        run_for_s: float | str | None = None,
        idle_end_s: float | str | None = None,
        age_max_s: float | str | None = None,
        rows_max: int | str | None = None,
        workers: int | str = 1,
        segment_positions: int | str = 65_536,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.log_url = log  # `log` is the operator's logger
        self.partition = partition
        self.source_conn_id = source_conn_id
        self.log_conn_id = log_conn_id
        self.source_options = source_options or {}
        self.first = first
        self.upto = upto
        self.run_for_s = run_for_s
        self.idle_end_s = idle_end_s
        self.age_max_s = age_max_s
        self.rows_max = rows_max
        self.workers = workers
        self.segment_positions = segment_positions

    def title(self) -> str:
        """Source and partition."""
        return f"capture {self.source} -> {self.partition}"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One capture."""
        from eventreplay_airflow.jobs import capture as job  # noqa: PLC0415 - see `jobs`

        request = job.CaptureRequest(
            source=values.text("source", self.source),
            log=values.text("log", self.log_url),
            partition=values.text("partition", self.partition),
            options=values.mapping("source_options", self.source_options) or {},
            first=values.whole("first", self.first),
            upto=values.whole("upto", self.upto),
            run_for_s=values.seconds("run_for_s", self.run_for_s),
            idle_end_s=values.seconds("idle_end_s", self.idle_end_s),
            age_max_s=values.seconds("age_max_s", self.age_max_s),
            rows_max=values.whole("rows_max", self.rows_max, least=1),
            workers=values.whole("workers", self.workers, least=1) or 1,
            segment_positions=values.whole("segment_positions", self.segment_positions, least=1) or 65_536,
        )
        return job.CaptureWork(request, hook, partial(self.report, progress), self.stopped)
