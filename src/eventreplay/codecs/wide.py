"""Whole columns of 128-bit integers, as two numpy columns: what a decimal128 is made of.

`Wide(high, low)` stands for high * 2**64 + low: `high` is signed (int64), `low` is not (uint64). Nothing
here rounds or checks ranges; `decimals` does, before it calls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_LIMB_BITS = np.uint64(32)
_LIMB_MASK = np.uint64(0xFFFFFFFF)
_STEP_DIGITS = 9
"""Powers of ten are applied nine digits at a time: 10**9 fits a 32-bit limb, so products fit 64 bits."""


class Wide(NamedTuple):
    """A column of signed 128-bit integers."""

    high: I64
    low: U64


def from_int64(values: I64) -> Wide:
    """Sign-extend."""
    return Wide(values >> 63, values.view(np.uint64))


def negate(values: Wide) -> Wide:
    """-values; the lowest 128-bit integer stays itself."""
    low = ~values.low + np.uint64(1)
    return Wide(~values.high + (low == 0), low)


def absolute(values: Wide) -> Wide:
    """The magnitudes; right for everything above the lowest 128-bit integer."""
    negative = values.high < 0
    if not negative.any():
        return values
    turned = negate(values)
    return Wide(np.where(negative, turned.high, values.high), np.where(negative, turned.low, values.low))


def add_int64(values: Wide, addend: I64) -> Wide:
    """values + addend."""
    low = values.low + addend.view(np.uint64)
    return Wide(values.high + (addend >> 63) + (low < values.low), low)


def times_power_of_ten(values: Wide, digits: int) -> Wide:
    """values * 10**digits; the product must fit 127 bits."""
    while digits > 0:
        step = min(digits, _STEP_DIGITS)
        factor = np.uint64(10**step)
        first = (values.low & _LIMB_MASK) * factor
        second = (values.low >> _LIMB_BITS) * factor + (first >> _LIMB_BITS)
        low = (second << _LIMB_BITS) | (first & _LIMB_MASK)
        high = values.high * np.int64(10**step) + (second >> _LIMB_BITS).view(np.int64)
        values = Wide(high, low)
        digits -= step
    return values


def divided_by_power_of_ten(magnitudes: Wide, digits: int) -> tuple[Wide, Mask]:
    """Non-negative `magnitudes` // 10**digits, and which of them divide without rest."""
    exact = np.ones(len(magnitudes.low), np.bool_)
    while digits > 0:
        step = min(digits, _STEP_DIGITS)
        divisor = np.uint64(10**step)
        high = magnitudes.high.view(np.uint64)
        rest = np.zeros(len(high), np.uint64)
        limbs = []
        for limb in (
            high >> _LIMB_BITS,
            high & _LIMB_MASK,
            magnitudes.low >> _LIMB_BITS,
            magnitudes.low & _LIMB_MASK,
        ):
            part = (rest << _LIMB_BITS) | limb
            quotient = part // divisor
            rest = part - quotient * divisor
            limbs.append(quotient)
        exact &= rest == 0
        whole = ((limbs[0] << _LIMB_BITS) | limbs[1]).view(np.int64)
        magnitudes = Wide(whole, (limbs[2] << _LIMB_BITS) | limbs[3])
        digits -= step
    return magnitudes, exact


def below_power_of_ten(values: Wide, digits: int) -> Mask:
    """Whether |values| < 10**digits, for 0 <= digits <= 38."""
    bound = 10**digits
    high, low = np.int64(bound >> 64), np.uint64(bound & 0xFFFFFFFFFFFFFFFF)
    size = absolute(values)
    # The lowest 128-bit integer has no magnitude: its "absolute" stays negative, and it is never below.
    return np.asarray((size.high >= 0) & ((size.high < high) | ((size.high == high) & (size.low < low))))


def of_decimal(array: pa.Array) -> Wide:
    """The unscaled integers of a decimal128 array; what stands under nulls is unspecified."""
    buffer = array.buffers()[1]
    words = np.frombuffer(buffer, np.int64)[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2)
    return Wide(np.ascontiguousarray(words[:, 1]), np.ascontiguousarray(words[:, 0]).view(np.uint64))


def to_decimal(values: Wide, precision: int, scale: int, valid: pa.Buffer | None = None) -> pa.Array:
    """A decimal128(precision, scale) array of these unscaled integers; `valid` is a validity bitmap."""
    words = np.empty((len(values.low), 2), np.int64)
    words[:, 0] = values.low.view(np.int64)
    words[:, 1] = values.high
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(words), [valid, pa.py_buffer(words)])
