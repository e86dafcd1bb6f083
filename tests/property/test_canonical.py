"""Columns to JSON text against a model that writes one value at a time with the standard library."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.canonical import json_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))  # noqa: DTZ001 (made UTC below)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    whole = st.integers(-(10**precision) + 1, 10**precision - 1)
    small = st.integers(-200, 200)
    return st.one_of(whole, small).map(lambda number: Decimal(f"{number}E-{scale}"))


LEAVES = st.one_of(
    st.just((pa.int32(), st.integers(-(2**31), 2**31 - 1))),
    st.just((pa.uint32(), st.integers(0, 20))),
    st.just((pa.int64(), st.integers(-(2**63), 2**63 - 1))),
    st.just((pa.uint64(), st.integers(0, 2**64 - 1))),
    st.just((pa.bool_(), st.booleans())),
    st.just((pa.string(), TEXT)),
    st.just((pa.binary(), st.binary(max_size=5))),
    st.just((pa.dictionary(pa.int32(), pa.string()), TEXT)),
    st.just((pa.timestamp("us", tz="UTC"), MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)))),
    st.integers(1, 38)
    .flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p)))
    .map(lambda digits: (pa.decimal128(*digits), decimals(*digits))),
)
NAMES = st.sampled_from(["a", "b", 'c"', "é"])


def nest(below: Any) -> Any:
    structs = st.lists(st.tuples(NAMES, below), max_size=3, unique_by=lambda each: each[0]).map(
        lambda parts: (
            pa.struct([(name, kind) for name, (kind, _) in parts]),
            st.fixed_dictionaries({name: maybe(values) for name, (_, values) in parts}),
        )
    )
    lists = below.map(lambda each: (pa.list_(each[0]), st.lists(maybe(each[1]), max_size=3)))
    maps = below.map(
        lambda each: (
            pa.map_(pa.string(), each[0]),
            st.dictionaries(TEXT, maybe(each[1]), max_size=3).map(dict.items),
        )
    )
    return st.one_of(structs, lists, maps.map(lambda each: (each[0], each[1].map(list))))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.none())


KINDS = st.recursive(LEAVES, nest, max_leaves=4)


def text(kind: pa.DataType, value: Any) -> str:
    if value is None:
        return "null"
    if pa.types.is_struct(kind):
        return "{" + ",".join(f"{quoted(f.name)}:{text(f.type, value[f.name])}" for f in kind) + "}"
    if pa.types.is_map(kind):
        return "{" + ",".join(f"{quoted(k)}:{text(kind.item_type, v)}" for k, v in value) + "}"
    if pa.types.is_list(kind):
        return "[" + ",".join(text(kind.value_type, item) for item in value) + "]"
    if pa.types.is_decimal(kind):
        return quoted(format(Decimal(0).scaleb(-kind.scale) if value == 0 else value, "f"))
    if pa.types.is_timestamp(kind):
        return quoted(f"{value.year:04d}-{value:%m-%dT%H:%M:%S}.{value.microsecond:06d}Z")
    if pa.types.is_binary(kind):
        return quoted(base64.b64encode(value).decode())
    if kind in (pa.int64(), pa.uint64()):
        return quoted(str(value))
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


@settings(max_examples=250, deadline=None)
@given(data=st.data(), start=st.integers(0, 3))
def test_every_nesting(data: st.DataObject, start: int) -> None:
    kind, values = data.draw(KINDS)
    rows = data.draw(st.lists(maybe(values), max_size=7))
    array = pa.array(rows, kind)
    expected = [None if row is None else text(kind, row) for row in rows]
    assert json_text(array).to_pylist() == expected
    assert json_text(array.slice(start)).to_pylist() == expected[start:]
