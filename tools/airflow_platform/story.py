"""Every DAG once, from an empty log to promoted marts: what `make airflow` does and the tests look at."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import frozen

from eventreplay.testing.services import AirflowServer, RunState
from tools.airflow_platform.platform import Platform
from tools.airflow_platform.scenes import Scene

BACKFILL, LIVE, LOAD = "events_backfill_to_s3", "events_live", "s3_to_snowflake_load_raw"
DBT, QUALITY, REBUILD = "dbt_transform_and_test", "data_quality", "full_rebuild"
DAG_IDS = (BACKFILL, LIVE, LOAD, DBT, QUALITY, REBUILD)
RUN_S_MAX = 900.0
IDLE_S_MAX = 600.0
RANGES = 3

By = str
"""Who started a run: `REST` or `asset`."""


@frozen(kw_only=True)
class Done:
    """One run of the story."""

    by: By
    state: RunState
    seconds: float

    @property
    def dag_id(self) -> str:
        """Of which DAG."""
        return self.state.run.dag_id


Tell = Callable[[Done], None]


class Story:
    """Runs DAGs of a platform over one scene, one after the other.

    Args:
        platform: what they run on.
        scene: filled; Airflow's variables lead to it.
        tell: is called after each run.
    """

    def __init__(self, platform: Platform, scene: Scene, tell: Tell = lambda _: None) -> None:
        self.airflow: AirflowServer = platform.airflow
        self.scene = scene
        self.done: list[Done] = []
        self._tell = tell
        self.airflow.wait_known(*DAG_IDS)
        for dag_id in DAG_IDS:
            self.airflow.pause_dag(dag_id)
        self._known = {dag_id: len(self.airflow.runs(dag_id, "asset_triggered")) for dag_id in DAG_IDS}

    def ingest(self) -> None:
        """History and live events into the log and into RAW; one load by its asset, one by hand."""
        self.airflow.unpause_dag(LOAD)
        self.run(BACKFILL, {"range_positions": max(1, self.scene.events // RANGES)})
        self.by_asset(LOAD)
        self.run(LIVE, {"run_for_s": 120, "idle_end_s": 2})
        self.run(LOAD)
        self.airflow.pause_dag(LOAD)

    def transform(self) -> None:
        """The marts."""
        self.run(DBT)
        self.airflow.pause_dag(DBT)

    def transform_by_asset(self) -> None:
        """The marts again by a run that RAW's asset starts: a load by hand finds nothing, and says so."""
        self.airflow.unpause_dag(DBT)
        self.run(LOAD, idle=False)
        self.by_asset(DBT)
        self.airflow.pause_dag(DBT)

    def check(self) -> None:
        """The quality checks."""
        self.run(QUALITY)

    def rebuild(self) -> None:
        """Everything again from the log, beside what is there; then it changes places."""
        self.run(REBUILD)

    def run(self, dag_id: str, conf: dict[str, object] | None = None, *, idle: bool = True) -> RunState:
        """Trigger a DAG over REST and wait for it; unless told otherwise, for what its assets started too."""
        begun = time.monotonic()
        state = self.airflow.wait(self.airflow.trigger(dag_id, conf), RUN_S_MAX)
        self._note("REST", state, begun)
        if idle:
            self.airflow.wait_idle(IDLE_S_MAX)
        return state

    def by_asset(self, dag_id: str) -> RunState:
        """Wait for the next run of a DAG that an asset has started."""
        begun = time.monotonic()
        run = self.airflow.wait_runs(dag_id, self._known[dag_id] + 1)[self._known[dag_id]].run
        state = self.airflow.wait(run, RUN_S_MAX)
        self._known[dag_id] += 1
        self._note("asset", state, begun)
        return state

    def _note(self, by: By, state: RunState, begun: float) -> None:
        seconds = time.monotonic() - begun if state.seconds is None else state.seconds
        done = Done(by=by, state=state, seconds=seconds)
        self.done.append(done)
        self._tell(done)
