from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.canonical import INSTANT, json_text
from eventreplay.errors import InvalidEventError

CASES: list[tuple[pa.DataType, Any, str]] = [
    (pa.int32(), -5, "-5"),
    (pa.uint32(), 2**32 - 1, "4294967295"),
    (pa.int64(), -(2**63), '"-9223372036854775808"'),
    (pa.uint64(), 2**64 - 1, '"18446744073709551615"'),
    (pa.bool_(), True, "true"),
    (pa.float64(), 0.1, "0.1"),
    (pa.float64(), 1.0, "1"),
    (pa.float64(), float("nan"), '"NaN"'),
    (pa.float64(), float("-inf"), '"-Infinity"'),
    (pa.float32(), 0.1, "0.1"),
    (pa.string(), 'a"b\\c\x00\x1f\n\t\r\b\f\x7f/é🃏', '"a\\"b\\\\c\\u0000\\u001f\\n\\t\\r\\b\\f\x7f/é🃏"'),
    (pa.binary(), b"", '""'),
    (pa.binary(), b"a", '"YQ=="'),
    (pa.binary(), b"\xff\xfe", '"//4="'),
    (pa.binary(3), b"abc", '"YWJj"'),
    (pa.decimal128(19, 4), Decimal(0), '"0.0000"'),
    (pa.decimal128(19, 4), Decimal("-0.0001"), '"-0.0001"'),
    (pa.decimal128(38, 18), Decimal(25), '"25.000000000000000000"'),
    (pa.decimal128(38, 18), Decimal("-" + "9" * 20 + "." + "9" * 18), f'"-{"9" * 20}.{"9" * 18}"'),
    (pa.decimal128(38, 38), Decimal("1e-38"), f'"0.{"0" * 37}1"'),
    (pa.decimal128(5, 0), Decimal(-12345), '"-12345"'),
    (
        pa.timestamp("us", tz="UTC"),
        datetime(2026, 1, 31, 23, 59, 59, 123456, UTC),
        '"2026-01-31T23:59:59.123456Z"',
    ),
    (pa.timestamp("s"), datetime(1, 1, 1), '"0001-01-01T00:00:00.000000Z"'),  # noqa: DTZ001 (naive on purpose)
    (pa.timestamp("ns"), 1, '"1970-01-01T00:00:00.000000001Z"'),
    (INSTANT, {"@seconds": 253_402_300_799, "@nanos": 999_999_999}, '"9999-12-31T23:59:59.999999999Z"'),
    (pa.list_(pa.int64()), [1, None, -1], '["1",null,"-1"]'),
    (pa.list_(pa.list_(pa.bool_())), [[], [True, False], None], "[[],[true,false],null]"),
    (pa.list_(pa.struct([("a", pa.int32())])), [{"a": 1}, None, {"a": None}], '[{"a":1},null,{"a":null}]'),
    (pa.map_(pa.string(), pa.int32()), [('k"', 1), ("l", None)], '{"k\\"":1,"l":null}'),
    (pa.map_(pa.int64(), pa.string()), [(5, "x")], '{"5":"x"}'),
    (pa.map_(pa.bool_(), pa.string()), [(True, "x")], '{"true":"x"}'),
    (pa.struct([("a b", pa.string()), ("é", pa.int32())]), {"a b": "x", "é": 1}, '{"a b":"x","é":1}'),
    (pa.dictionary(pa.int32(), pa.string()), 'x"', '"x\\""'),
]


@pytest.mark.parametrize(("kind", "value", "text"), CASES, ids=[str(case[0]) for case in CASES])
def test_text(kind: pa.DataType, value: Any, text: str) -> None:
    array = pa.array([value, None, value], kind)
    assert json_text(array).to_pylist() == [text, None, text]
    assert json_text(array.slice(2)).to_pylist() == [text]
    assert json_text(array.slice(1, 1)).to_pylist() == [None]
    assert json.loads(text) is not None


@pytest.mark.parametrize("kind", [case[0] for case in CASES], ids=str)
def test_no_rows_and_only_nulls(kind: pa.DataType) -> None:
    assert json_text(pa.array([], kind)).to_pylist() == []
    assert json_text(pa.nulls(2, kind)).to_pylist() == [None, None]


def test_headers_of_a_log() -> None:
    headers = pa.array([[("b", "1"), ("a", 'x"y')], [], None], pa.map_(pa.string(), pa.string()))
    assert json_text(headers).to_pylist() == ['{"b":"1","a":"x\\"y"}', "{}", None]
    assert json_text(headers).type == pa.string()


def test_what_stands_under_nulls_does_not_show() -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array([1, 2, 3], pa.int32()))
    hidden = pa.StructArray.from_arrays([lists], names=["l"], mask=pa.array([True, False]))
    assert json_text(hidden).to_pylist() == [None, '{"l":[3]}']
    outer = pa.StructArray.from_arrays([hidden], names=["o"])
    assert json_text(outer).to_pylist() == ['{"o":null}', '{"o":{"l":[3]}}']
    masked = pa.ListArray.from_arrays(
        pa.array([0, 2, 3]), pa.array([1, 2, 3], pa.int32()), mask=pa.array([True, False])
    )
    assert json_text(pa.StructArray.from_arrays([masked], names=["l"])).to_pylist() == [
        '{"l":null}',
        '{"l":[3]}',
    ]


def test_more_than_a_slice() -> None:
    texts = ["x" * 1_000_000, None, 'a"'] * 20
    expected = [None if text is None else json.dumps(text) for text in texts]
    assert json_text(pa.array(texts)).to_pylist() == expected


def test_types_without_text_are_named() -> None:
    with pytest.raises(InvalidEventError, match="duration"):
        json_text(pa.array([1], pa.duration("s")))
