"""The Snowflake sink holds generations as every sink that can: it passes the suite that their authors inherit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.sinks.snowflake.session import Session
from eventreplay.testing import TickingClock
from eventreplay.testing.crash import SimulatedCrash
from eventreplay.testing.generation_suite import GenerationSuite
from eventreplay.testing.generation_world import GenerationSink
from tests.integration.snowflake.server import StandIn


class TestGenerations(GenerationSuite):
    @pytest.fixture(autouse=True)
    def _target(
        self, standin: StandIn, settings: SnowflakeSettings, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        self.standin, self.settings, self.patch = standin, settings, monkeypatch
        self.sinks: list[SnowflakeSink] = []
        yield
        for sink in self.sinks:
            sink.close()

    def open_sink(self) -> SnowflakeSink:
        sink = SnowflakeSink(self.settings, clock=TickingClock())
        self.sinks.append(sink)
        return sink

    def make_table(self, schema: str, name: str, numbers: Sequence[int]) -> None:
        values = ", ".join(f"({number})" for number in numbers)
        place = f"{self.settings.database}.{schema}"
        self.standin.run(
            f"CREATE SCHEMA IF NOT EXISTS {place}",
            f"CREATE TABLE {place}.{name} (N NUMBER)",
            f"INSERT INTO {place}.{name} VALUES {values}",
        )

    def make_view(self, schema: str, name: str, reads: tuple[str, str]) -> None:
        database = self.settings.database
        self.standin.run(
            f"CREATE SCHEMA IF NOT EXISTS {database}.{schema}",
            f"CREATE OR REPLACE VIEW {database}.{schema}.{name} AS (\n"
            f"  select {reads[1]}.N -- of {database}.{reads[0]}.{reads[1]}\n  from {database}.{reads[0]}.{reads[1]}\n)",
        )

    def values(self, schema: str, name: str, column: str) -> list[Any] | None:
        if name not in (self.names(schema) or ()):
            return None
        rows = self.standin.run(
            f'SELECT "{column}" FROM {self.settings.database}.{schema}.{name} ORDER BY 1'
        )
        return [row[0] for row in rows]

    def names(self, schema: str) -> set[str] | None:
        database = self.settings.database
        there = {row[1] for row in self.standin.run(f"SHOW SCHEMAS IN DATABASE {database}")}
        if schema not in there:
            return None
        rows = self.standin.run(
            f"SELECT TABLE_NAME FROM {database}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{schema}'"
        )
        return {row[0] for row in rows}
