"""Any range of a history equals that part of the whole, whatever the batches; simple models for the parts."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.demo.cardlists.reading import read_rows
from eventreplay.demo.generator import GeneratedSource
from eventreplay.demo.generator.columns import decimal_text, numbered, unscaled_bytes
from eventreplay.demo.generator.dice import Dice
from eventreplay.demo.ledger.sums import Sums, decimals, quotient9
from eventreplay.event import Position

EVENTS = 3_000
INT64 = st.integers(0, 2**62)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, EVENTS - 1), st.integers(0, EVENTS - 1), st.integers(1, EVENTS), st.integers(0, 3))
def test_a_range_is_a_part_of_the_whole(low: int, high: int, batch_rows_max: int, seed: int) -> None:
    low, high = min(low, high), max(low, high)
    whole = next(
        GeneratedSource(seed, EVENTS, batch_rows_max=EVENTS).read(Position(200), Position(EVENTS - 1))
    )
    after = None if low == 0 else Position(low - 1)
    batches = list(GeneratedSource(seed, EVENTS, batch_rows_max=batch_rows_max).read(after, Position(high)))
    assert all(batch.rows <= batch_rows_max for batch in batches)
    found = pa.Table.from_batches([batch.events for batch in batches])
    assert found["source_position"].to_pylist() == list(range(low, high + 1))
    if low > 200:
        assert found.equals(pa.Table.from_batches([whole.events.slice(low - 201, high - low + 1)]))


@settings(deadline=None)
@given(st.integers(), st.text(), st.lists(st.integers(0, 2**40), min_size=1, max_size=40, unique=True))
def test_draws_depend_on_nothing_but_their_index(seed: int, name: str, index: list[int]) -> None:
    dice, column = Dice(seed), np.array(index, dtype=np.int64)
    together = dice.words(name, column).tolist()
    assert together == [
        Dice(seed).words(name, np.array([each], dtype=np.int64)).tolist()[0] for each in index
    ]
    assert len(set(together)) == len(index)
    for bound in (1, 7, 2**31):
        assert all(0 <= each < bound for each in dice.below(name, column, bound).tolist())


@settings(deadline=None)
@given(st.lists(INT64, min_size=1, max_size=30))
def test_columns_of_text_and_bytes_hold_the_numbers(values: list[int]) -> None:
    column = np.array(values, dtype=np.int64)
    assert numbered("O-", column, 9).to_pylist() == [f"O-{value:09d}" for value in values]
    assert [int.from_bytes(each, "big", signed=True) for each in unscaled_bytes(column).to_pylist()] == values
    shortest = [max((value.bit_length() + 8) // 8, 1) for value in values]
    assert [len(each) for each in unscaled_bytes(column).to_pylist()] == shortest
    exact = [Decimal(value).scaleb(-4, context=Context(prec=40)) for value in values]
    assert [Decimal(each) for each in decimal_text(column, 4).to_pylist()] == exact
    assert decimals(-column, 4).to_pylist() == [each.copy_negate() if each else each for each in exact]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_quotients_are_rounded_half_away_from_zero(pairs: list[tuple[int, int]]) -> None:
    dividend, divisor = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    wide = Context(prec=60, rounding=ROUND_HALF_UP)
    scaled = [
        int(wide.divide(Decimal(above * 10**9), Decimal(below)).to_integral_value(ROUND_HALF_UP))
        if below
        else 0
        for above, below in pairs
    ]
    fits = [value < 2**63 for value in scaled]
    found = quotient9(dividend, divisor).tolist()
    assert [value for value, ok in zip(found, fits, strict=True) if ok] == [
        value for value, ok in zip(scaled, fits, strict=True) if ok
    ]


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(-(2**40), 2**40)), max_size=9), max_size=9))
def test_sums_are_those_of_a_dictionary(parts: list[list[tuple[int, int]]]) -> None:
    model: dict[int, int] = defaultdict(int)
    sums = Sums(1)
    for part in parts:
        keys = np.array([key for key, _ in part], dtype=np.int64)
        sums.add(keys, np.array([value for _, value in part], dtype=np.int64))
        for key, value in part:
            model[key] += value
    keys, (values,) = sums.result()
    assert list(zip(keys.tolist(), values.tolist(), strict=True)) == sorted(model.items())
    assert sums.drain_below(5).tolist() == sorted(key for key in model if key < 5)
    assert sums.result()[0].tolist() == sorted(key for key in model if key >= 5)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("2818ed7b")
KEYS = st.sampled_from(
    [
        "name",
        "uniqueId",
        "number",
        "attributes",
        "parallels",
        "variations",
        "variation",
        "numberedTo",
        "cards",
        "x",
    ]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(JSON, max_size=4), st.dictionaries(KEYS, JSON, max_size=3))
def test_no_card_list_is_too_strange_to_account_for(cards: list[object], extra: dict[str, object]) -> None:
    content = json.dumps({"name": "1999", "sets": [{**extra, "cards": cards}]}).encode()
    seen: dict[str, str] = {}
    rows = read_rows(
        "x.json", content, lambda unique_id, digest, _: seen.setdefault(unique_id, digest) != digest
    )
    ordinals = [row.ordinal for row in rows.entries] + [row.ordinal for row in rows.rejections]
    assert sorted(ordinals) == list(range(rows.count))
    # Each card is told of exactly once: as a base card, or in a rejection that points at it.
    bases = sum(row.parallel == "" for row in rows.entries)
    places = {f"/sets/0/cards/{at}" for at in range(len(cards))}
    assert bases + sum(row.place in places for row in rows.rejections) == len(cards)
    for row in rows.entries:
        row.sku.encode()
        assert row.print_run is None or 1 <= row.print_run < 2**32
