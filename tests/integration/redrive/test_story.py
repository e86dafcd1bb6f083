"""A decoder bug put 10,000 events aside; it is mended: they come in once, and the marts never knew of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import Router, codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.event import Position
from eventreplay.log import Log
from eventreplay.redrive import explain, redrive
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.verify import verify
from tests.integration.dbt.warehouse import Warehouse
from tests.integration.redrive.material import BuggyCodec, now

EVENTS, MORE = 40_000, 1_000
REFUSED = 10_000
TYPES = ("sportscards.orders.v1.OrderPlaced", "sportscards.orders.v2.OrderPlaced")
MARTS_MIN = 8


class Until(GeneratedSource):
    """The history as far as it has come."""

    def __init__(self, events: int) -> None:
        super().__init__(7, EVENTS + MORE)
        self._until = Position(events - 1)

    def head(self) -> Position:
        return self._until


def grown(log: Log, events: int) -> Log:
    capture(Until(events), log, "journal", options=CaptureOptions(segment_positions=8_192))
    return log


def buggy(mended: Router) -> BuggyCodec:
    """It refuses exactly so many orders that can be decoded."""
    hit: list[int] = []
    for batch in Until(EVENTS).read(None, Position(EVENTS - 1)):
        rows = batch.events.take(mended.decode(batch.events).rows)
        orders = rows.filter(pc.is_in(rows.column("event_type"), value_set=pa.array(TYPES)))
        hit += orders.column("source_position").to_pylist()
    return BuggyCodec(mended, TYPES, hit[REFUSED - 1])


def load(warehouse: Warehouse, log: Log, codec: Any) -> None:
    with DuckDBSink(warehouse.path, clock=now) as sink:
        replay(log, sink, codec)


def events(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """All rows of RAW.EVENTS but for when they came in."""
    return warehouse.rows("SELECT * EXCLUDE (inserted_at) FROM RAW.EVENTS ORDER BY log_partition, log_offset")


@pytest.fixture(scope="module")
def mended() -> Router:
    return codec_for(schemas.load())


@pytest.fixture(scope="module")
def bug(mended: Router) -> BuggyCodec:
    return buggy(mended)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return grown(Log.open(tmp_path / "log"), EVENTS)


def brought_in(warehouse: Warehouse, log: Log, mended: Router) -> None:
    """What `explain` says is what `redrive` does, once; then loads go on by the mended codec."""
    with DuckDBSink(warehouse.path, clock=now) as sink:
        told = explain(log, sink, mended)
        assert (told.count("passes"), told.count("fails_otherwise")) == (REFUSED, 0)
        receipt = redrive(log, sink, mended, adopt=True)
        assert (receipt.moved, receipt.codes["quantity_unknown"]) == (REFUSED, REFUSED)
        assert receipt.adopted == ["journal"]
        again = redrive(log, sink, mended)
        assert (again.moved, again.transactions, explain(log, sink, mended).count("passes")) == (0, 0, 0)
        assert verify(log, sink, codec=mended).ok
        grown(log, EVENTS + MORE)
        assert replay(log, sink, mended).read == MORE


def test_10_000_events_come_in_once_and_raw_is_that_of_a_load_that_never_had_the_bug(
    tmp_path: Path, log: Log, mended: Router, bug: BuggyCodec
) -> None:
    warehouse, clean = Warehouse.create(tmp_path / "one"), Warehouse.create(tmp_path / "two")
    load(warehouse, log, bug)
    brought_in(warehouse, log, mended)
    load(clean, log, mended)
    assert events(warehouse) == events(clean)


@pytest.mark.long
@pytest.mark.timeout(900)  # three runs of dbt
def test_marts_after_a_redrive_are_those_of_a_build_that_never_had_the_bug(
    tmp_path: Path, log: Log, mended: Router, bug: BuggyCodec
) -> None:
    # One place for both warehouses, one after the other: dbt parses the project once.
    warehouse = Warehouse.create(tmp_path / "place")
    load(warehouse, log, bug)
    warehouse.succeed("run")
    wrong = warehouse.marts()
    brought_in(warehouse, log, mended)
    warehouse.succeed("run")
    found = warehouse.put_aside(tmp_path)
    clean = Warehouse.create(tmp_path / "place")
    load(clean, log, mended)
    clean.succeed("run")
    due = clean.marts()
    marts = found.marts()
    assert len(marts) == len(due) >= MARTS_MIN
    for name, rows in due.items():
        assert marts[name] == rows, name
    assert wrong["fct_orders"] != due["fct_orders"]
    assert staging(found) == staging(clean)


def staging(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Which delivery counts; the loads by which it came do not count."""
    return warehouse.rows(
        "SELECT * EXCLUDE (inserted_at, load_id) FROM STAGING.stg_events__deliveries ORDER BY ALL"
    )
