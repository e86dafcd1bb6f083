"""The generated history: the same for ever, readable from anywhere, with all the dirt that is promised."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from eventreplay.batch import EVENT_SCHEMA
from eventreplay.demo.generator import GeneratedSource
from eventreplay.demo.generator.history import BLOCK_ROWS, EVENTS_MAX
from eventreplay.errors import ConfigError, SourceError
from eventreplay.event import Position

SMALLEST_WITH_ALL_DIRT = 5_000


def whole(source: GeneratedSource) -> pa.Table:
    head = source.head()
    assert head is not None
    return pa.Table.from_batches([batch.events for batch in source.read(None, head)])


def fingerprint(table: pa.Table) -> str:
    state = hashlib.sha256()
    for row in table.to_pylist():
        state.update(repr(sorted(row.items(), key=lambda item: item[0])).encode())
    return state.hexdigest()


def test_a_history_never_changes() -> None:
    # Raise GENERATOR_VERSION with this figure: checkpoints of the old history must not fit the new one.
    events = whole(GeneratedSource(7, 3_000))
    state = hashlib.sha256()
    for column in ("event_id", "event_type", "stream_id", "payload"):
        for value in events[column].to_pylist():
            data = value.encode() if isinstance(value, str) else value
            state.update(b"-" if data is None else b"%d:" % len(data) + data)
    for column in ("source_position", "occurred_at", "recorded_at"):
        state.update(repr(events[column].cast(pa.int64()).to_pylist()).encode())
    assert state.hexdigest() == "66878e8d4b12ab8abffd3319aacfc816283a53f77d49ccfda6998286ec9cf25d"


def test_hash_seed_time_zone_and_locale_do_not_reach_it() -> None:
    code = (
        "import hashlib;from eventreplay.demo.generator import GeneratedSource as G;s=G(5,2500);"
        "rows=[batch.events.to_pydict() for batch in s.read(None,s.head())];"
        "print(hashlib.sha256(repr(rows).encode()).hexdigest())"
    )
    found = set()
    for seed, zone, locale in (
        ("0", "UTC", "C.UTF-8"),
        ("42", "Asia/Kathmandu", "C"),
        ("7", "America/St_Johns", "C"),
    ):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
        )
        found.add(run.stdout)
    assert len(found) == 1


def test_seed_and_size_make_other_histories_and_epochs() -> None:
    sources = [GeneratedSource(1, 900), GeneratedSource(2, 900), GeneratedSource(1, 901)]
    assert len({fingerprint(whole(source)) for source in sources}) == 3
    assert len({source.epoch() for source in sources}) == 3
    assert GeneratedSource(1, 900).epoch() == sources[0].epoch()


@pytest.mark.parametrize("events", [1, 2, 15, 16, 17, 1_023, 1_024, 1_025, 2_177])
def test_exactly_as_many_records_as_asked_for(events: int) -> None:
    table = whole(GeneratedSource(3, events))
    assert table.schema.equals(EVENT_SCHEMA)
    table.validate(full=True)
    assert table["source_position"].to_pylist() == list(range(events))


def test_an_empty_history_has_no_head() -> None:
    source = GeneratedSource(3, 0)
    assert source.head() is None
    assert source.epoch() != GeneratedSource(3, 1).epoch()


def test_read_starts_and_ends_anywhere_across_blocks() -> None:
    events = BLOCK_ROWS * 2 + 5_000
    source = GeneratedSource(9, events, batch_rows_max=10_000)
    everything = whole(source)
    for after, upto in (
        (None, 0),
        (0, 0),
        (3_000, 3_001),
        (BLOCK_ROWS - 700, BLOCK_ROWS + 9_000),
        (events - 2, events - 1),
    ):
        position = None if after is None else Position(after)
        batches = list(source.read(position, Position(upto)))
        first = 0 if after is None else after + 1
        assert all(batch.rows <= 10_000 and batch.rejected is None for batch in batches)
        found = pa.Table.from_batches([batch.events for batch in batches], schema=EVENT_SCHEMA)
        assert found.equals(everything.slice(first, upto - first + 1))


def test_reading_past_the_end_is_refused() -> None:
    with pytest.raises(SourceError, match="past the end"):
        list(GeneratedSource(1, 10).read(None, Position(10)))


@pytest.mark.parametrize(
    "arguments", [{"events": -1}, {"events": EVENTS_MAX + 1}, {"events": 5, "batch_rows_max": 0}]
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        GeneratedSource(1, **arguments)


def test_a_source_travels_to_another_process() -> None:
    source = GeneratedSource(4, 2_000, batch_rows_max=100)
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
    assert copy.epoch() == source.epoch()
    assert max(batch.rows for batch in copy.read(None, copy.head())) == 100
    assert whole(copy).equals(whole(source))


@pytest.mark.parametrize("seed", [0, 1, 2, 77, -5, 2**70])
def test_every_kind_of_dirt_is_there_from_5000_events_on(
    seed: int, history_reader: Callable[[GeneratedSource], tuple[Any, pa.Table]]
) -> None:
    found, table = history_reader(GeneratedSource(seed, SMALLEST_WITH_ALL_DIRT))
    assert found.duplicates > 0
    assert found.conflicting > 0
    assert found.late > 0
    assert found.out_of_order > 0
    assert found.with_unknown_fields > 0
    ids = table["event_id"]
    assert ids.null_count > 0
    assert pc.sum(pc.equal(ids, "")).as_py() > 0
    types = Counter(table["event_type"].to_pylist())
    assert types["sportscards.loyalty.v1.PointsGranted"] > 0
    assert types["sportscards.orders.v1.OrderPlaced"] > 0
    assert types["sportscards.orders.v2.OrderPlaced"] > 0
    assert types["sportscards.web.v1.PageViewed"] > 0
    assert found.not_decimals > 0
    assert found.decode > types["sportscards.loyalty.v1.PointsGranted"] + found.not_decimals
    insured = [order.placed.insured_value.value for order in found.orders.values() if order.second]
    assert any(len(value.replace(".", "")) == 38 for value in insured)
    names = {order.name for order in found.orders.values()}
    assert any('"' in name for name in names)
    assert any(not name.isascii() for name in names)
    assert len({order.placed.currency_code for order in found.orders.values()}) == 5


def test_copies_come_later_and_a_conflict_never_precedes_its_original() -> None:
    table = whole(GeneratedSource(6, 20_000))
    first: dict[str, dict[str, Any]] = {}
    copies = conflicts = 0
    for row in table.to_pylist():
        if not row["event_id"]:
            continue
        original = first.setdefault(row["event_id"], row)
        if original is not row:
            assert row["recorded_at"] > original["recorded_at"]
            assert row["occurred_at"] == original["occurred_at"]
            assert row["event_type"] == original["event_type"]
            copies += row["payload"] == original["payload"]
            conflicts += row["payload"] != original["payload"]
    assert copies > conflicts > 0


def test_demand_looks_like_a_companys(
    history_reader: Callable[[GeneratedSource], tuple[Any, pa.Table]],
) -> None:
    found, _ = history_reader(GeneratedSource(12, 30_000))
    days = Counter(order.at.date() for order in found.orders.values())
    month = Counter(order.at.month for order in found.orders.values() if order.at.year == 2026)
    assert max(days).isoformat() == "2026-06-30"
    assert month[6] > 1.5 * month[2]
    weekdays = Counter(order.at.weekday() for order in found.orders.values())
    assert weekdays[5] > weekdays[1]
    sold = Counter(line.sku for order in found.orders.values() for line in order.placed.lines)
    ranked = [count for _, count in sold.most_common()]
    assert sum(ranked[: len(ranked) // 10]) > 0.3 * sum(ranked)
    assert (
        0.02 < sum(order.cancelled is not None for order in found.orders.values()) / len(found.orders) < 0.1
    )
    assert {len(order.placed.lines) for order in found.orders.values()} == {1, 2, 3, 4}


def test_a_given_catalog_is_sold_and_not_released() -> None:
    players = pa.array([["Ann"], ["Bo", "Cy"], []], pa.list_(pa.string()))
    prices = pa.array([Decimal("1.25"), None, Decimal("-3.00")], pa.decimal128(10, 2))
    catalog = pa.table({"sku": ['a"b\\c', "ü\n2", "plain"], "players": players, "list_price": prices})
    source = GeneratedSource(1, 4_000, catalog=catalog)
    table = whole(source)
    types = set(table["event_type"].to_pylist())
    assert "sportscards.catalog.v1.CardReleased" not in types
    views = table.filter(pc.equal(table["event_type"], "sportscards.web.v1.PageViewed"))
    seen = {json.loads(payload)["sku"] for payload in views["payload"].to_pylist()}
    assert seen == {'a"b\\c', "ü\n2", "plain"}
    other = GeneratedSource(1, 4_000, catalog=catalog.slice(0, 2))
    assert len({source.epoch(), other.epoch(), GeneratedSource(1, 4_000).epoch()}) == 3


@pytest.mark.parametrize(
    "catalog",
    [
        pa.table({"name": ["x"]}),
        pa.table({"sku": pa.array([], pa.string())}),
        pa.table({"sku": ["x", "x"]}),
        pa.table({"sku": ["x", None]}),
    ],
)
def test_a_catalog_that_cannot_be_sold_is_refused(catalog: pa.Table) -> None:
    with pytest.raises(ConfigError):
        GeneratedSource(1, 100, catalog=catalog)
