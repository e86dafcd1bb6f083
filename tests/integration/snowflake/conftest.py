"""A fresh database with RAW for each test, on the stand-in that all tests of this process share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake.server import StandIn


@pytest.fixture(autouse=True)
def _no_clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector would ask the metadata services of three clouds where it runs."""
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")


@pytest.fixture(autouse=True)
def _spools_are_left_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A sink that dies leaves its spool in the temporary folder; many die here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def standin(snowflake_standin: StandInServer) -> Iterator[StandIn]:
    made = StandIn(snowflake_standin)
    yield made
    made.control("DELETE")


@pytest.fixture
def database(standin: StandIn) -> Iterator[str]:
    name = standin.server.database()
    yield name
    standin.control("DELETE")
    standin.server.drop(name)


@pytest.fixture
def settings(standin: StandIn, database: str) -> SnowflakeSettings:
    """Of a fresh database whose RAW schema is set up."""
    made = standin.settings(database)
    SnowflakeSink.init(made)
    return made
