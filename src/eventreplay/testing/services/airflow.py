"""A whole Airflow for tests: API server, scheduler, DAG processor and triggerer, on the loopback."""

from __future__ import annotations

import importlib.metadata
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attrs import frozen

from eventreplay.testing.services.airflow_api import AirflowApi
from eventreplay.testing.services.airflow_runs import AirflowRuns
from eventreplay.testing.services.airflow_settings import (
    PASSWORDS,
    USER,
    Connections,
    Keys,
    given,
    settings_of,
)
from eventreplay.testing.services.errors import ServiceError, missing
from eventreplay.testing.services.guarded import Guarded, beginning, started
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.postgres import PostgresServer
from eventreplay.testing.services.server import Processes, Server

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    # Logs lie in a folder that the API server reads; nobody has to serve them.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
"""Not `airflow standalone`: it listens everywhere, and leaves its children behind when it is killed."""

HEALTH = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
"""What /monitor/health calls them."""

MIGRATE = "db-migrate"
VERSION_MIN = (3, 3)
START_S_MAX = 150
STOP_S_MAX = 30


class _Components(Processes):
    """Airflow's four programs."""

    main = "api-server"

    def __init__(self, guarded: Guarded, environment: Mapping[str, str]) -> None:
        super().__init__(guarded)
        self.environment = dict(environment)
        self.pids: dict[str, int] = {}
        self.begun: dict[str, datetime] = {}

    def prepare(self, passwords: Mapping[str, str]) -> None:
        """Make the folder and the metadata database ready."""
        folder = self.guarded.folder
        folder.chmod(0o700)
        path = folder / PASSWORDS
        path.touch(0o600)
        path.write_text(json.dumps(dict(passwords)) + "\n", "utf-8")
        (folder / "plugins").mkdir()
        self.guarded.run(MIGRATE, [*_AIRFLOW, "db", "migrate"], env=self.environment)
        self.guarded.finish(MIGRATE, START_S_MAX)

    def run(self) -> None:
        for name, words in COMPONENTS.items():
            if not self.guarded.alive(name):
                self.begun[name] = datetime.now(UTC)
                self.pids[name] = self.guarded.run(name, [*_AIRFLOW, *words], env=self.environment)

    def stop(self) -> None:
        """Ask all to stop, and wait; a scheduler lets running tasks end before."""
        living = [name for name in COMPONENTS if self.guarded.alive(name)]
        for name in living:
            self.guarded.signal(self.stop_signal, name)
        for name in living:
            self.wait_end(name)

    def wait_end(self, name: str) -> None:
        """Wait until a component has ended."""
        self.guarded.wait_for(partial(self.guarded.status, name), f"{name} did not stop", STOP_S_MAX)


