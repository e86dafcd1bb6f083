"""Numbers and moments as pieces of text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.canonical.pool import FEW, GROUP_DIGITS, SMALL_INTEGERS, Choice, Pool, Token, offsets_of

I64 = npt.NDArray[np.int64]

INSTANT = pa.struct([pa.field("@seconds", pa.int64()), pa.field("@nanos", pa.int32())])
"""A moment as seconds since 1970 and nanoseconds: what no Arrow timestamp holds for the years 1 to 9999.
The names cannot be those of a protobuf field, so no other struct is taken for it."""

_INT64_DIGITS = 18
_INT64_MIN = -(1 << 63)
_ESTIMATE_MAX = 2.0**48
"""Quotients below this are estimated by floats to less than one, so that one correction makes them exact."""

_MOMENT_BYTES = 26
"""Of `2026-01-31 23:59:59.123456`, in the years 1 to 9999."""

_T_AT = 10


def integers(array: pa.Array, pool: Pool) -> list[Token]:
    """Integers as JSON numbers."""
    values = (array.fill_null(0) if array.null_count else array).to_numpy(zero_copy_only=False)
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if low >= 0 and high < min(FEW, len(values)):
        return [Choice(values.astype(np.int32), SMALL_INTEGERS.slice(0, high + 1))]
    if low >= 0 and high < len(SMALL_INTEGERS):
        return [values.astype(np.int32) + pool.table("integers")]
    return [pool.column(array)]


def wide_integers(array: pa.Array, pool: Pool) -> list[Token]:
    """64-bit integers as strings: engines that read JSON numbers as doubles would round them."""
    return ['"', *integers(array, pool), '"']


def booleans(array: pa.Array, _pool: Pool) -> list[Token]:
    """`true` and `false`."""
    values = pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False)
    return [Choice(values.astype(np.int32), pa.array(["false", "true"]))]


def floats(array: pa.Array, pool: Pool) -> list[Token]:
    """Floats in the shortest digits that read back as the same number, which is how Arrow writes them."""
    infinite = pc.if_else(pc.less(array, 0), '"-Infinity"', '"Infinity"')
    special = pc.if_else(pc.is_nan(array), '"NaN"', infinite)
    return [pool.column(pc.if_else(pc.is_finite(array), array.cast(pa.string()), special))]


def decimals(array: pa.Array, pool: Pool) -> list[Token]:
    """decimal128 as strings with exactly the type's scale."""
    scale = array.type.scale
    words = np.frombuffer(array.buffers()[1], np.int64)[2 * array.offset : 2 * (array.offset + len(array))]
    low, high = words[0::2], words[1::2]
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        low, high = np.where(valid, low, 0), np.where(valid, high, 0)
    parts = _whole_and_part(low, high, scale)
    if parts is None:
        return ['"', pool.column(_wide_decimals(array, scale)), '"']
    whole, part, negative = parts
    tokens: list[Token] = ['"']
    if negative.any():
        tokens.append(Choice(negative.astype(np.int32), pa.array(["", "-"])))
    tokens += integers(pa.array(whole), pool)
    if scale > 0:
        tokens += _digit_groups(part, scale, pool)
    return [*tokens, '"']


def _whole_and_part(low: I64, high: I64, scale: int) -> tuple[I64, I64, npt.NDArray[np.bool_]] | None:
    """Digits before and after the point, and the sign, as 64-bit columns; None if they do not fit."""
    if scale > _INT64_DIGITS:
        return None
    negative = high < 0
    unit = np.int64(10**scale)
    if (high == low >> 63).all():
        if negative.any():
            if int(low.min()) == _INT64_MIN:
                return None
            low = np.abs(low)
        whole = low // unit
        return whole, low - whole * unit, negative
    if negative.any():
        turned = np.where(negative, -low, low)
        high, low = np.where(negative, ~high + (turned == 0), high), turned
    size = high.astype(np.float64) * 2.0**64 + low.view(np.uint64)
    if float(size.max()) / 10.0**scale >= _ESTIMATE_MAX:
        return None
    whole = (size / 10.0**scale).astype(np.int64)
    part = low - whole * unit  # exact modulo 2**64, and small
    whole, part = np.where(part < 0, whole - 1, whole), np.where(part < 0, part + unit, part)
    return np.where(part >= unit, whole + 1, whole), np.where(part >= unit, part - unit, part), negative


def _wide_decimals(array: pa.Array, scale: int) -> pa.Array:
    """Any decimal: the digits of its integer, which Arrow writes without an exponent, then the point."""
    integer = pa.decimal128(38, 0)
    number = pa.Array.from_buffers(integer, len(array), array.buffers()[:2], offset=array.offset)
    text = number.cast(pa.string())
    if scale == 0:
        return text
    sign = pc.if_else(pc.starts_with(text, "-"), "-", "")
    padded = pc.ascii_lpad(pc.replace_substring(text, "-", ""), scale + 1, "0")
    before, after = pc.utf8_slice_codeunits(padded, 0, -scale), pc.utf8_slice_codeunits(padded, -scale)
    return pc.binary_join_element_wise(sign, before, ".", after, "")


def _digit_groups(part: I64, scale: int, pool: Pool) -> list[Token]:
    """A point and a number below 10**scale with leading zeros, four digits at a time."""
    tokens: list[Token] = []
    while scale > GROUP_DIGITS:
        rest = part // 10**GROUP_DIGITS
        group = (part - rest * 10**GROUP_DIGITS).astype(np.int32)
        tokens.insert(0, group + pool.table(f"{GROUP_DIGITS}"))
        part, scale = rest, scale - GROUP_DIGITS
    return [part.astype(np.int32) + pool.table(f".{scale}"), *tokens]


def timestamps(array: pa.Array, pool: Pool) -> list[Token]:
    """Arrow timestamps of any unit, taken as UTC."""
    epoch = pa.scalar(0, pa.int64()).cast(array.type)
    filled = array.fill_null(epoch) if array.null_count else array
    ticks = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    seconds = ticks // per_second
    return _moments(seconds, (ticks - seconds * per_second) * (10**9 // per_second), pool)


def instants(array: pa.Array, pool: Pool) -> list[Token]:
    """`INSTANT` values."""
    seconds, nanos = (array.field(at).to_numpy(zero_copy_only=False) for at in (0, 1))
    return _moments(seconds, nanos.astype(np.int64), pool)


def _moments(seconds: I64, nanos: I64, pool: Pool) -> list[Token]:
    micros = nanos // 1000
    text = pa.array(seconds * 10**6 + micros).cast(pa.timestamp("us")).cast(pa.string())
    bounds = offsets_of(text)
    if int(np.diff(bounds).max()) != _MOMENT_BYTES or int(np.diff(bounds).min()) != _MOMENT_BYTES:
        return ['"', pool.column(pc.replace_substring(text, " ", "T")), 'Z"']  # years before 1 or after 9999
    data = np.frombuffer(text.buffers()[2], np.uint8)[int(bounds[0]) : int(bounds[-1])]
    data = data.reshape(-1, _MOMENT_BYTES).copy()
    data[:, _T_AT] = ord("T")
    offsets = np.arange(0, _MOMENT_BYTES * (len(text) + 1), _MOMENT_BYTES, dtype=np.int32)
    fixed = pa.Array.from_buffers(pa.string(), len(text), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    rest = nanos - micros * 1000
    if not rest.any():
        return ['"', pool.column(fixed), 'Z"']
    more = np.where(rest > 0, rest + pool.table("3"), pool.constant("")).astype(np.int32)
    return ['"', pool.column(fixed), more, 'Z"']
