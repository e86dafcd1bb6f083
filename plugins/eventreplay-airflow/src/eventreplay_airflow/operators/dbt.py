"""RAW to STAGING and MART."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias

from eventreplay_airflow import values
from eventreplay_airflow.assets import MART_ALIAS
from eventreplay_airflow.operators.base import EventReplayOperator
from eventreplay_airflow.operators.folders import PROJECT, TARGET, WORK, folder_of, run_name
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Work


class DbtOperator(EventReplayOperator):
    """Runs one command of dbt as one process; a task of its own for each model would cost seconds each.

    A failing test fails the task, for good, with a message that names test, table and rows; a busy or
    unreachable warehouse is tried again, and then only what had failed or was skipped is run again.

    Args:
        command: `build`, `run`, `test`, `source freshness`, `run-operation NAME`, ...
        sink: the warehouse, as `ReplayOperator` has it.
        sink_conn_id: its connection; None: the usual one; empty: none.
        sink_options: further settings of the sink, by their names.
        project: folder of the dbt project; None: the variable `eventreplay_dbt_project`, else the
            packaged one.
        target: output of its profile; None: the variable `eventreplay_dbt_target`, else as the sink says.
        select: nodes to take, in dbt's syntax.
        exclude: nodes to leave out.
        full_refresh: rebuild incremental models from RAW.
        variables: dbt's `--vars`; never a secret.
        environment: variables that project and profile read beside those of the sink; never a secret.
        arguments: dbt's `--args`; never a secret.
        threads: nodes at a time; None: as the profile says.
        work: folder for dbt's artifacts, in which every task has one of its own; None: the variable
            `eventreplay_work`, else one in the temporary folder. Keep it where retries run, and they resume.
        log, log_conn_id: the log beside which the receipt is kept; None: none is.
        kwargs: as every operator of this provider takes.
    """

    template_fields: Sequence[str] = (
        "command", "sink", "sink_conn_id", "sink_options", "project", "target", "select", "exclude",
        "full_refresh", "variables", "environment", "arguments", "threads", "work_folder", "log_url",
        "log_conn_id",
    )  # fmt: skip
    receipt_kind: ClassVar[str] = "dbt"
    alias: ClassVar[AssetAlias | None] = MART_ALIAS
    unit: ClassVar[str] = "nodes"

    def __init__(
        self,
        *,
        sink: str,
        command: str = "build",
        sink_conn_id: str | None = None,
        sink_options: Mapping[str, Any] | None = None,
        project: str | None = None,
        target: str | None = None,
        select: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        full_refresh: bool | str = False,
        variables: Mapping[str, Any] | str | None = None,
        environment: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | str | None = None,
        threads: int | str | None = None,
        work: str | None = None,
        log: str | None = None,
        log_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.sink = sink
        self.sink_conn_id = sink_conn_id
        self.sink_options = sink_options or {}
        self.project = PROJECT if project is None else project
        self.target = TARGET if target is None else target
        self.select = select
        self.exclude = exclude
        self.full_refresh = full_refresh
        self.variables = variables or {}
        self.environment = environment or {}
        self.arguments = arguments or {}
        self.threads = threads
        self.work_folder = WORK if work is None else work  # `work` makes the piece of work
        self.log_url = log  # `log` is the operator's logger
        self.log_conn_id = log_conn_id
        self._run_name = ""

    def title(self) -> str:
        """The command."""
        return f"dbt {self.command}"

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Run dbt; see the base class."""
        self._run_name = run_name(context)
        return super().execute(context)

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One run of dbt."""
        from eventreplay_airflow.jobs import dbt as job  # noqa: PLC0415 - see `jobs`

        request = job.DbtRequest(
            command=values.text("command", self.command),
            sink=values.text("sink", self.sink),
            options=values.mapping("sink_options", self.sink_options) or {},
            project=values.optional_text(self.project),
            target=values.optional_text(self.target),
            select=values.texts("select", self.select),
            exclude=values.texts("exclude", self.exclude),
            full_refresh=values.flag("full_refresh", self.full_refresh),
            variables=values.mapping("variables", self.variables) or {},
            environment=values.mapping("environment", self.environment) or {},
            arguments=values.mapping("arguments", self.arguments) or {},
            threads=values.whole("threads", self.threads, least=1),
            work=str(self._folder()),
            run=self._run_name,
            log=values.optional_text(self.log_url),
        )
        return job.DbtWork(request, hook, partial(self.report, progress), self.stopped, self.log)

    def _folder(self) -> Path:
        dag_id, _, rest = self._run_name.partition("/")
        return folder_of(self.work_folder, dag_id, self.task_id, rest.rpartition("/")[2])
