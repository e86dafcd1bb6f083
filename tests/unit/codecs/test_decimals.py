"""Vectors that have hurt somebody: each is exact or refused, and quickly."""

from __future__ import annotations

import time
from decimal import Decimal

import pyarrow as pa
import pytest

from eventreplay.codecs import decimals

EXACT = [
    ("1.5", (19, 4), "1.5000"),
    ("1.5000000", (19, 4), "1.5000"),
    ("-0", (19, 4), "0.0000"),
    ("-0.00", (19, 4), "0.0000"),
    ("+.5", (19, 4), "0.5000"),
    ("12e-4", (19, 4), "0.0012"),
    ("1.2E3", (19, 4), "1200.0000"),
    ("000000000000000000000000000000000000000000000001", (19, 4), "1.0000"),
    ("99999999999999999999999999999999999999", (38, 0), "99999999999999999999999999999999999999"),
    ("0.99999999999999999999999999999999999999", (38, 38), "0.99999999999999999999999999999999999999"),
    ("123456789012345678901234567890.12345678", (38, 8), "123456789012345678901234567890.12345678"),
    ("0e256", (19, 4), "0.0000"),
]
REFUSED = [
    ("1.00001", "decimal_out_of_range"),
    ("1000000000000000", "decimal_out_of_range"),
    ("1e15", "decimal_out_of_range"),
    ("1E999999999999", "decimal_out_of_range"),
    ("0E-999999999999", "decimal_out_of_range"),
    ("1e-5", "decimal_out_of_range"),
    ("9" * 100_000, "decimal_out_of_range"),
    ("NaN", "decimal_malformed"),
    ("sNaN", "decimal_malformed"),
    ("Infinity", "decimal_malformed"),
    ("1_000", "decimal_malformed"),
    ("１", "decimal_malformed"),
    ("٣", "decimal_malformed"),
    (" 1", "decimal_malformed"),
    ("1 ", "decimal_malformed"),
    ("1\n", "decimal_malformed"),
    ("", "decimal_malformed"),
    (".", "decimal_malformed"),
    ("5.", "decimal_malformed"),
    ("1e", "decimal_malformed"),
    ("0x1", "decimal_malformed"),
    ("1,5", "decimal_malformed"),
]


def text(value: str, digits: tuple[int, int]) -> decimals.Parsed:
    return decimals.from_text(pa.array([value]), *digits, digits_max=256, exponent_max=256)


@pytest.mark.parametrize(("value", "digits", "exact"), EXACT)
def test_exact(value: str, digits: tuple[int, int], exact: str) -> None:
    parsed = text(value, digits)
    assert not parsed.faults.any()
    assert format(parsed.values[0].as_py(), "f") == exact
    assert isinstance(parsed.values[0].as_py(), Decimal)


@pytest.mark.parametrize(("value", "code"), REFUSED)
def test_refused(value: str, code: str) -> None:
    assert decimals.FAULTS[int(text(value, (19, 4)).faults[0])][0] == code


def test_hostile_text_costs_microseconds() -> None:
    array = pa.array(["1E999999999", "9" * 250, "-" + "0" * 254, "1e256", "1_0"] * 2_000)
    begin = time.process_time()
    parsed = decimals.from_text(array, 38, 18, digits_max=256, exponent_max=256)
    assert (parsed.faults != decimals.FINE).sum() == 8_000
    assert (time.process_time() - begin) / len(array) < 100e-6


def test_a_number_that_would_wrap_around_128_bits_is_out_of_range() -> None:
    for text in ("11", "-11", "9", "0.5", ".25"):
        parsed = decimals.from_text(pa.array([text]), 38, 38, digits_max=256, exponent_max=256)
        fine = abs(Decimal(text)) < 1
        assert (parsed.faults[0] == 0) == fine, text
        assert not fine or parsed.values[0].as_py() == Decimal(text)
