"""The work of `DbtOperator`: one process of dbt, each node of which gets a line in the task's log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.errors import ConfigError, TransformError
from eventreplay.log import Log
from eventreplay.rebuild import built_fingerprints
from eventreplay.redaction import names_secret
from eventreplay.secret import Secret
from eventreplay.transform import Node, Transformation, project_folder, transform
from eventreplay_airflow.assets import MARTS, table_asset
from eventreplay_airflow.hook import EventReplayHook
from eventreplay_airflow.jobs.opening import when_free
from eventreplay_airflow.jobs.outcome import Outcome, Report
from eventreplay_airflow.jobs.places import table_place

MODELS_SHOWN_MAX = 200
"""Models that the task's return value names one by one."""
_BUILT = frozenset({"model", "seed", "snapshot"})
_LAST_RUN = "airflow-run"


@frozen(kw_only=True)
class DbtRequest:
    """What the operator was told; see there. `run`: names the task instance, the same on every try."""

    command: str
    sink: str
    options: Mapping[str, object]
    project: str | None
    target: str | None
    select: Sequence[str]
    exclude: Sequence[str]
    full_refresh: bool
    variables: Mapping[str, object]
    environment: Mapping[str, object]
    arguments: Mapping[str, object]
    threads: int | None
    work: str
    run: str
    log: str | None


class DbtWork:
    """One run of dbt; see `Work`."""

    def __init__(
        self,
        request: DbtRequest,
        hook: EventReplayHook,
        report: Report,
        stopped: Callable[[], bool],
        logger: Any,
    ) -> None:
        self._request = request
        self._report = report
        self._stopped = stopped
        self._logger = logger
        self._project = project_folder() if request.project is None else Path(request.project)
        self._environment = environment_of(request.environment, hook, request.sink, request.options)
        self._done: Transformation | None = None
        self.log: Log | None = None if request.log is None else hook.open_log(request.log, must_exist=False)

    def run(self) -> None:
        """Run dbt to its end; what failed in the last try of this very task is resumed."""
        work = Path(self._request.work)
        resume = self._is_again(work)
        if resume:
            self._logger.info("Going on with what failed in the last try.")
        try:
            self._done = when_free(
                self._request.sink, lambda: self._once(work, resume), self._logger, self._stopped
            )
        except TransformError as error:
            done = error.fields.get("transformation")
            self._done = done if isinstance(done, Transformation) else None
            raise
        finally:
            for node in () if self._done is None else self._done.nodes:
                self._say(node)

    def _once(self, work: Path, resume: bool) -> Transformation:  # noqa: FBT001 - of our own
        request = self._request
        return transform(
            self._project,
            request.command,
            environment=self._environment,
            work=work,
            target=request.target,
            select=request.select,
            exclude=request.exclude,
            full_refresh=request.full_refresh,
            variables=request.variables or None,
            arguments=request.arguments or None,
            threads=request.threads,
            resume=resume,
            progress=self._report,
        )

    def _is_again(self, work: Path) -> bool:
        """Whether the last run in this folder was an earlier try of this one; notes it for the next."""
        work.mkdir(parents=True, exist_ok=True)
        noted = work / _LAST_RUN
        found = noted.read_text("utf-8") if noted.is_file() else ""
        noted.write_text(self._request.run, "utf-8")
        return found == self._request.run

    def _say(self, node: Node) -> None:
        failed = node.status in {"error", "fail", "runtime error"}
        text = f"{node.status} {node}" if failed else f"{node.status} {node.kind} {node.name}"
        (self._logger.error if failed else self._logger.info)(f"dbt: {text} ({node.seconds:.1f} s)")

    def outcome(self) -> Outcome:
        """What dbt made of every node."""
        request, done = self._request, self._done
        nodes = () if done is None else done.nodes
        counts = Counter(f"{node.kind}:{node.status}" for node in nodes)
        built = [node for node in nodes if node.kind in _BUILT and node.status == "success"]
        facts: dict[str, Any] = {
            "command": request.command,
            "sink": request.sink,
            "target": request.target or str(self._environment.get("DBT_TARGET", "")),
            "invocation_id": "" if done is None else done.invocation_id,
            "project_fingerprint": "" if done is None else done.project_fingerprint,
            "seconds": 0.0 if done is None else done.seconds,
            "nodes": dict(sorted(counts.items())),
            "models": [node.name for node in built[:MODELS_SHOWN_MAX]],
            "failed": [node.name for node in nodes if node.status in {"error", "fail", "runtime error"}],
            "full_refresh": request.full_refresh,
            "suffix": str(request.environment.get("EVENTREPLAY_SCHEMA_SUFFIX", "")),
            # By which versions: the next plan of a rebuild finds them in the receipt.
            "fingerprints": built_fingerprints(
                {node.name for node in built}, Path(request.work), self._project, request.variables
            ),
        }
        extra = {"invocation_id": facts["invocation_id"], "project": facts["project_fingerprint"]}
        tables = [node.relation for node in built if node.relation is not None]
        return Outcome(
            facts=facts,
            said=f"{len(nodes):,} nodes, {len(built):,} built, {len(facts['failed']):,} failed.",
            changed=bool(built),
            noteworthy=done is not None,
            assets={
                MARTS: {**extra, "tables": len(tables)},
                **{table_asset(request.sink, table): extra for table in tables},
            }
            if built
            else {},
            inputs=(table_place(request.sink, "RAW.EVENTS"),),
            outputs=tuple(table_place(request.sink, table) for table in tables),
        )


def environment_of(
    told: Mapping[str, object], hook: EventReplayHook, sink: str, options: Mapping[str, object]
) -> dict[str, str | Secret]:
    """What dbt reads: how to reach the warehouse, and over it what the task was told.

    Raises:
        ConfigError: a variable speaks of a secret.
    """
    for name in told:
        if names_secret(name):
            raise ConfigError(
                f"{name} in environment speaks of a secret, and everybody who sees the task can see it.",
                hint="Put secrets into the connection of the warehouse.",
                variable=name,
            )
    given = {name: str(value) for name, value in told.items()}
    return {**hook.dbt_environment(sink, options), **given}
