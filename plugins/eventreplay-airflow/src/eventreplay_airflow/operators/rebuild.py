"""The steps of a rebuild: plan, run, diff, promote, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias

from eventreplay_airflow import values
from eventreplay_airflow.assets import MART_ALIAS
from eventreplay_airflow.operators.ends import LogToSinkOperator
from eventreplay_airflow.operators.folders import PROJECT, TARGET, WORK, folder_of
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Work


class _WithCode(LogToSinkOperator):
    """A step that needs to know the code: schemas that decode, and the dbt project.

    Args:
        schemas: the set of schemas to decode with; None: the one that is installed.
        project: folder of the dbt project; None: the variable `eventreplay_dbt_project`, else the
            packaged one.
        target: output of its profile; None: the variable `eventreplay_dbt_target`, else as the sink says.
        environment: variables that project and profile read beside those of the sink; never a secret.
        threads: dbt's nodes at a time; None: as the profile says.
        work: folder for dbt's artifacts; None: the variable `eventreplay_work`, else one in the temporary
            folder.
        kwargs: `log`, `sink`, `log_conn_id`, `sink_conn_id`, `sink_options`: see `LogToSinkOperator`.
    """

    receipt_kind: ClassVar[str] = "rebuild"
    code: ClassVar[Sequence[str]] = (
        *LogToSinkOperator.ends, "schemas", "project", "target", "environment", "threads", "work_folder",
    )  # fmt: skip

    def __init__(
        self,
        *,
        schemas: str | None = None,
        project: str | None = None,
        target: str | None = None,
        environment: Mapping[str, Any] | None = None,
        threads: int | str | None = None,
        work: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schemas = schemas
        self.project = PROJECT if project is None else project
        self.target = TARGET if target is None else target
        self.environment = environment or {}
        self.threads = threads
        self.work_folder = WORK if work is None else work  # `work` makes the piece of work

    def told_code(self) -> dict[str, Any]:
        """What the request of the work has of ends and code."""
        return {
            **self.told_ends(),
            "schemas": values.optional_text(self.schemas),
            "project": values.optional_text(self.project),
            "target": values.optional_text(self.target),
            "environment": values.mapping("environment", self.environment) or {},
            "threads": values.whole("threads", self.threads, least=1),
            # One for all steps of a DAG, which come one after the other: the project is parsed once.
            "work": str(folder_of(self.work_folder, self.dag_id, "rebuild")),
        }


class _OfPlan(_WithCode):
    """A step of a plan.

    Args:
        plan: what `RebuildPlanOperator` returned as `plan`.
        kwargs: code and ends: see `RebuildPlanOperator`.
    """

    template_fields: Sequence[str] = (*_WithCode.code, "plan")

    def __init__(self, *, plan: Mapping[str, Any] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def told_plan(self) -> dict[str, Any]:
        """What the request of the work has of ends, code and plan."""
        return {**self.told_code(), "plan": values.mapping("plan", self.plan) or {}}


class RebuildPlanOperator(_WithCode):
    """Writes down what a rebuild would do; changes nothing. Returns the plan, a summary, and RAW's name.

    The plan stands in the task's return value, at most `PLAN_BYTES_MAX` long: it holds names, positions and
    hashes, no data and no secret. The later steps keep to it.

    Args:
        generation: its name: lower-case letters and digits, at most 16.
        replay_id: whose checkpoints the loads have.
        types: only these event types; a generation of less than all is for looking at, never promoted.
        streams: only these streams; the same.
        producers: only events of these sources; the same.
        raw: make RAW again although nothing of the codec changed.
        schemas, project, target, environment, threads, work: the code.
        kwargs: `log`, `sink`, `log_conn_id`, `sink_conn_id`, `sink_options`: see `LogToSinkOperator`.
    """

    template_fields: Sequence[str] = (
        *_WithCode.code, "generation", "replay_id", "types", "streams", "producers", "raw",
    )  # fmt: skip
    unit: ClassVar[str] = "nodes"

    def __init__(
        self,
        *,
        generation: str,
        replay_id: str = "live",
        types: Sequence[str] | str | None = None,
        streams: Sequence[str] | str | None = None,
        producers: Sequence[str] | str | None = None,
        raw: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.generation = generation
        self.replay_id = replay_id
        self.types = types
        self.streams = streams
        self.producers = producers
        self.raw = raw

    def title(self) -> str:
        """The generation's name."""
        return f"plan {self.generation}"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One plan."""
        from eventreplay_airflow.jobs import rebuild as job  # noqa: PLC0415 - see `jobs`

        request = job.PlanRequest(
            **self.told_code(),
            name=values.text("generation", self.generation),
            replay_id=values.text("replay_id", self.replay_id),
            types=values.texts("types", self.types),
            streams=values.texts("streams", self.streams),
            producers=values.texts("producers", self.producers),
            raw=values.flag("raw", self.raw),
        )
        return job.PlanWork(request, hook, partial(self.report, progress), self.stopped, self.log)


class RebuildRunOperator(_OfPlan):
    """Builds the generation that a plan describes, beside the live tables; loads go on meanwhile.

    Goes on where a run that died left off. Refuses if log or code moved under the plan, and says what moved.

    Args:
        plan: what `RebuildPlanOperator` returned as `plan`.
        workers: processes that decode; no influence on the result.
        kwargs: code and ends: see `RebuildPlanOperator`.
    """

    template_fields: Sequence[str] = (*_OfPlan.template_fields, "workers")

    def __init__(self, *, workers: int | str = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workers = workers

    def title(self) -> str:
        """The step."""
        return "rebuild"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One run."""
        from eventreplay_airflow.jobs import rebuild as job  # noqa: PLC0415 - see `jobs`

        request = job.RunRequest(
            **self.told_plan(), workers=values.whole("workers", self.workers, least=1) or 1
        )
        return job.RunWork(request, hook, partial(self.report, progress), self.stopped, self.log)


