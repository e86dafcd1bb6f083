"""Every carrier against a model in fractions: exact, or refused with the right word (promise P8)."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventreplay.codecs import decimals
from tests.property.codecs import model

DIGITS = st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p)))
INT64 = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-(10**6), 10**6))
PLAIN = st.from_regex(r"[+-]?([0-9]{1,20}(\.[0-9]{1,20})?|\.[0-9]{1,20})", fullmatch=True)
EXPONENT = st.from_regex(r"[+-]?([0-9]{1,6}(\.[0-9]{1,6})?|\.[0-9]{1,3})[eE][+-]?[0-9]{1,4}", fullmatch=True)
HOSTILE = st.sampled_from(
    [
        *(
            "",
            " ",
            "1 ",
            " 1",
            "1_000",
            "5.",
            ".",
            "+",
            "-",
            "e5",
            "1e",
            "1e+",
            "--1",
            "+-1",
            "1.2.3",
            "0x10",
        ),
        *(
            "NaN",
            "Infinity",
            "-inf",
            "１２",
            "٣",
            "1e999999999",
            "0e999999999",
            "1E-999999999",
            "1,5",
            "1\x00",
        ),
        *(
            "1\n",
            "\n1",
            "9" * 38,
            "9" * 39,
            "0" * 300 + "1",
            "1." + "0" * 254,
            "1." + "0" * 255,
            "-0",
            "-0.0",
        ),
        *("+.5", "1.5e0000000001"),
    ]
)
TEXT = st.one_of(PLAIN, EXPONENT, HOSTILE, st.text(alphabet="0123456789.+-eE_ ", max_size=12))


def outcome(digits: tuple[int, int], compute: Callable[..., Fraction], *values: Any) -> str:
    try:
        return model.exact(compute(*values), *digits).strip('"')
    except model.BrokenError as broken:
        return broken.code


def found(parsed: decimals.Parsed, scale: int) -> list[str]:
    numbers = pa.Array.from_buffers(pa.decimal128(38, 0), len(parsed.values), parsed.values.buffers())
    texts = []
    for number, fault in zip(numbers.to_pylist(), parsed.faults.tolist(), strict=True):
        if fault:
            texts.append(decimals.FAULTS[fault][0])
        else:
            texts.append(model.exact(Fraction(int(number), 10**scale), 38, scale).strip('"'))
    return texts


@settings(max_examples=300, deadline=None)
@given(digits=DIGITS, texts=st.lists(TEXT, min_size=1, max_size=8))
@example(digits=(19, 4), texts=["1.5000000", "1.50001", "999999999999999.9999", "1000000000000000"])
@example(digits=(38, 38), texts=["0." + "9" * 38, "1", "-.1"])
def test_text(digits: tuple[int, int], texts: list[str]) -> None:
    parsed = decimals.from_text(pa.array(texts, pa.string()), *digits, digits_max=256, exponent_max=256)
    assert found(parsed, digits[1]) == [outcome(digits, model.text, text) for text in texts]


@settings(max_examples=200, deadline=None)
@given(digits=DIGITS, texts=st.lists(TEXT, min_size=1, max_size=4), precision=st.integers(1, 9))
def test_text_ignores_the_ambient_context(digits: tuple[int, int], texts: list[str], precision: int) -> None:
    array = pa.array(texts, pa.string())
    with decimal.localcontext() as context:
        context.prec, context.Emax, context.Emin = precision, 2, -2
        context.traps[decimal.Inexact] = True
        inside = decimals.from_text(array, *digits, digits_max=256, exponent_max=256)
    outside = decimals.from_text(array, *digits, digits_max=256, exponent_max=256)
    assert found(inside, digits[1]) == found(outside, digits[1])


NANOS = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-999_999_999, 999_999_999),
    st.integers(-99, 99).map(lambda number: number * 10**7),
)


@settings(max_examples=300, deadline=None)
@given(digits=DIGITS, values=st.lists(st.tuples(INT64, NANOS), min_size=1, max_size=8))
@example(digits=(28, 9), values=[(2**63 - 1, 999_999_999), (-(2**63), -999_999_999), (1, -1), (0, -5)])
@example(digits=(38, 29), values=[(999_999_999, 999_999_999), (-999_999_999, -1), (10**9, 0)])
def test_units_and_nanos(digits: tuple[int, int], values: list[tuple[int, int]]) -> None:
    units, nanos = pa.array([u for u, _ in values], pa.int64()), pa.array([n for _, n in values], pa.int32())
    parsed = decimals.from_units_nanos(units, nanos, *digits)
    expected = [outcome(digits, model.units_nanos, *value) for value in values]
    assert found(parsed, digits[1]) == expected


UNSCALED = st.one_of(
    st.binary(max_size=18), st.integers(-(10**6), 10**6).map(lambda n: n.to_bytes(4, "big", signed=True))
)
SCALE = st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1))


@settings(max_examples=300, deadline=None)
@given(digits=DIGITS, values=st.lists(st.tuples(UNSCALED, SCALE), min_size=1, max_size=8))
@example(
    digits=(38, 0), values=[(b"\x80" + b"\0" * 15, 0), (b"\x7f" + b"\xff" * 15, 0), (b"", 7), (b"\xff", 1)]
)
def test_unscaled(digits: tuple[int, int], values: list[tuple[bytes, int]]) -> None:
    data, scales = (
        pa.array([d for d, _ in values], pa.binary()),
        pa.array([s for _, s in values], pa.uint32()),
    )
    expected = [outcome(digits, model.unscaled, *value) for value in values]
    assert found(decimals.from_unscaled(data, scales, *digits), digits[1]) == expected
    same = [outcome(digits, model.unscaled, data, digits[1]) for data, _ in values]
    assert found(decimals.from_unscaled(data, None, *digits), digits[1]) == same


@settings(max_examples=100, deadline=None)
@given(digits=DIGITS, values=st.lists(INT64, min_size=1, max_size=8))
def test_integers(digits: tuple[int, int], values: list[int]) -> None:
    expected = [outcome(digits, Fraction, value, 10 ** digits[1]) for value in values]
    assert found(decimals.from_integer(pa.array(values, pa.int64()), *digits), digits[1]) == expected
    unsigned = pa.array([value % 2**64 for value in values], pa.uint64())
    again = [outcome(digits, Fraction, value % 2**64, 10 ** digits[1]) for value in values]
    assert found(decimals.from_integer(unsigned, *digits), digits[1]) == again


@given(text=st.lists(TEXT, min_size=2, max_size=6), start=st.integers(0, 2))
def test_slices_and_nulls(text: list[str], start: int) -> None:
    array = pa.array([None, *text, None], pa.string()).slice(start)
    valid = decimals.bitmap(array.is_valid().to_numpy(zero_copy_only=False))
    parsed = decimals.from_text(array, 19, 4, digits_max=256, exponent_max=256, valid=valid)
    assert parsed.values.is_null().to_pylist() == array.is_null().to_pylist()
    assert not parsed.faults[np.asarray(array.is_null())].any()
