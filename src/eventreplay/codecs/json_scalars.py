"""Numbers, true, false and null of many JSON payloads: which are valid, and how they are written."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from eventreplay.codecs.json_tokens import Bytes, Flags, Places
from eventreplay.codecs.limits import Limits

_NUMBER_BYTES_MAX = 64
"""Longer numbers are left to the parser."""

_ALWAYS_NUMBER_BYTES_MAX = 15
"""Integers up to this length, with their sign, are within +-(2**53 - 1)."""

_ALWAYS_TEXT_BYTES_MIN = 18
"""Integers from this length on, with their sign, are beyond +-(2**53 - 1)."""

_WORDS = (b"true", b"false", b"null")


@frozen
class Scalars:
    """Of each scalar: whether it is plain, whether it is written in quotes, and where its text ends."""

    is_plain: Flags
    is_quoted: Flags
    end: Places


def scalars(data: Bytes, begin: Places, end: Places, limits: Limits) -> Scalars:
    """Look at scalars, each of one byte or more.

    Args:
        data: the text.
        begin: where each begins.
        end: where each ends.
        limits: `number_digits_max` holds for numbers.
    """
    size = end - begin
    found = Scalars(np.zeros(begin.size, np.bool_), np.zeros(begin.size, np.bool_), end.copy())
    for word in _WORDS:
        chosen = np.flatnonzero((size == len(word)) & (data[begin] == word[0]))
        for place, byte in enumerate(word[1:], start=1):
            chosen = chosen[data[begin[chosen] + place] == byte]
        found.is_plain[chosen] = True
    is_short = size <= min(_NUMBER_BYTES_MAX, limits.number_digits_max)
    numbers = np.flatnonzero(is_short & (data[begin] <= ord("9")))
    if numbers.size:
        _numbers(data, begin[numbers], size[numbers], numbers, found)
    return found


def _numbers(data: Bytes, begin: Places, size: Places, where: Places, found: Scalars) -> None:
    """Digits with at most a sign before and a point within; fills in `found` at `where`."""
    offsets = np.cumsum(size) - size
    owner = np.repeat(np.arange(size.size), size)
    within = np.arange(owner.size) - offsets[owner]
    text = data[begin[owner] + within]
    is_negative = text[offsets] == ord("-")
    is_plain = np.ones(size.size, np.bool_)
    others = np.flatnonzero((text < ord("0")) | (text > ord("9")))
    is_point = text[others] == ord(".")
    is_sign = (text[others] == ord("-")) & (within[others] == 0)
    is_plain[owner[others[~is_point & ~is_sign]]] = False
    points = others[is_point]
    is_plain[np.bincount(owner[points], minlength=size.size) > 1] = False
    point = size.copy()
    point[owner[points]] = within[points]
    has_point = point < size
    is_plain &= ~(has_point & (point == size - 1))
    whole = point - is_negative
    zero = text[np.minimum(offsets + is_negative, text.size - 1)] == ord("0")
    is_plain &= (whole == 1) | ((whole > 1) & ~zero)
    # Zeros at the end go, and the point with them if nothing is left behind it.
    last = np.maximum.reduceat(np.where(text != ord("0"), within, 0), offsets)
    length = np.where(has_point, np.where(last > point, last + 1, point), size)
    is_plain &= ~(is_negative & zero & (length == 2))  # noqa: PLR2004 - minus zero is zero: the parser's
    is_long = ~has_point & (size >= _ALWAYS_TEXT_BYTES_MIN)
    is_plain &= has_point | is_long | (size <= _ALWAYS_NUMBER_BYTES_MAX)
    found.is_plain[where] = is_plain
    found.is_quoted[where] = has_point | is_long
    found.end[where] = begin + length
