"""repair on Snowflake: the six are put right in one transaction, under the lock of loads, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import CheckpointConflictError, SinkUnavailableError
from eventreplay.log import Log
from eventreplay.raw_rows import no_rows
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink, checkpoints
from eventreplay.testing import TickingClock
from eventreplay.verify import verify
from eventreplay.verify.repair import repair
from tests.hex_codec import HexCodec
from tests.integration.snowflake.loading import load, small_log, staged
from tests.integration.snowflake.server import StandIn

CODEC = HexCodec()


@pytest.fixture
def log(tmp_path: Path, settings: SnowflakeSettings) -> Log:
    made = small_log(tmp_path / "log", records=64, segment_positions=32)
    load(made, settings)
    return made


def events_of(standin: StandIn, settings: SnowflakeSettings) -> list[tuple[object, ...]]:
    columns = ", ".join(f'"{name.upper()}"' for name in RAW_SCHEMA.names)
    table = f'"{settings.database}"."RAW"."EVENTS"'
    return [tuple(row) for row in standin.run(f'SELECT {columns} FROM {table} ORDER BY "LOG_OFFSET"')]


def spoil(standin: StandIn, settings: SnowflakeSettings) -> list[int]:
    events = f'"{settings.database}"."RAW"."EVENTS"'
    offsets = [int(row[0]) for row in standin.run(f'SELECT "LOG_OFFSET" FROM {events} ORDER BY 1')]
    gone, twice, changed = offsets[3:6], offsets[20:22], offsets[25]
    standin.run(
        f'DELETE FROM {events} WHERE "LOG_OFFSET" IN ({", ".join(map(str, gone))})',
        f'INSERT INTO {events} SELECT * FROM {events} WHERE "LOG_OFFSET" IN ({", ".join(map(str, twice))})',
        f'UPDATE {events} SET "PAYLOAD" = PARSE_JSON(\'{{"hex":"00"}}\') WHERE "LOG_OFFSET" = {changed}',
    )
    return sorted([*gone, *twice, changed])


def test_exactly_the_six_are_replaced_and_the_end_is_clean(
    standin: StandIn, settings: SnowflakeSettings, log: Log
) -> None:
    due = events_of(standin, settings)
    six = spoil(standin, settings)
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        found = repair(log, sink, CODEC, deep=True)
        assert verify(log, sink, codec=CODEC).ok
    before = found.before
    assert sorted(one.offset for one in (*before.missing, *before.doubled, *before.altered)) == six
    assert [(one.places, one.removed, one.written, one.transactions) for one in found.replaced] == [
        (6, 5, 6, 1)
    ]
    assert events_of(standin, settings) == due
    assert staged(standin, settings.database) == []


@pytest.mark.usefixtures("log")
def test_under_a_checkpoint_that_moved_nothing_is_changed(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    due = events_of(standin, settings)
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        known = sink.begin("live/journal")
        assert known is not None
        with pytest.raises(CheckpointConflictError):
            sink.replace(
                "live/journal", "journal", {"log": [0, 1, 2]}, no_rows(RAW_SCHEMA),
                no_rows(QUARANTINE_SCHEMA), expected=evolve(known, position=known.position + 1),
            )  # fmt: skip
        assert sink.begin("live/journal") == known
    assert events_of(standin, settings) == due


@pytest.mark.usefixtures("log")
def test_while_a_load_holds_the_lock_nothing_is_changed(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    due = events_of(standin, settings)
    impatient = standin.settings(settings.database, lock_timeout_s=1)
    with SnowflakeSink(settings, clock=TickingClock()) as holder:
        session = holder._connected()
        session.begin()
        checkpoints.lock(session, holder._raw, "a load", 0)
        with SnowflakeSink(impatient, clock=TickingClock()) as sink:
            known = sink.begin("live/journal")
            with pytest.raises(SinkUnavailableError, match="another transaction holds the table"):
                sink.replace(
                    "live/journal", "journal", {"log": [0, 1, 2]}, no_rows(RAW_SCHEMA),
                    no_rows(QUARANTINE_SCHEMA), expected=known,
                )  # fmt: skip
        session.rollback()
    assert events_of(standin, settings) == due
