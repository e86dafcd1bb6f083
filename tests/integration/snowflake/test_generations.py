"""The Snowflake sink passes the suite that authors of sinks with generations inherit."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import snowflake.connector

from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.testing.generation_suite import GenerationSuite
from tests.integration.snowflake.dying import Dying
from tests.integration.snowflake.server import StandIn


class TestGenerations(GenerationSuite):
    crash_points: Sequence[int] = (60,)  # among the statements that move things; `long` dies all over it

    @pytest.fixture(autouse=True)
    def _target(
        self, standin: StandIn, settings: SnowflakeSettings, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        self.settings = settings
        self.dying = Dying(monkeypatch)
        self.dying.stop()
        self.sinks: list[SnowflakeSink] = []
        self.hands = snowflake.connector.connect(
            **standin.server.connect_args(settings.database),
            network_timeout=60,
            login_timeout=60,
            platform_detection_timeout_seconds=0,
        )
        yield
        for sink in self.sinks:
            sink.close()
        self.hands.close()

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """As the account's administrator, in one session; rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            with self.hands.cursor() as cursor:
                cursor.execute(statement)
                rows = [tuple(row) for row in cursor.fetchall()]
        return rows

    def open_sink(self) -> SnowflakeSink:
        self.dying.stop()
        sink = SnowflakeSink(self.settings, clock=TickingClock())
        self.sinks.append(sink)
        return sink

    def open_crashing(self, at: int) -> SnowflakeSink:
        sink = self.open_sink()
        self.dying.die_at(at)
        return sink

    def make_table(self, schema: str, name: str, numbers: Sequence[int]) -> None:
        values = ", ".join(f"({number})" for number in numbers)
        place = f"{self.settings.database}.{schema}"
        self.ask(
            f"CREATE SCHEMA IF NOT EXISTS {place}",
            f"CREATE TABLE {place}.{name} (N NUMBER)",
            f"INSERT INTO {place}.{name} VALUES {values}",
        )

    def make_view(self, schema: str, name: str, reads: tuple[str, str]) -> None:
        database = self.settings.database
        self.ask(
            f"CREATE SCHEMA IF NOT EXISTS {database}.{schema}",
            f"CREATE OR REPLACE VIEW {database}.{schema}.{name} AS (\n"
            f"  select {reads[1]}.N -- of {database}.{reads[0]}.{reads[1]}\n"
            f"  from {database}.{reads[0]}.{reads[1]}\n)",
        )

    def values(self, schema: str, name: str, column: str) -> list[Any] | None:
        if name not in (self.names(schema) or ()):
            return None
        rows = self.ask(f'SELECT "{column}" FROM {self.settings.database}.{schema}.{name} ORDER BY 1')
        return [row[0] for row in rows]

    def names(self, schema: str) -> set[str] | None:
        database = self.settings.database
        there = {row[1] for row in self.ask(f"SHOW SCHEMAS IN DATABASE {database}")}
        if schema not in there:
            return None
        rows = self.ask(
            f"SELECT TABLE_NAME FROM {database}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{schema}'"
        )
        return {row[0] for row in rows}


ALWAYS = frozenset(
    {
        "test_it_catches_up_once_before_anything_moves_and_no_load_commits_meanwhile",
        "test_a_load_that_was_on_its_way_commits_nothing_into_the_wrong_generation",
        "test_rollback_gives_back_exactly_what_was_live",
        "test_a_promotion_that_died_is_finished_by_the_next_one",
    }
)
"""The others take as long and say less: they are `long`."""


def _long(name: str) -> None:
    inherited = getattr(GenerationSuite, name)

    @functools.wraps(inherited)
    def test(self: TestGenerations) -> None:
        inherited(self)

    setattr(TestGenerations, name, pytest.mark.long(test))


for _each in dir(GenerationSuite):
    if _each.startswith("test_") and _each not in ALWAYS:
        _long(_each)


@pytest.mark.long
@pytest.mark.timeout(3600)
class TestDyingAllOver(TestGenerations):
    """A promotion that dies before any of its statements is finished, and is undone."""

    crash_points = tuple(range(1, 300, 4))


for _each in dir(GenerationSuite):
    if _each.startswith("test_") and "that_died" not in _each:
        setattr(TestDyingAllOver, _each, None)
