"""The log into a warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias

from eventreplay_airflow import values
from eventreplay_airflow.assets import RAW_ALIAS
from eventreplay_airflow.operators.ends import LogToSinkOperator
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Work


class ReplayOperator(LogToSinkOperator):
    """Loads everything that the log holds and RAW does not, of all partitions, in order.

    Rows and checkpoint are committed in one transaction of the sink, by compare-and-set: of two at once one
    goes on, and a run that died is simply run again. Nothing depends on a date.

    Args:
        schemas: the set of schemas to decode with; None: the one that is installed.
        replay_id: name of this load; checkpoints are kept under it.
        workers: processes that decode; no influence on the result.
        accept_codec_change: go on although another codec made the rows that are there.
        kwargs: `log`, `sink`, `log_conn_id`, `sink_conn_id`, `sink_options`: see `LogToSinkOperator`.
    """

    template_fields: Sequence[str] = (
        *LogToSinkOperator.ends, "schemas", "replay_id", "workers", "accept_codec_change",
    )  # fmt: skip
    receipt_kind: ClassVar[str] = "replay"
    alias: ClassVar[AssetAlias | None] = RAW_ALIAS

    def __init__(
        self,
        *,
        schemas: str | None = None,
        replay_id: str = "live",
        workers: int | str = 1,
        accept_codec_change: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schemas = schemas
        self.replay_id = replay_id
        self.workers = workers
        self.accept_codec_change = accept_codec_change

    def title(self) -> str:
        """The replay's name."""
        return f"replay {self.replay_id}"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One load."""
        from eventreplay_airflow.jobs import replay as job  # noqa: PLC0415 - see `jobs`

        request = job.ReplayRequest(
            **self.told_ends(),
            schemas=values.optional_text(self.schemas),
            replay_id=values.text("replay_id", self.replay_id),
            workers=values.whole("workers", self.workers, least=1) or 1,
            accept_codec_change=values.flag("accept_codec_change", self.accept_codec_change),
        )
        return job.ReplayWork(request, hook, partial(self.report, progress), self.stopped, self.log)
