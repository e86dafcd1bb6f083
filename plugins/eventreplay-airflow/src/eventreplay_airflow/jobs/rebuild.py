"""The work of `RebuildPlanOperator` and `RebuildRunOperator`, and what all steps of a rebuild share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from eventreplay.assembly import codec_of
from eventreplay.config import load_settings
from eventreplay.errors import PlanError
from eventreplay.rebuild import Dbt, Patience, Plan, Selection, new_receipt, plan, run
from eventreplay.transform import project_folder
from eventreplay_airflow.failures import StoppedError
from eventreplay_airflow.jobs.dbt import environment_of
from eventreplay_airflow.jobs.ends import EndsRequest, LogToSinkWork
from eventreplay_airflow.jobs.opening import ATTEMPTS_MAX, WAIT_MAX_S, telling, waiting
from eventreplay_airflow.jobs.outcome import Outcome
from eventreplay_airflow.jobs.places import partition_place, table_place

PLAN_BYTES_MAX = 1024 * 1024
"""Of a plan that a task hands on: a thousand models."""
NAMES_SHOWN_MAX = 20


@frozen(kw_only=True)
class CodeRequest(EndsRequest):
    """What every step that needs the code was told; see the operators."""

    schemas: str | None
    project: str | None
    target: str | None
    environment: Mapping[str, object]
    threads: int | None
    work: str


@frozen(kw_only=True)
class PlanRequest(CodeRequest):
    """What the operator was told; see there."""

    name: str
    replay_id: str
    types: Sequence[str]
    streams: Sequence[str]
    producers: Sequence[str]
    raw: bool


@frozen(kw_only=True)
class StepRequest(CodeRequest):
    """What every step of a plan was told."""

    plan: Mapping[str, Any]


@frozen(kw_only=True)
class RunRequest(StepRequest):
    """What the operator was told; see there."""

    workers: int


Request = TypeVar("Request", bound=CodeRequest)
Step = TypeVar("Step", bound=StepRequest)


def patience_of(logger: Any, stopped: Callable[[], bool]) -> Patience:
    """How a busy warehouse is waited for, while Airflow may ask for an end."""
    return Patience(
        attempts_max=ATTEMPTS_MAX, wait_max_s=WAIT_MAX_S, told=telling(logger), sleep=waiting(stopped)
    )


class CodeWork(LogToSinkWork[Request]):
    """A step that knows the code; see `Work`."""

    def __init__(self, request: Request, *given: Any) -> None:
        super().__init__(request, *given)
        self._settings = load_settings(arguments={"log_url": request.log, "sink_url": request.sink})
        self._codec = codec_of(request.schemas, self._settings)
        self._dbt = Dbt(
            project=project_folder() if request.project is None else Path(request.project),
            environment=environment_of(request.environment, self._hook, request.sink, request.options),
            work=Path(request.work),
            target=request.target,
            threads=request.threads,
        )
        self._patience = patience_of(self._logger, self._stopped)

    @contextmanager
    def step(self, title: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
        """A step of the work: a line in the task's log, and progress; this is the rebuild's `Screen`."""
        if self._stopped():
            raise StoppedError
        self._logger.info("%s (%s)", title, unit)
        yield self._report


class StepWork(CodeWork[Step]):
    """A step of a plan; see `Work`."""

    def __init__(self, request: Step, *given: Any) -> None:
        super().__init__(request, *given)
        self._plan = Plan.from_json(dict(request.plan))
        for what, planned, told in (
            ("log", self._plan.log_url, self.log.url),
            ("warehouse", self._plan.sink_url, request.sink),
        ):
            if planned != told:
                raise PlanError(
                    f"The plan {self._plan.name} is of the {what} {planned}, and the task was told {told}.",
                    hint="Plan again, for the places that are meant.",
                )


class PlanWork(CodeWork[PlanRequest]):
    """One plan; see `Work`."""

    _plan: Plan | None = None

    def run(self) -> None:
        """Look at log, code and warehouse.

        Raises:
            PlanError: the plan is too large to hand on.
        """
        request = self._request
        chosen = Selection(types=request.types, streams=request.streams, sources=request.producers)
        found = plan(
            self.log,
            self._open_sink,
            self._codec,
            self._dbt,
            name=request.name,
            sink_url=request.sink,
            replay_id=request.replay_id,
            selection=chosen,
            force_raw=request.raw,
            patience=self._patience,
        )
        size = len(found.text())
        if size > PLAN_BYTES_MAX:
            raise PlanError(
                f"The plan has {size:,} bytes, more than a task hands on.",
                hint="Run this rebuild by `eventreplay rebuild`, whose plan is a file.",
            )
        self._plan = found

    def outcome(self) -> Outcome:
        """The plan."""
        found = self._plan
        if found is None:
            return Outcome(facts={}, said="Nothing is planned.", changed=False)
        summary = summary_of(found)
        return Outcome(
            facts={
                "name": found.name,
                "sha256": found.sha256,
                # Whose RAW its models read: nothing stands for the live one.
                "raw_of": found.name if found.makes_raw else "",
                "summary": summary,
                "plan": found.to_json(),
            },
            said=summary.replace("\n", " "),
            changed=False,
            inputs=tuple(
                partition_place(self.log.url, each.partition, each.events) for each in found.partitions
            ),
        )


class RunWork(StepWork[RunRequest]):
    """One run of a plan; see `Work`."""

    def __init__(self, request: RunRequest, *given: Any) -> None:
        super().__init__(request, *given)
        self._receipt = new_receipt(self._plan)

    def run(self) -> None:
        """Load and build beside the live tables, up to the log's head."""
        run(
            self._plan,
            self.log,
            self._open_sink,
            self._codec,
            self._dbt,
            workers=self._request.workers,
            batch_rows_max=self._settings.batch_rows_max,
            screen=self,
            patience=self._patience,
            receipt=self._receipt,
        )

    def outcome(self) -> Outcome:
        """What was built so far."""
        plan, done = self._plan, self._receipt
        return Outcome(
            facts=done.to_json(),
            said=(
                f"{plan.name} is {done.state}: {done.read:,} rows read, {done.loaded:,} loaded, "
                f"{done.builds} builds of dbt."
            ),
            changed=done.commits > 0 or done.builds > 0,
            inputs=tuple(
                partition_place(self.log.url, each.partition, each.events) for each in plan.partitions
            ),
            outputs=tuple(
                table_place(self._request.sink, f"{model.schema}{plan.suffix}.{model.identifier}")
                for model in plan.models.values()
            ),
        )


def summary_of(found: Plan) -> str:
    """A plan in a few lines of Markdown."""
    raw = f"RAW anew: {found.events:,} events. " if found.makes_raw else "RAW stays. "
    dashboards = [each.name for each in found.exposures if each.affected]
    took = found.estimate.seconds
    lines = [
        f"Generation **{found.name}** beside {found.live}. {raw}",
        f"{_counted(found.models_changed, 'models changed')}; {len(found.models_affected)} affected.",
        f"{_counted(dashboards, 'dashboards affected')}.",
        "Nothing is known to reckon the time by." if took is None else f"About {took:,} s.",
        *found.notes,
    ]
    return "\n".join(lines)


def _counted(names: Sequence[str], what: str) -> str:
    shown = ", ".join(names[:NAMES_SHOWN_MAX]) + (", ..." if len(names) > NAMES_SHOWN_MAX else "")
    return f"{len(names)} {what}: {shown}" if names else f"0 {what}"
