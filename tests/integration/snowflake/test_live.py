"""The live service while Snowflake fails: capture goes on, and RAW equals the log afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eventreplay.codecs.json import JsonCodec
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import MemorySink, MemoryWarehouse, TickingClock
from tests.integration.snowflake.loading import comparable, held
from tests.integration.snowflake.server import StandIn
from tests.live_run import Running, World, events

WAIT_S_MAX = 120.0


def due(log: Log) -> list[dict[str, Any]]:
    """What one undisturbed replay makes."""
    warehouse = MemoryWarehouse()
    replay(log, MemorySink(warehouse), JsonCodec())
    return comparable(warehouse.events)


def test_capture_goes_on_while_the_warehouse_fails_and_loads_are_few(
    standin: StandIn, settings: SnowflakeSettings, tmp_path: Path
) -> None:
    log, world = Log.open(tmp_path / "log"), World()
    how: dict[str, Any] = {
        "sink": lambda: SnowflakeSink(settings, clock=TickingClock()),
        "wait_s": WAIT_S_MAX,
        "finish_s": WAIT_S_MAX,
        "every_s": 0.5,
        "rows_max": 20,
    }
    with Running(log, world, **how) as running:
        world.broker.publish(events(20))
        running.until(lambda: running.status and running.status.loaded.read == 20)
        for kind, match in (("cut_before", "^COPY INTO .*EVENTS"), ("cut", "^COMMIT"), ("status", "^BEGIN")):
            standin.control("POST", kind=kind, match=match, times=1, for_good=True)
        world.broker.publish(events(200, first=20))
        # Settled is what the log has, whether the warehouse answers or not.
        running.until(lambda: world.broker.unsettled == 0)
        running.until(lambda: running.part("load").failures >= 1)
        assert running.part("capture live-0").failures == 0
        standin.control("DELETE")
        running.until(lambda: running.status and running.status.lag.partitions == {"live-0": 0})
        receipt = running.stop()
    assert (receipt.behind_rows, receipt.captures[0].received) == (0, 220)
    assert receipt.captures[0].commits >= 9 > receipt.loaded.transactions
    found, quarantined = held(standin, settings.database)
    assert found == due(log)
    assert quarantined == []
