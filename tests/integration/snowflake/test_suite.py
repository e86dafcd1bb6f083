"""The Snowflake sink passes the suite that every sink author inherits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import SinkSuite, TickingClock
from tests.integration.snowflake.server import StandIn, table


class TestSnowflakeSink(SinkSuite):
    @pytest.fixture(autouse=True)
    def _target(self, standin: StandIn, settings: SnowflakeSettings) -> Iterator[None]:
        self.standin, self.settings = standin, settings
        self.sinks: list[SnowflakeSink] = []
        yield
        for sink in self.sinks:
            sink.close()

    @pytest.mark.long
    def test_crash_before_every_step_loses_nothing_and_doubles_nothing(self) -> None:
        super().test_crash_before_every_step_loses_nothing_and_doubles_nothing()

    @pytest.mark.long  # by default a loader is killed around its COMMIT, and every answer is lost once
    def test_crash_after_every_step_loses_nothing_and_doubles_nothing(self) -> None:
        super().test_crash_after_every_step_loses_nothing_and_doubles_nothing()

    @pytest.mark.long  # by default what moves is compared, and the command line shows what is quarantined
    def test_the_quarantine_is_shown_as_the_model_shows_it(self) -> None:
        super().test_the_quarantine_is_shown_as_the_model_shows_it()

    @pytest.mark.long
    def test_marks_are_made_once_with_their_reason_and_taken_back(self) -> None:
        super().test_marks_are_made_once_with_their_reason_and_taken_back()

    @pytest.mark.long
    def test_a_checkpoint_that_is_another_keeps_everything_as_it_is(self) -> None:
        super().test_a_checkpoint_that_is_another_keeps_everything_as_it_is()

    def open_sink(self) -> SnowflakeSink:
        sink = SnowflakeSink(self.settings, clock=TickingClock())
        self.sinks.append(sink)
        return sink

    def read_events(self) -> Sequence[dict[str, Any]]:
        return table(self.standin, self.settings.database, "EVENTS", RAW_SCHEMA.names)

    def read_quarantine(self) -> Sequence[dict[str, Any]]:
        return table(self.standin, self.settings.database, "QUARANTINE", QUARANTINE_SCHEMA.names)