class RebuildDiffOperator(_OfPlan):
    """Compares every model with the live one, row by row, in the warehouse; changes nothing.

    Fails for good if rows differ that no changed codec, upcaster or model explains. Returns counts, no data.

    Args:
        plan: what `RebuildPlanOperator` returned as `plan`.
        accept_unexplained: succeed all the same.
        kwargs: code and ends: see `RebuildPlanOperator`.
    """

    template_fields: Sequence[str] = (*_OfPlan.template_fields, "accept_unexplained")
    unit: ClassVar[str] = "models"

    def __init__(self, *, accept_unexplained: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept_unexplained = accept_unexplained

    def title(self) -> str:
        """The step."""
        return "diff"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One comparison."""
        from eventreplay_airflow.jobs import rebuild_diff as job  # noqa: PLC0415 - see `jobs`

        request = job.DiffRequest(
            **self.told_plan(), accept=values.flag("accept_unexplained", self.accept_unexplained)
        )
        return job.DiffWork(request, hook, partial(self.report, progress), self.stopped, self.log)


class RebuildPromoteOperator(_OfPlan):
    """Catches up with the log, then lets a generation and the live one change places.

    Run again after a crash it finishes what it began; a generation that is live already is left so.

    Args:
        plan: what `RebuildPlanOperator` returned as `plan`.
        keep_days: for so long what was live is kept; what was kept longer than its time is dropped.
        kwargs: code and ends: see `RebuildPlanOperator`.
    """

    template_fields: Sequence[str] = (*_OfPlan.template_fields, "keep_days")
    alias: ClassVar[AssetAlias | None] = MART_ALIAS

    def __init__(self, *, keep_days: int | str = 7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_days = keep_days

    def title(self) -> str:
        """The step."""
        return "promote"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One promotion."""
        from eventreplay_airflow.jobs import rebuild_switch as job  # noqa: PLC0415 - see `jobs`

        request = job.PromoteRequest(
            **self.told_plan(), keep_days=values.whole("keep_days", self.keep_days, least=1) or 7
        )
        return job.PromoteWork(request, hook, partial(self.report, progress), self.stopped, self.log)


class RebuildRollbackOperator(LogToSinkOperator):
    """Undoes the last promotion, finished or broken off; a second one in a row changes nothing.

    Args:
        kwargs: `log`, `sink`, `log_conn_id`, `sink_conn_id`, `sink_options`: see `LogToSinkOperator`.
    """

    receipt_kind: ClassVar[str] = "rebuild"
    alias: ClassVar[AssetAlias | None] = MART_ALIAS

    def title(self) -> str:
        """The step."""
        return "rollback"

    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """One rollback."""
        from eventreplay_airflow.jobs import rebuild_switch as job  # noqa: PLC0415 - see `jobs`

        request = job.RollbackRequest(**self.told_ends())
        return job.RollbackWork(request, hook, partial(self.report, progress), self.stopped, self.log)
