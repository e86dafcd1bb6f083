"""One platform for all tests of this folder: Airflow takes half a minute and a gigabyte."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from eventreplay.testing.services import AirflowServer, PostgresServer, RabbitServer, S3Server, StandInServer
from tests.integration.airflow.platform import Ends, Platform
from tools.airflow_platform.story import Story

HERE = Path(__file__).parent
EVENTS = 2_000
"""In each scene: every kind of event and of dirt is among them, and dbt's part stays the longest."""

LOOK_S = 0.1

SHARED = ExitStack()
"""What all tests of this folder share; closed behind the last of them, not at the end of the whole run: it
keeps half a core busy."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Asked for the tests of this folder only; at the very end `platform` closes before its servers do."""
    if nextitem is not None and not nextitem.path.is_relative_to(HERE):
        SHARED.close()


class Watch:
    """Looks at the command lines of all processes; one that ends between two looks is not seen."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self._thread.start()

    def seen(self) -> list[bytes]:
        """Every command line so far."""
        return sorted(self._seen)

    def close(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(LOOK_S):
            for each in Path("/proc").iterdir():
                if each.name.isdigit():
                    with suppress(OSError):
                        self._seen.add((each / "cmdline").read_bytes())


@pytest.fixture(scope="session")
def watch() -> Iterator[Watch]:
    """From before the platform starts until the end."""
    yield SHARED.enter_context(closing(Watch()))
    SHARED.close()


@pytest.fixture(scope="session")
def ends(
    postgres_server: PostgresServer,
    rabbitmq_server: RabbitServer,
    s3_server: S3Server,
    snowflake_standin: StandInServer,
) -> Ends:
    """Places and logins of their own on the servers of all tests."""
    return Ends.of(postgres_server, rabbitmq_server, s3_server, snowflake_standin)


@pytest.fixture(scope="session")
def wrong(ends: Ends) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
    """Connections whose passwords are refused, and those passwords."""
    return ends.wrong()


@pytest.fixture(scope="session")
def wrong_passwords(wrong: tuple[dict[str, Mapping[str, Any]], dict[str, str]]) -> dict[str, str]:
    """Of the connections that are refused, by id."""
    return wrong[1]


@pytest.fixture(scope="session")
def platform(
    ends: Ends, wrong: tuple[dict[str, Mapping[str, Any]], dict[str, str]], watch: Watch
) -> Iterator[Platform]:
    """Real ends, and Airflow with `dags/` and the tests' own."""
    assert watch is not None
    yield SHARED.enter_context(leaving_nothing(ends, wrong[0]))
    SHARED.close()


@contextmanager
def leaving_nothing(ends: Ends, connections: dict[str, Mapping[str, Any]]) -> Iterator[Platform]:
    """A platform; when it is closed, nothing is left of it."""
    with Platform.start(ends, more_dags=[HERE / "dags"], connections=connections) as platform:
        yield platform
        home, database = platform.airflow.home, platform.airflow.database
        assert processes_of(home)
    assert not home.exists()
    assert not processes_of(home)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(database)


@pytest.fixture(scope="session")
def airflow(platform: Platform) -> AirflowServer:
    """The platform's Airflow."""
    return platform.airflow


@pytest.fixture(scope="session")
def told(platform: Platform) -> Story:
    """Everything from journal and queue to the marts has run over real ends, once for all tests."""
    scene = platform.real()
    scene.fill(EVENTS)
    story = Story(platform, scene)
    story.ingest()
    story.transform()
    return story


def processes_of(home: Path) -> list[int]:
    """Processes that have an installation's folder in their environment: all that belong to it."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                environment = (each / "environ").read_bytes()
            except OSError:
                continue
            if f"AIRFLOW_HOME={home}".encode() in environment:
                found.append(int(each.name))
    return found
