"""Every DAG once, from an empty log to promoted marts: what `make airflow` does and the tests look at."""

from __future__ import annotations

import threading
from collections.abc import Callable

from attrs import frozen

from eventreplay.testing.services import AirflowServer, Run, RunState
from tools.airflow_platform.platform import Platform
from tools.airflow_platform.scenes import Scene

BACKFILL, LIVE, LOAD = "events_backfill_to_s3", "events_live", "s3_to_snowflake_load_raw"
DBT, QUALITY, REBUILD = "dbt_transform_and_test", "data_quality", "full_rebuild"
ROLLBACK = "rebuild_rollback"
DAG_IDS = (BACKFILL, LIVE, LOAD, DBT, QUALITY, REBUILD, ROLLBACK)
TIMED = (LIVE, QUALITY)
POOL, POOL_SLOTS = "default_pool", 128
"""Airflow's own; tasks that name no pool are in it."""
BEGIN_LOOKS_MAX, LOOK_S = 120, 0.5
RUN_S_MAX = 1_200.0
BY_ASSET = "asset_triggered"
RANGES = 3

By = str
"""Who started a run: `REST` or `asset`."""


@frozen(kw_only=True)
class Done:
    """One run of the story."""

    by: By
    state: RunState

    @property
    def dag_id(self) -> str:
        """Of which DAG."""
        return self.state.run.dag_id

    @property
    def seconds(self) -> float:
        """How long it took."""
        return 0.0 if self.state.seconds is None else self.state.seconds


Tell = Callable[[Done], None]


class Story:
    """Runs DAGs of a platform over one scene, one after the other.

    Args:
        platform: what they run on.
        scene: filled; Airflow's variables are led to it before each run.
        tell: is called after each run.
    """

    def __init__(self, platform: Platform, scene: Scene, tell: Tell = lambda _: None) -> None:
        self.airflow: AirflowServer = platform.airflow
        self._platform = platform
        self.scene = scene
        self.done: list[Done] = []
        self._tell = tell
        self.airflow.wait_known(*DAG_IDS)
        for dag_id in DAG_IDS:
            self.airflow.pause_dag(dag_id)
        self._known = {state.run for dag_id in DAG_IDS for state in self.airflow.runs(dag_id, BY_ASSET)}

    def ingest(self, ranges: int = RANGES) -> None:
        """History and live events into the log and into RAW; the log's asset starts loads, one is by hand.

        Args:
            ranges: that the journal is cut into, about.
        """
        self.airflow.unpause_dag(LOAD)
        self.run(BACKFILL, {"range_positions": max(1, self.scene.events // ranges)})
        self.run(LIVE, {"run_for_s": 120, "idle_end_s": 2})
        self.run(LOAD)
        self.airflow.pause_dag(LOAD)

    def transform(self) -> None:
        """The marts."""
        self.run(DBT)
        self.airflow.pause_dag(DBT)

    def transform_by_asset(self) -> None:
        """The marts by a run that RAW's asset starts: a load by hand finds nothing, and says so."""
        self.airflow.unpause_dag(DBT)
        self.run(LOAD)
        self.airflow.pause_dag(LOAD)
        self.airflow.pause_dag(DBT)

    def check(self) -> None:
        """The quality checks."""
        self.run(QUALITY)

    def rebuild(self) -> None:
        """Everything again from the log, beside what is there; then it changes places."""
        self.run(REBUILD)

    def roll_back(self) -> None:
        """What was live before the rebuild is live again."""
        self.run(ROLLBACK)

    def run(self, dag_id: str, conf: dict[str, object] | None = None) -> RunState:
        """Trigger a DAG over REST, wait for it, and for whatever its assets started.

        Raises:
            AirflowError: one of these runs failed, or did not end in time.
        """
        self._platform.lead_to(self.scene)
        run = self._before_its_tick(dag_id, conf) if dag_id in TIMED else self.airflow.trigger(dag_id, conf)
        state = self.airflow.wait(run, RUN_S_MAX)
        if dag_id in TIMED:
            self.airflow.pause_dag(dag_id)
            self._dismiss_ticks(dag_id)
        self._note("REST", state)
        self.airflow.wait_idle(RUN_S_MAX)
        for each in DAG_IDS:
            for begun in self.airflow.runs(each, BY_ASSET):
                if begun.run not in self._known:
                    self._known.add(begun.run)
                    self._note("asset", self.airflow.wait(begun.run, RUN_S_MAX))
        return state

    def _before_its_tick(self, dag_id: str, conf: dict[str, object] | None) -> Run:
        """An unpaused DAG makes up for its last tick, and a run waits for the one before: let ours go.

        No task starts meanwhile: one of the tick's would go on for seconds after it was dismissed, and hold
        what the queue had delivered to it.
        """
        self.airflow.set_pool(POOL, 0)
        try:
            run = self.airflow.trigger(dag_id, conf)
            for _ in range(BEGIN_LOOKS_MAX):
                self._dismiss_ticks(dag_id)
                if self.airflow.state(run).state != "queued":
                    break
                threading.Event().wait(LOOK_S)
        finally:
            self.airflow.set_pool(POOL, POOL_SLOTS)
        return run

    def _dismiss_ticks(self, dag_id: str) -> None:
        for each in self.airflow.runs(dag_id, "scheduled"):
            if not each.ended:
                self.airflow.mark(each.run)

    def by(self, who: By) -> list[str]:
        """Ids of the DAGs whose runs somebody started, in order."""
        return [done.dag_id for done in self.done if done.by == who]

    def _note(self, by: By, state: RunState) -> None:
        done = Done(by=by, state=state)
        self.done.append(done)
        self._tell(done)
