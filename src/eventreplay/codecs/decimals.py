"""Exact decimals from every carrier, a column at a time: a value is exact, or it is refused (promise P8).

Each function takes one carrier's column and the declared precision and scale, and returns a decimal128
array with exactly that precision and scale, and a `uint8` fault per element (`FINE` or an index into
`FAULTS`). Values at faulty elements are unspecified. Nothing rounds: zeros beyond the scale are
dropped, other digits beyond it are a fault. There are no floats and no `decimal` context anywhere.

Text follows one ASCII grammar, `[+-]?(digits[.digits]|.digits)([eE][+-]?digits)?`. Python's and Arrow's own
parsers accept more (underscores, blanks, other scripts' digits, `5.`), so text that does not look plain
byte by byte goes to `exact_text`, one value at a time; its cost is bounded by the limits on its length
and exponent, which are tested before any arithmetic.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.codecs import wide
from eventreplay.codecs.wide import I64, Wide

Faults = npt.NDArray[np.uint8]

FINE, MALFORMED, OUT_OF_RANGE, SIGN_CONFLICT, NANOS = range(5)
FAULTS = (
    ("", ""),
    ("decimal_malformed", "is not a decimal number"),
    ("decimal_out_of_range", "has more digits than decimal({precision}, {scale}) holds"),
    ("decimal_sign_conflict", "has units and nanos of different signs"),
    ("money_nanos_out_of_range", "has nanos beyond 999,999,999"),
)
"""Error code and message of each fault."""

PRECISION_MAX = 38
NANO_DIGITS = 9
NANOS_MAX = 999_999_999
UNSCALED_BYTES_MAX = 16

_GRAMMAR = re.compile(rb"([+-]?)(?:([0-9]+)(?:\.([0-9]+))?|\.([0-9]+))(?:[eE]([+-]?)([0-9]+))?")
_DIGIT_ZERO = ord("0")
_PLAIN = np.zeros(256, np.bool_)
_PLAIN[list(b"0123456789.+-")] = True
_INT64_SAFE = 1 << 62
_INT64_DIGITS = 19
_TWO_STEPS = 2 * 9
"""Digits of units and of nanos that an int64 takes: nanos fill nine, and nine more fit."""

_WORD_BYTES = 8
_ZERO = np.uint64(0)


class Parsed(NamedTuple):
    """A decimal128 column and, per element, which fault it has."""

    values: pa.Array
    faults: Faults


def from_text(
    text: pa.Array,
    precision: int,
    scale: int,
    *,
    digits_max: int,
    exponent_max: int,
    valid: pa.Buffer | None = None,
) -> Parsed:
    """Numbers written as text (string or binary column); `valid` marks elements that are there."""
    kind = pa.decimal128(precision, scale)
    if valid is not None:
        text = pa.concat_arrays([text]) if text.offset > 0 else text  # a bitmap has no offset of its own
        text = pa.Array.from_buffers(text.type, len(text), [valid, *text.buffers()[1:]])
    if _looks_plain(text, digits_max) and _has_room(text, scale):
        try:
            return Parsed(text.cast(pa.string()).cast(kind), np.zeros(len(text), np.uint8))
        except pa.ArrowInvalid:  # some value does not fit or is malformed: sort them out below
            pass
    plain = _fits(text, precision, scale)
    chosen = pc.if_else(plain, text.cast(pa.binary()), pa.scalar(None, pa.binary())).cast(pa.string())
    faults = np.zeros(len(text), np.uint8)
    words = wide.of_decimal(chosen.cast(kind))
    high, low = words.high.copy(), words.low.copy()
    others = np.flatnonzero(~pc.fill_null(plain, fill_value=True).to_numpy(zero_copy_only=False))
    for at, value in zip(
        others.tolist(), text.take(pa.array(others)).cast(pa.binary()).to_pylist(), strict=True
    ):
        number, faults[at] = exact_text(value, precision, scale, digits_max, exponent_max)
        high[at], low[at] = number >> 64, number & 0xFFFFFFFFFFFFFFFF
    return Parsed(wide.to_decimal(Wide(high, low), precision, scale, _bitmap(text)), faults)


def exact_text(
    value: bytes, precision: int, scale: int, digits_max: int, exponent_max: int
) -> tuple[int, int]:
    """One number from text: its unscaled integer and its fault; at most `digits_max` bytes are looked at."""
    if len(value) > digits_max:
        return 0, OUT_OF_RANGE
    found = _GRAMMAR.fullmatch(value)
    if found is None:
        return 0, MALFORMED
    sign, whole, part, bare, exponent_sign, exponent = found.groups()
    shift = (exponent or b"").lstrip(b"0")
    if len(shift) > len(str(exponent_max)) or int(shift or 0) > exponent_max:
        return 0, OUT_OF_RANGE
    point = (whole or b"") + b"|" + (part or bare or b"")
    before, after = point.split(b"|")
    digits = (before + after).lstrip(b"0")
    # The value is digits * 10**power; bring it to digits * 10**-scale with string lengths only.
    power = (-int(shift or 0) if exponent_sign == b"-" else int(shift or 0)) - len(after)
    kept = digits.rstrip(b"0")
    power += len(digits) - len(kept)
    if not kept:
        return 0, FINE
    if power < -scale or len(kept) + power + scale > precision:
        return 0, OUT_OF_RANGE
    number = int(kept) * 10 ** (power + scale)
    return (-number if sign == b"-" else number), FINE


def from_units_nanos(units: pa.Array, nanos: pa.Array, precision: int, scale: int) -> Parsed:
    """A whole part (int64) and billionths (int32) of the same sign, as google.type.Money carries them."""
    whole, billionths = _numpy(units).astype(np.int64), _numpy(nanos).astype(np.int64)
    faults = np.zeros(len(whole), np.uint8)
    if scale < NANO_DIGITS:
        unit = 10 ** (NANO_DIGITS - scale)
        part = billionths // unit
        if (part * unit != billionths).any():
            faults[part * unit != billionths] = OUT_OF_RANGE
    else:
        part = billionths * np.int64(10 ** min(scale - NANO_DIGITS, NANO_DIGITS))
    digits = precision - scale
    if digits < _INT64_DIGITS:
        bound = 10**digits
        faults[(whole >= bound) | (whole <= -bound)] = OUT_OF_RANGE
    extreme = np.flatnonzero((whole < 0) | (billionths < 0))
    if len(extreme):
        conflict = ((whole > 0) & (billionths < 0)) | ((whole < 0) & (billionths > 0))
        faults[conflict] = SIGN_CONFLICT
    faults[(billionths > NANOS_MAX) | (billionths < -NANOS_MAX)] = NANOS
    return Parsed(_joined(whole, part, faults, precision, scale), faults)


def _joined(whole: I64, part: I64, faults: Faults, precision: int, scale: int) -> pa.Array:
    """whole * 10**scale + part * 10**(what the scale has beyond 18 digits)."""
    if faults.any():
        bad = faults != FINE
        whole, part = np.where(bad, 0, whole), np.where(bad, 0, part)
    limit = _INT64_SAFE // 10 ** min(scale, _TWO_STEPS)
    if scale <= _TWO_STEPS and (len(whole) == 0 or (-limit < int(whole.min()) and int(whole.max()) < limit)):
        return wide.to_decimal(wide.from_int64(whole * np.int64(10**scale) + part), precision, scale)
    total = wide.add_int64(wide.times_power_of_ten(wide.from_int64(whole), min(scale, _TWO_STEPS)), part)
    if scale > _TWO_STEPS:
        total = wide.times_power_of_ten(total, scale - _TWO_STEPS)
    return wide.to_decimal(total, precision, scale)


def from_unscaled(unscaled: pa.Array, scales: pa.Array | None, precision: int, scale: int) -> Parsed:
    """Big-endian two's complement of at most 16 bytes (empty is zero).

    Args:
        unscaled: binary column.
        scales: uint32 column with each value's own scale; None if all have the declared one.
        precision: declared digits in all.
        scale: declared digits after the point.
    """
    numbers, lengths = _big_endian(unscaled)
    faults = np.zeros(len(lengths), np.uint8)
    faults[lengths > UNSCALED_BYTES_MAX] = OUT_OF_RANGE
    if scales is not None:
        numbers = _rescaled(numbers, _numpy(scales).astype(np.int64), scale, precision, faults)
    fits = wide.below_power_of_ten(numbers, precision)
    if not fits.all():
        faults[~fits] = OUT_OF_RANGE
    if faults.any():
        bad = faults != FINE
        numbers = Wide(np.where(bad, 0, numbers.high), np.where(bad, _ZERO, numbers.low))
    return Parsed(wide.to_decimal(numbers, precision, scale), faults)


def from_integer(integers: pa.Array, precision: int, scale: int) -> Parsed:
    """Integers that count units of 10**-scale."""
    if pa.types.is_uint64(integers.type):
        low = _numpy(integers).view(np.uint64)
        numbers = Wide(np.zeros(len(low), np.int64), low)
    else:
        numbers = wide.from_int64(_numpy(integers).astype(np.int64))
    faults = np.where(wide.below_power_of_ten(numbers, precision), FINE, OUT_OF_RANGE).astype(np.uint8)
    return Parsed(wide.to_decimal(numbers, precision, scale), faults)


def _rescaled(numbers: Wide, scales: I64, scale: int, precision: int, faults: Faults) -> Wide:
    """Bring each number from its own scale to `scale`; there are few different scales in a column."""
    if (scales == scale).all():
        return numbers
    high, low = numbers.high.copy(), numbers.low.copy()
    zero = (high == 0) & (low == 0)
    for own in np.unique(scales[(scales != scale) & ~zero]).tolist():
        rows = np.flatnonzero((scales == own) & ~zero)
        some = Wide(high[rows], low[rows])
        if own > scale:
            size, exact = wide.divided_by_power_of_ten(
                wide.absolute(some), min(own - scale, PRECISION_MAX + 1)
            )
            back = wide.negate(size)
            negative = some.high < 0
            moved = Wide(np.where(negative, back.high, size.high), np.where(negative, back.low, size.low))
        else:
            digits = precision - scale + own
            exact = wide.below_power_of_ten(some, digits)
            moved = wide.times_power_of_ten(
                Wide(np.where(exact, some.high, 0), np.where(exact, some.low, _ZERO)), scale - own
            )
        faults[rows[~exact]] = OUT_OF_RANGE
        high[rows], low[rows] = moved
    return Wide(high, low)


def _big_endian(values: pa.Array) -> tuple[Wide, npt.NDArray[np.int64]]:
    """Read each value's last 16 bytes as one 128-bit integer, sign-extended, with two loads a value."""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    begin, end = int(offsets[0]), int(offsets[-1])
    # Sixteen bytes in front, so that the loads of short values at the beginning stay inside.
    data = np.zeros(16 + end - begin, np.uint8)
    if end > begin:
        data[16:] = np.frombuffer(values.buffers()[2], np.uint8)[begin:end]
    lengths = np.diff(offsets).astype(np.int64)
    ends = offsets[1:].astype(np.int64) - begin + 16
    words = np.lib.stride_tricks.as_strided(data[:8].view(">i8"), (len(data) - 7,), (1,))
    low = words[ends - 8].astype(np.int64)
    drop = np.clip(64 - 8 * lengths, 0, 63)
    last = np.where(lengths > 0, (low << drop) >> drop, 0)
    if not (lengths > _WORD_BYTES).any():
        return wide.from_int64(last), lengths
    high = words[ends - 16].astype(np.int64)
    drop = np.clip(128 - 8 * lengths, 0, 63)
    return Wide(
        np.where(lengths > _WORD_BYTES, (high << drop) >> drop, last >> 63), last.view(np.uint64)
    ), lengths


