"""Airflow with `dags/` over the real ends, and scenes to run them in."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

from attrs import frozen

from eventreplay.testing.services import AirflowError, AirflowServer, RunState
from eventreplay.testing.services.guarded import Guarded
from tools.airflow_platform.ends import Ends, Note, quiet
from tools.airflow_platform.scenes import EmbeddedScene, RealScene, Scene

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"
MARTS_POOL = "eventreplay_marts"
"""The pool that `dags/` need."""


@frozen
class Platform:
    """What runs, until `start`'s context ends.

    Attributes:
        airflow: with the DAGs of this repository, and those that were given.
        ends: the servers; None: embedded ends alone.
        folder: of everything that scenes keep on this machine; removed at the end.
    """

    airflow: AirflowServer
    ends: Ends | None
    folder: Path

    @classmethod
    @contextmanager
    def start(
        cls,
        ends: Ends | None,
        *,
        more_dags: Sequence[Path] = (),
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        note: Note = quiet,
    ) -> Iterator[Self]:
        """Start Airflow with a copy of `dags/`, as a user's folder has it.

        Args:
            ends: whose connections it gets; None: it gets none, as embedded ends need none.
            more_dags: files or folders that are copied beside them.
            connections: more of them.
            environment: of Airflow's processes, over ours.
            note: is told what is being done.
        """
        with ExitStack() as stack:
            # A guard's folder: it goes even if this process is killed.
            folder = stack.enter_context(closing(Guarded("Platform"))).folder
            dags = shutil.copytree(DAGS, folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
            for path in more_dags:
                _copied(path, dags)
            note("Airflow starts: metadata database, API server, scheduler, DAG processor, triggerer")
            known = {} if ends is None else ends.connections()
            airflow = stack.enter_context(
                AirflowServer.start(
                    dags,
                    connections={**known, **(connections or {})},
                    environment=environment,
                    postgres=None if ends is None else ends.postgres,
                )
            )
            airflow.set_pool(MARTS_POOL, 1)
            note(f"Airflow is ready at {airflow.url}")
            yield cls(airflow, ends, folder)

    def add_dags(self, path: Path) -> None:
        """Copy a file or folder beside the other DAGs; `airflow.wait_known` waits until they are seen."""
        _copied(path, self.folder / "dags")

    def real(self) -> RealScene:
        """A new scene on the servers, which Airflow's variables lead to from now on."""
        if self.ends is None:
            raise AirflowError("This platform was started without servers.", hint="Give it `ends`.")
        scene = RealScene(self.ends, self.folder / f"real-{secrets.token_hex(4)}")
        self.lead_to(scene)
        return scene

    def embedded(self) -> EmbeddedScene:
        """A new scene without servers, which Airflow's variables lead to from now on."""
        scene = EmbeddedScene(self.folder / f"embedded-{secrets.token_hex(4)}")
        self.lead_to(scene)
        return scene

    def lead_to(self, scene: Scene) -> None:
        """Set Airflow's variables; tasks that run meanwhile keep what they were rendered with."""
        for name, value in scene.variables().items():
            self.airflow.set_variable(name, value)

    def run(
        self, dag_id: str, conf: Mapping[str, object] | None = None, *, timeout_s: float = 240.0
    ) -> RunState:
        """Trigger a DAG over REST and wait for its end.

        Raises:
            AirflowError: it was refused, failed, or took longer; with the ends of the failed tasks' logs.
        """
        return self.airflow.wait(self.airflow.trigger(dag_id, conf), timeout_s)


def _copied(path: Path, folder: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, folder, dirs_exist_ok=True)
    else:
        shutil.copy(path, folder)
