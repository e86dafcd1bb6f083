"""The Snowflake sink passes the suite that every sink author inherits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import SinkSuite, TickingClock
from eventreplay.testing.examples import example_rows
from eventreplay.testing.sink_suite import checkpoint_at
from tests.integration.snowflake.loading import comparable
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

    def test_extremes_are_stored_exactly(self) -> None:
        """As in the suite, but for the years.

        The stand-in takes TO_TIMESTAMP_NTZ(n, 6) through a double, which is exact to the microsecond for two
        centuries only. In Snowflake it is integer arithmetic.
        """
        extremes: list[dict[str, Any]] = [
            {"event_hash": -(2**63), "source_position": 2**63 - 1},
            {"event_hash": 2**63 - 1, "source_position": 0, "stream_id": "", "source": ""},
            {
                "occurred_at": datetime(1900, 1, 1, tzinfo=UTC),
                "recorded_at": datetime(1969, 12, 31, tzinfo=UTC),
            },
            {"occurred_at": datetime(2100, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "stream_id": None},
            {"source": None, "source_position": None, "content_type": None, "headers": "{}"},
            {"payload_sha256": bytes(32)},
        ]
        sink = self.open_sink()
        sink.begin("suite")
        due: list[dict[str, Any]] = []
        for at, changes in enumerate(extremes):
            rows = example_rows(range(at, at + 1), **changes)
            sink.write(rows)
            due += rows.to_pylist()
        sink.commit(checkpoint_at(0), expected=None)
        assert comparable(self.read_events()) == comparable(due)

    def open_sink(self) -> SnowflakeSink:
        sink = SnowflakeSink(self.settings, clock=TickingClock())
        self.sinks.append(sink)
        return sink

    def read_events(self) -> Sequence[dict[str, Any]]:
        return table(self.standin, self.settings.database, "EVENTS", RAW_SCHEMA.names)

    def read_quarantine(self) -> Sequence[dict[str, Any]]:
        return table(self.standin, self.settings.database, "QUARANTINE", QUARANTINE_SCHEMA.names)
