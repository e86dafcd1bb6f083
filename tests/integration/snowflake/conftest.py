"""One stand-in for the tests of a process, a fresh database with RAW for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from tests.integration.snowflake.server import StandIn


@pytest.fixture(scope="session")
def shared_standin() -> Iterator[StandIn]:
    server = StandIn()
    yield server
    server.close()


@pytest.fixture
def standin(shared_standin: StandIn) -> Iterator[StandIn]:
    yield shared_standin
    shared_standin.control("DELETE")


@pytest.fixture
def settings(standin: StandIn) -> SnowflakeSettings:
    """Of a fresh database whose RAW schema is set up."""
    made = standin.settings(standin.new_database())
    SnowflakeSink.init(made)
    return made
