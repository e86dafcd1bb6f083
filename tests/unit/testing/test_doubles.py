"""Crash points, markers, clocks and the strict sink do what tests lean on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.batch import EVENT_SCHEMA, RAW_SCHEMA, Batch
from eventreplay.errors import EventReplayError, InvalidEventError, SinkError
from eventreplay.event import Position
from eventreplay.log.storage import Storage
from eventreplay.testing import (
    CRASH,
    END,
    CrashingQueue,
    CrashingSink,
    CrashingSource,
    CrashingStorage,
    ManualSeconds,
    MemoryBroker,
    MemoryQueue,
    MemorySink,
    MemorySource,
    SimulatedCrash,
    TickingClock,
    crash_at,
)
from eventreplay.testing.examples import example_events, example_quarantine, example_rows
from eventreplay.testing.mutations import mutated
from eventreplay.testing.sink_suite import checkpoint_at
from eventreplay.testing.strategies import batches, decimal_texts, events, hostile_texts, mutated_payloads
from tests.unit.testing.test_storage_suite_bites import Objects, SoundStorage


def ids(batches_read: Any) -> list[str]:
    return [event.event_id for batch in batches_read for event in batch.to_events()]


def test_a_crash_marker_kills_the_first_read_only() -> None:
    first, second = example_events(4)[:2], example_events(4)[2:]
    source = MemorySource([*first, CRASH, *second], batch_rows_max=1)
    head = source.head()
    assert head == 3
    seen: list[str] = []
    reading = source.read(None, head)
    with pytest.raises(SimulatedCrash):
        seen.extend(name for batch in reading for name in ids([batch]))
    assert seen == [event.event_id for event in first]
    assert ids(source.read(Position(1), head)) == [event.event_id for event in second]


def test_an_end_marker_holds_the_head_once() -> None:
    source = MemorySource([*example_events(2), END, *example_events(2, first=2), END])
    assert [source.head() for _ in range(3)] == [1, 3, 3]
    assert MemorySource([END, *example_events(1)]).head() is None


def sink_calls(sink: CrashingSink) -> None:
    sink.begin("r")
    sink.write(example_rows(range(1)))
    sink.quarantine(example_quarantine(range(1, 2)))
    sink.commit(checkpoint_at(0), expected=None)


@pytest.mark.parametrize(
    ("k", "when", "stored"), [(4, "before", 0), (4, "after", 1), (3, "after", 0), (5, "before", 1)]
)
def test_a_sink_dies_at_the_call_asked_for_and_stays_dead(k: int, when: Any, stored: int) -> None:
    inner, crash = MemorySink(), crash_at(k, when)
    sink = CrashingSink(inner, crash)
    if k == 5:
        sink_calls(sink)
        assert not crash.fired
        assert crash.calls == ["begin", "write", "quarantine", "commit"]
    else:
        with pytest.raises(SimulatedCrash):
            sink_calls(sink)
        assert crash.fired
        with pytest.raises(SimulatedCrash):
            sink.commit(checkpoint_at(1), expected=None)
        sink.close()
        inner.begin("r")  # the dead process closed nothing
    assert len(inner.warehouse.events) == stored


def test_one_crash_point_counts_over_all_doubles() -> None:
    crash = crash_at(4, "before")
    source = CrashingSource(MemorySource(example_events(2), batch_rows_max=1), crash)
    queue = CrashingQueue(MemoryQueue(), crash)
    assert source.head() == 1
    assert source.epoch() == "1"
    reading = source.read(None, Position(1))
    next(reading)
    with pytest.raises(SimulatedCrash):
        queue.receive(0.0)
    assert crash.calls == ["head", "epoch", "read", "receive"]
    with pytest.raises(SimulatedCrash):
        next(reading)


def test_a_storage_dies_after_its_effect() -> None:
    objects = Objects()
    storage: Storage = CrashingStorage(SoundStorage(objects), crash_at(1, "after"))
    with pytest.raises(SimulatedCrash):
        storage.put_new("key", b"x")
    assert objects.held == {"key": b"x"}
    with pytest.raises(SimulatedCrash):
        storage.get("key")


@pytest.mark.parametrize("make", [lambda: crash_at(0), lambda: crash_at(1, "during")])  # type: ignore[arg-type]
def test_a_crash_that_can_never_happen_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"\."):
        make()


def test_no_handler_of_errors_survives_a_crash() -> None:
    assert not issubclass(SimulatedCrash, Exception)


def test_a_queue_redelivers_repeats_and_reorders_by_its_seed() -> None:
    orders = set()
    for seed in (1, 1, 2, 3):
        queue = MemoryQueue(MemoryBroker(seed=seed, repeats_max=3), delivery_rows_max=100)
        queue.broker.publish(example_events(8))
        first = queue.receive(0.0)
        assert first is not None
        queue.reconnect()
        again = queue.receive(0.0)
        assert again is not None
        assert set(ids([again.batch])) == set(ids([first.batch]))
        assert again.batch.rows >= first.batch.rows
        queue.settle(first)
        assert queue.broker.unsettled == 8
        queue.settle(again)
        assert queue.broker.unsettled == 0
        orders.add(tuple(ids([again.batch])))
    assert len(orders) == 3


def test_an_empty_queue_lets_the_clock_run_instead_of_waiting() -> None:
    clock = ManualSeconds(5.0)
    queue = MemoryQueue(advance=clock.advance)
    assert queue.receive(0.25) is None
    assert clock() == 5.25
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1.0)


def test_a_ticking_clock_may_step_back() -> None:
    clock = TickingClock(datetime(2026, 1, 1, tzinfo=UTC), step_s=-1)
    assert clock() > clock()
    assert clock.calls == 2


def test_the_strict_sink_refuses_what_a_verb_must_not_do() -> None:
    cases: list[Callable[[MemorySink], None]] = [
        lambda sink: sink.write(example_rows(range(1), payload="{")),
        lambda sink: sink.write(example_rows(range(1), payload='{"a":NaN}')),
        lambda sink: sink.write(example_rows(range(1), headers="")),
        lambda sink: sink.write(example_rows(range(1), event_id=None)),
        lambda sink: sink.write(example_rows(range(1)).drop_columns(["source"])),
        lambda sink: sink.write(example_rows(range(2)).take(pa.array([1, 0]))),
        lambda sink: sink.quarantine(example_quarantine(range(1), stage="later")),
    ]
    for case in cases:
        sink = MemorySink()
        sink.begin("r")
        with pytest.raises(InvalidEventError):
            case(sink)
    sink = MemorySink()
    sink.begin("r")
    sink.write(example_rows(range(2)))
    sink.commit(checkpoint_at(1), expected=None)
    with pytest.raises(SinkError, match="back"):
        sink.commit(checkpoint_at(0), expected=checkpoint_at(1))
    sink.begin("r")
    sink.quarantine(example_quarantine(range(1, 2)))
    with pytest.raises(InvalidEventError, match="twice"):
        sink.commit(checkpoint_at(2), expected=checkpoint_at(1))
    assert len(sink.warehouse.events) == 2
    assert sink.warehouse.quarantine == []


def test_importing_suites_and_strategies_does_not_need_pytest() -> None:
    script = (
        "import sys, eventreplay.testing.strategies\n"
        "sys.exit('pytest' in sys.modules or 'duckdb' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_strategies_without_hypothesis_say_what_to_install() -> None:
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from eventreplay.errors import ConfigError\n"
        "try:\n    import eventreplay.testing.strategies\n"
        "except ConfigError as error:\n    sys.exit(0 if 'pip install hypothesis' in error.hint else 1)\n"
        "sys.exit(2)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


@settings(max_examples=30, deadline=None)
@given(batches(), events(), st.data())
def test_strategies_make_what_they_say(batch: Batch, event: Any, data: st.DataObject) -> None:
    assert batch.events.schema.equals(EVENT_SCHEMA)
    batch.events.validate(full=True)
    positions = batch.events.column("source_position").to_pylist()
    assert positions == sorted(set(positions))
    assert Batch.from_events([event]).to_events()[0].event_id == event.event_id
    text = data.draw(decimal_texts(precision=20, scale=4))
    assert Decimal(text).as_tuple().exponent == -4
    assert len(text.replace("-", "").replace(".", "").lstrip("0")) <= 20
    assert "\x00" not in data.draw(hostile_texts(nul=False))
    assert isinstance(data.draw(mutated_payloads(st.binary(max_size=9))), bytes)


def test_mutations_follow_their_seed_and_do_change() -> None:
    payload = bytes(range(64))
    made = [mutated(payload, Random(seed)) for seed in range(50)]  # noqa: S311 - reproducible, not secret
    assert made == [mutated(payload, Random(seed)) for seed in range(50)]  # noqa: S311 - reproducible, not secret
    assert sum(value != payload for value in made) > 45


def test_a_suite_is_not_lost_to_an_optimised_interpreter() -> None:
    script = (
        "from eventreplay.testing.checks import check, check_equal, expect_error\n"
        "import sys\n"
        "for broken in (lambda: check(False, 'x'), lambda: check_equal([1], [2], 'x'),"
        " lambda: check_equal(1, 2, 'x')):\n"
        "    try:\n        broken()\n"
        "    except AssertionError:\n        continue\n"
        "    sys.exit(1)\n"
        "try:\n    with expect_error(ValueError, 'x'):\n        1\n"
        "except AssertionError:\n    sys.exit(0)\n"
        "sys.exit(2)"
    )
    assert subprocess.run([sys.executable, "-O", "-c", script], check=False, timeout=60).returncode == 0


def test_a_closed_memory_queue_says_so() -> None:
    queue = MemoryQueue()
    queue.close()
    with pytest.raises(EventReplayError, match="closed"):
        queue.receive(0.0)


def test_examples_have_the_schema_of_what_they_stand_for() -> None:
    assert example_rows(range(3)).schema.equals(RAW_SCHEMA)
    assert pa.types.is_map(Batch.from_events(example_events(3)).events.column("headers").type)
