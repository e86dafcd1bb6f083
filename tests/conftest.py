"""What holds for every test: no network, none of the caller's settings, examples that can be run again."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from eventreplay.testing.services import CephServer, PostgresServer, RabbitServer, S3Server, StandInServer

ROOT = Path(__file__).resolve().parents[1]
AIRFLOW = "tests/integration/airflow/"

# `same`: the same examples in every run, so that a red build is the change's fault. `search` looks for new
# ones (HYPOTHESIS_PROFILE=search make test); what it finds it prints, ready to be pasted as an @example.
# No deadline: these tests share their machine, and a slow example is no wrong one.
settings.register_profile(
    "same", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", parent=settings.get_profile("same"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

_connect = socket.socket.connect


class NetworkInTestError(RuntimeError):
    """A test wanted to leave this machine. Tests need no network: give it a file, or a server of its own."""


def _connect_here(self: socket.socket, address: tuple[str, int] | str | bytes) -> None:
    if isinstance(address, tuple) and not _is_here(str(address[0])):
        raise NetworkInTestError(f"A test connects to {address[0]}.")
    _connect(self, address)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def pytest_configure() -> None:
    """Before anything is collected: an import must not reach out either."""
    socket.socket.connect = _connect_here  # type: ignore[assignment,method-assign]
    # Settings of whoever runs the tests are not part of them; servers they name for the tests are.
    ours = "EVENTREPLAY_TEST_"
    for name in [
        name for name in os.environ if name.startswith("EVENTREPLAY_") and not name.startswith(ours)
    ]:
        del os.environ[name]


class _Files(LoadFileScheduling):  # type: ignore[misc] # ships no types
    """A file's tests run in one process, and all that share an Airflow: it takes half a minute to start."""

    def _split_scope(self, nodeid: str) -> str:
        return AIRFLOW if nodeid.startswith(AIRFLOW) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Files | None:
    """For `--dist loadfile`; any other way is xdist's own."""
    return _Files(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One for all tests of this process, started by the first that asks; who kills one starts another."""
    with PostgresServer.find() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of the test's own."""
    url = postgres_server.database()
    yield url
    postgres_server.drop(url)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """One for all tests of this process, started by the first that asks; who kills one starts another."""
    with RabbitServer.find() as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer) -> str:
    """A virtual host of the test's own."""
    return rabbitmq_server.vhost()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One for all tests of this process, started by the first that asks; who kills one starts another."""
    with S3Server.find() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a bucket of the test's own; the variables that clients of S3 read lead to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.bucket()


@pytest.fixture(scope="session")
def ceph_server() -> Iterator[CephServer]:
    """An S3 that keeps what it has and checks signatures; for long tests, it takes seconds to start."""
    with CephServer.find() as server:
        yield server


@pytest.fixture(scope="session")
def snowflake_standin() -> Iterator[StandInServer]:
    """One for all tests of this process, started by the first that asks; who kills one starts another."""
    with StandInServer.find() as server:
        yield server


@pytest.fixture
def snowflake_database(snowflake_standin: StandInServer) -> Iterator[dict[str, Any]]:
    """What the connector is given to reach a database of the test's own."""
    name = snowflake_standin.database()
    yield snowflake_standin.connect_args(name)
    snowflake_standin.drop(name)