def _looks_plain(text: pa.Array, digits_max: int) -> bool:
    """Every byte is a digit, a sign or a point, every value ends with a digit, and none is too long.

    Of such text Arrow's parser accepts exactly what the grammar accepts.
    """
    buffers = text.buffers()
    offsets = np.frombuffer(buffers[1], np.int32)[text.offset : text.offset + len(text) + 1]
    begin, end = int(offsets[0]), int(offsets[-1])
    if begin == end:
        return bool(text.null_count == len(text))
    data = np.frombuffer(buffers[2], np.uint8)[begin:end]
    lengths = np.diff(offsets)
    last = data[np.maximum(offsets[1:] - begin - 1, 0)]
    return bool(
        lengths.max() <= digits_max and _PLAIN[data].all() and ((last >= _DIGIT_ZERO) | (lengths == 0)).all()
    )


def _has_room(text: pa.Array, scale: int) -> bool:
    """Every whole part is so short that its value times 10**scale stays within 128 bits.

    Arrow's cast from text does not look: "11" as decimal128(38, 38) wraps to 0.79... without an error.
    """
    room = PRECISION_MAX - scale
    lengths = pc.binary_length(text)
    if (pc.max(lengths).as_py() or 0) <= room:
        return True
    points = pc.find_substring(text, ".")
    whole = pc.if_else(pc.less(points, 0), lengths, points)
    return bool((pc.max(whole).as_py() or 0) <= room)


def _fits(text: pa.Array, precision: int, scale: int) -> pa.Array:
    """Which values are plain and have no more digits than declared on either side of the point."""
    whole, after = precision - scale, f"[0-9]{{1,{scale}}}"
    forms = []
    if whole > 0:
        forms.append(f"[0-9]{{1,{whole}}}" + (rf"(\.{after})?" if scale > 0 else ""))
    if scale > 0:
        forms.append(rf"\.{after}")
    # RE2's $ is the end of the text, not of a line.
    return pc.match_substring_regex(text.cast(pa.binary()), f"^[+-]?({'|'.join(forms)})$")


def _bitmap(array: pa.Array) -> pa.Buffer | None:
    """The validity of an array as a bitmap that begins at bit 0."""
    return bitmap(array.is_valid().to_numpy(zero_copy_only=False)) if array.null_count else None


def bitmap(valid: npt.NDArray[np.bool_]) -> pa.Buffer:
    """Arrow's validity bitmap of a mask."""
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def _numpy(array: pa.Array) -> npt.NDArray[np.int64]:
    """The values of an integer column; what stands under nulls counts as zero."""
    if array.null_count:
        array = array.fill_null(0)
    return array.to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]
