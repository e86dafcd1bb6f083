"""RAW <-> models and two ways on Snowflake: the same queries, in Snowflake's words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventreplay.capabilities.holding import holds_of
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.verify.marts import MartsVerification, verify_marts
from tests.integration.snowflake.loading import load, small_log
from tests.integration.snowflake.server import StandIn


def node(name: str, **holds: object) -> Mapping[str, Any]:
    meta = {"eventreplay": {"holds": holds}}
    return {"resource_type": "model", "name": name, "schema": "STAGING", "config": {"meta": meta}}


def compared(settings: SnowflakeSettings, kinds: list[str]) -> MartsVerification:
    nodes = [
        node("deliveries", each="delivery"),
        node("typed", each="event", types=kinds),
        node("things", each="thing", types=kinds, key={"hex": "payload.hex"}),
    ]
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        return verify_marts(sink, holds_of({"nodes": {one["name"]: one for one in nodes}}))


def named(found: MartsVerification) -> dict[str, list[tuple[str, tuple[str | None, ...]]]]:
    return {
        model.holds.model: [
            (kind, one.key)
            for kind in ("missing", "doubled", "altered", "unknown")
            for one in getattr(model.held, kind)
        ]
        for model in found.models
    }


def test_models_and_ways_are_compared_in_the_warehouse(
    standin: StandIn, settings: SnowflakeSettings, tmp_path: Path
) -> None:
    log = small_log(tmp_path / "log", records=48, segment_positions=32)
    load(log, settings)
    staging, events = f'"{settings.database}"."STAGING"', f'"{settings.database}"."RAW"."EVENTS"'
    (kind,) = {str(row[0]) for row in standin.run(f'SELECT DISTINCT "PAYLOAD_TYPE" FROM {events}')}
    counted = (
        f'SELECT *, ROW_NUMBER() OVER (PARTITION BY "EVENT_ID" ORDER BY "LOG_PARTITION", "LOG_OFFSET")'
        f' AS "DELIVERY" FROM {events}'
    )
    standin.run(
        f"CREATE SCHEMA {staging}",
        f'CREATE TABLE {staging}."DELIVERIES" AS'
        f' SELECT "LOG_PARTITION", "LOG_OFFSET", "INSERTED_AT" FROM {events}',
        f'CREATE TABLE {staging}."TYPED" AS'
        f' SELECT "EVENT_ID", "OCCURRED_AT" FROM ({counted}) WHERE "DELIVERY" = 1',
        f'CREATE TABLE {staging}."THINGS" AS SELECT DISTINCT "PAYLOAD":hex::VARCHAR AS "HEX" FROM ({counted})'
        ' WHERE "DELIVERY" = 1',
    )
    right = compared(settings, [kind])
    assert (right.ok, right.seen and right.seen.behind) == (True, 0), named(right)
    assert [sum(day.rows for day in model.held.days) > 0 for model in right.models] == [True] * 3
    ids = [str(row[0]) for row in standin.run(f'SELECT "EVENT_ID" FROM {staging}."TYPED" ORDER BY 1')]
    (hexes,) = zip(*standin.run(f'SELECT "HEX" FROM {staging}."THINGS" ORDER BY 1'), strict=True)
    standin.run(
        f'DELETE FROM {staging}."TYPED" WHERE "EVENT_ID" = \'{ids[0]}\'',
        f'UPDATE {staging}."TYPED" SET "EVENT_ID" = \'evil\' WHERE "EVENT_ID" = \'{ids[1]}\'',
        f'INSERT INTO {staging}."THINGS" SELECT * FROM {staging}."THINGS" WHERE "HEX" = \'{hexes[0]}\'',
    )
    wrong = named(compared(settings, [kind]))
    assert wrong["deliveries"] == []
    assert wrong["typed"] == [("missing", (ids[0],)), ("missing", (ids[1],)), ("unknown", ("evil",))]
    assert wrong["things"] == [("doubled", (str(hexes[0]),))]
    columns = [str(row[0]) for row in standin.run(f"DESCRIBE TABLE {events}")]
    values = ["'live-0'" if name == "LOG_PARTITION" else f'"{name}"' for name in columns]
    standin.run(
        f"INSERT INTO {events} SELECT {', '.join(values)} FROM {events} WHERE \"EVENT_ID\" <> '{ids[2]}'"
    )
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        ways = sink.ways("journal", "live", samples_max=5)
    assert sum(day.only_first for day in ways.days) == 1
    assert sum(day.first for day in ways.days) == sum(day.second for day in ways.days) + 1 == len(ids)
    assert sum(day.only_second + day.other_payload for day in ways.days) == 0