class AirflowServer(Server[_Components], AirflowRuns):
    """One Airflow with a metadata database of its own; a context manager.

    Tasks run in processes of the scheduler's (LocalExecutor), in this interpreter's environment.

    Attributes:
        url: of the API server and the user interface.
        user: an administrator.
        password: the user's.
        home: AIRFLOW_HOME; its `logs` folder has every log.
        database: postgresql:// URL of the metadata database.
    """

    what = "Airflow"

    def __init__(self, components: _Components, port: int, keys: Keys, metadata: _Metadata) -> None:
        Server.__init__(self, components)
        self._components, self._metadata = components, metadata
        self.user, self.password = USER, keys.password
        self.url = f"http://{LOOPBACK}:{port}"
        self.home = components.guarded.folder
        self.database = metadata.url
        AirflowRuns.__init__(self, AirflowApi(self.url, self.user, self.password))

    @classmethod
    def start(
        cls,
        dags: Path,
        *,
        connections: Connections | None = None,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        postgres: PostgresServer | None = None,
    ) -> AirflowServer:
        """Start one and wait until every part of it is healthy.

        Args:
            dags: folder of DAG files.
            connections: id → its fields as Airflow's JSON has them (`conn_type`, `host`, `login`, …), or a
                URI. They stand in the environment of Airflow's processes, nowhere else.
            variables: name → value; likewise.
            environment: more variables, and settings as AIRFLOW__SECTION__KEY, over ours.
            postgres: where the metadata database is made; None: a server of its own.

        Raises:
            ServiceMissingError: Airflow or PostgreSQL is not there.
            ServiceNotReadyError: it was started and did not become healthy.
        """
        _require()
        if not dags.is_dir():
            raise ServiceError(f"There is no folder {dags} to take DAGs from.")
        words = given(connections or {}, variables or {}) | dict(environment or {})
        return started(lambda: cls._start_once(dags.resolve(), words, postgres), "address already in use")

    @classmethod
    def _start_once(
        cls, dags: Path, words: Mapping[str, str], postgres: PostgresServer | None
    ) -> AirflowServer:
        port, keys = free_port(), Keys()
        with _Metadata.begin(postgres) as metadata, beginning("Airflow") as guarded:
            settings = settings_of(guarded.folder, dags, port, metadata.url, keys) | dict(words)
            components = _Components(guarded, settings)
            components.prepare({USER: keys.password})
            components.run()
        return cls(components, port, keys, metadata)

    def wait_ready(self) -> None:
        """Wait until the API answers, tasks can speak to it, and it says that all others live."""
        guarded = self._components.guarded
        guarded.wait_ready("api-server", self.api.alive, START_S_MAX)
        guarded.wait_ready("api-server", self.api.takes_tasks, START_S_MAX)
        for name in HEALTH:
            guarded.wait_ready(name, partial(self._healthy, name), START_S_MAX)

    def _healthy(self, name: str) -> bool | None:
        """Whether it gave a sign of life since it was started; a killed one's last sign may be fresh."""
        word = HEALTH[name]
        said = (self.api.alive() or {}).get(word) or {}
        sign = said.get(f"latest_{word}_heartbeat")
        alive = sign is not None and datetime.fromisoformat(sign) > self._components.begun[name]
        return True if alive and said.get("status") == "healthy" else None

    def environment(self) -> dict[str, str]:
        """The environment of its processes; has secrets."""
        return dict(self._components.environment)

    def pid(self, component: str) -> int:
        """The main process of a component, by its name in `COMPONENTS`."""
        return self._components.pids[component]

    def kill(self, component: str | None = None) -> None:
        """SIGKILL to one component's main process, or to everything, tasks too.

        Processes below a killed scheduler go on, as they do when the machine's memory runs out.
        """
        if component is None:
            super().kill()
            return
        self._components.guarded.signal(signal.SIGKILL, component)
        self._components.wait_end(component)

    def revive(self) -> None:
        """Start again whatever has ended, with the same database, and wait until it is healthy."""
        self._components.run()
        self.wait_ready()

    def log_tail(self, component: str = "api-server") -> str:
        """The end of a component's output."""
        return self._components.guarded.tail(component)

    def close(self) -> None:
        """End it, and remove its folder and its database."""
        super().close()
        self._metadata.close()

    def _leave(self) -> None:
        """There is no Airflow of somebody else's."""


@frozen
class _Metadata:
    """The metadata database, and whether its server is ours alone."""

    server: PostgresServer
    url: str
    ours: bool

    @classmethod
    @contextmanager
    def begin(cls, postgres: PostgresServer | None) -> Iterator[_Metadata]:
        """Make one; it is removed if what needs it cannot be started."""
        server = postgres or PostgresServer.start()
        made = cls(server, server.database(), postgres is None)
        try:
            yield made
        except BaseException:
            made.close()
            raise

    def close(self) -> None:
        """Remove it; its server may be gone already."""
        if self.ours:
            self.server.close()
            return
        with suppress(ServiceError):
            self.server.drop(self.url)


# Not the working folder, which Python would otherwise search for modules first.
_AIRFLOW = [sys.executable, "-P", "-m", "airflow"]


def _require() -> None:
    try:
        version = importlib.metadata.version("apache-airflow-core")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < VERSION_MIN:
        found = f"version {version} is installed" if version else "it is not installed"
        raise missing("Airflow", [f"apache-airflow-core: {found}."], "Install apache-airflow>=3.3.")
