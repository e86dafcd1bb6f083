"""verify on Snowflake: what was done to RAW by hand is what is named, by the real connector."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.verify import Verification, verify
from tests.hex_codec import HexCodec
from tests.integration.snowflake.loading import load, small_log, staged
from tests.integration.snowflake.server import StandIn


@pytest.fixture
def log(tmp_path: Path, settings: SnowflakeSettings) -> Log:
    made = small_log(tmp_path / "log", records=64, segment_positions=32)
    load(made, settings)
    return made


def compared(log: Log, settings: SnowflakeSettings, *, deep: bool) -> Verification:
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        return verify(log, sink, codec=HexCodec() if deep else None)


def test_three_deleted_two_doubled_and_one_altered_byte_are_exactly_those(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    assert compared(log, settings, deep=True).ok
    events = f'"{settings.database}"."RAW"."EVENTS"'
    offsets = [int(row[0]) for row in standin.run(f'SELECT "LOG_OFFSET" FROM {events} ORDER BY 1')]
    gone, twice, changed = offsets[3:6], offsets[20:22], offsets[25]
    standin.run(
        f'DELETE FROM {events} WHERE "LOG_OFFSET" IN ({", ".join(map(str, gone))})',
        f'INSERT INTO {events} SELECT * FROM {events} WHERE "LOG_OFFSET" IN ({", ".join(map(str, twice))})',
        f'UPDATE {events} SET "PAYLOAD" = PARSE_JSON(\'{{"hex":"00"}}\') WHERE "LOG_OFFSET" = {changed}',
    )
    shallow = compared(log, settings, deep=False)
    assert [one.offset for one in shallow.missing] == gone
    assert [(one.offset, one.copies) for one in shallow.doubled] == [(offset, 2) for offset in twice]
    assert (shallow.altered_count, shallow.unknown_count) == (0, 0)
    deep = compared(log, settings, deep=True)
    assert (deep.missing, deep.doubled, deep.unknown) == (shallow.missing, shallow.doubled, ())
    assert [(one.offset, one.detail) for one in deep.altered] == [(changed, "payload")]
    assert staged(standin, settings.database) == []


def test_the_raw_of_a_generation_beside_the_live_one(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        sink.begin_generation("g1", schemas=("RAW",), plan="0" * 64, facts={})
        shadow = sink.shadow("g1")
        replay(log, shadow, HexCodec())
        assert verify(log, shadow).ok
        standin.run(f'DELETE FROM "{settings.database}"."RAW_G1"."EVENTS" WHERE "LOG_OFFSET" = 3')
        assert [one.offset for one in verify(log, shadow, codec=HexCodec()).missing] == [3]
        shadow.close()
        assert verify(log, sink).ok


def test_what_the_hashes_cover_is_seen_by_the_sums(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    events, refused = (f'"{settings.database}"."RAW"."{name}"' for name in ("EVENTS", "QUARANTINE"))
    offsets = [int(row[0]) for row in standin.run(f'SELECT "LOG_OFFSET" FROM {events} ORDER BY 1')]
    decoded = f"FROM {refused} WHERE \"STAGE\" = 'decode'"
    decode = f'"STAGE" = \'decode\' AND "LOG_OFFSET" = (SELECT MAX("LOG_OFFSET") {decoded})'
    ((last_refused,),) = standin.run(f'SELECT "LOG_OFFSET" FROM {refused} WHERE {decode}')
    standin.run(
        f'UPDATE {events} SET "EVENT_HASH" = "EVENT_HASH" + 1 WHERE "LOG_OFFSET" = {offsets[0]}',
        f'UPDATE {events} SET "EVENT_ID" = \'other\' WHERE "LOG_OFFSET" = {offsets[9]}',
        f"UPDATE {refused} SET \"PAYLOAD\" = TO_BINARY('00', 'HEX') WHERE {decode}",
        f'INSERT INTO {events} SELECT * FROM {events} WHERE "LOG_OFFSET" = {offsets[5]}',
        f'UPDATE {events} SET "LOG_PARTITION" = \'stray\' WHERE "LOG_OFFSET" = {offsets[12]}',
    )
    found = compared(log, settings, deep=False)
    assert [one.offset for one in found.altered] == sorted([offsets[0], offsets[9], int(last_refused)])
    assert [one.offset for one in found.doubled] == [offsets[5]]
    assert [one.offset for one in found.missing] == [offsets[12]]
    assert [(one.partition, one.offset) for one in found.unknown] == [("stray", offsets[12])]
