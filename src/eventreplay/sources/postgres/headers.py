"""Headers as the server prints them (`jsonb::text`) → maps: whole columns; Python only for unusual rows.

jsonb prints an object of texts in one way: `{"name": "text", "name": "text"}`. Where a row holds no escape,
its quotes open and close in turn, so the names and texts of a batch are found by looking for quotes; what
stands between two of them must be exactly the separators. Any other row is read by `json`, by itself. Taking
the objects apart on the server costs it three times as much as sending the row.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import HEADERS

_QUOTE, _ESCAPE, _OPEN, _CLOSE, _COLON, _COMMA, _BLANK = (ord(each) for each in '"\\{}:, ')
_STEP = 3
"""From a closing quote to the next opening one: a separator and a blank stand between them."""
_QUOTES_PER_PAIR = 4
_EMPTY_BYTES = 2

_Mask = npt.NDArray[np.bool_]
_Places = npt.NDArray[np.int64]


def maps_of(texts: pa.Array) -> tuple[pa.Array, _Mask]:
    """Maps of a text column, and which rows are no object of texts.

    The map of such a row is null; so are those of null and of `{}`.
    """
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    there = np.asarray(texts.is_valid().to_numpy(zero_copy_only=False))
    empty = there & (np.diff(offsets) == _EMPTY_BYTES)
    empty[empty] = data[offsets[:-1][empty]] == _OPEN
    usual, quotes = _usual(data, offsets, there)
    made = _maps(texts, quotes, usual)
    unusual = there & ~usual & ~empty
    if not unusual.any():
        return made, unusual
    by_hand, bad = _by_hand(texts, unusual)
    return pc.if_else(pa.array(unusual), by_hand, made), bad


def _usual(data: npt.NDArray[np.uint8], offsets: _Places, there: _Mask) -> tuple[_Mask, _Places]:
    """Rows of the usual form, and where their quotes stand."""
    first, last = int(offsets[0]), int(offsets[-1])
    quotes = first + np.flatnonzero(data[first:last] == _QUOTE)
    count = np.diff(np.searchsorted(quotes, offsets))
    usual = there & (count > 0) & (count % _QUOTES_PER_PAIR == 0)
    escapes = first + np.flatnonzero(data[first:last] == _ESCAPE)
    usual[np.searchsorted(offsets, escapes, side="right") - 1] = False
    quotes = quotes[np.repeat(usual, count)]
    if not len(quotes):
        return np.zeros(len(there), dtype=bool), quotes
    row = np.repeat(np.flatnonzero(usual), count[usual] // 2)
    opening, closing = quotes[0::2], quotes[1::2]
    is_first = np.diff(row, prepend=-1) != 0
    is_last = np.roll(is_first, -1)
    fine = np.ones(len(row), dtype=bool)
    begin, end = offsets[row[is_first]], offsets[row[is_last] + 1]
    fine[is_first] = (opening[is_first] == begin + 1) & (data[begin] == _OPEN)
    fine[is_last] &= (closing[is_last] + _EMPTY_BYTES == end) & (data[end - 1] == _CLOSE)
    within = np.flatnonzero(~is_last)
    separator = np.where(within % 2 == 0, _COLON, _COMMA)
    fine[within] &= (
        (opening[within + 1] - closing[within] == _STEP)
        & (data[closing[within] + 1] == separator)
        & (data[closing[within] + 2] == _BLANK)
    )
    usual[row[~fine]] = False
    return usual, quotes[np.repeat(usual[row], 2)]


def _maps(texts: pa.Array, quotes: _Places, usual: _Mask) -> pa.Array:
    """A column over the same bytes, cut at the quotes; of four pieces, the first and third are wanted."""
    edges = np.empty(len(quotes) + 1, dtype=np.int32)
    edges[:-1] = quotes
    edges[0:-1:2] += 1
    edges[-1] = quotes[-1] if len(quotes) else 0
    pieces = pa.Array.from_buffers(
        pa.string(), len(quotes), [None, pa.py_buffer(edges), texts.buffers()[2] or pa.py_buffer(b"")]
    )
    names = pieces.take(pa.array(np.arange(0, len(quotes), _QUOTES_PER_PAIR)))
    values = pieces.take(pa.array(np.arange(2, len(quotes), _QUOTES_PER_PAIR)))
    rows = np.searchsorted(_offsets(texts), quotes[::_QUOTES_PER_PAIR], side="right") - 1
    pairs = np.bincount(rows, minlength=len(texts)) if len(rows) else np.zeros(len(texts), dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(pairs)]).astype(np.int32)
    made = pa.MapArray.from_arrays(pa.array(ends), names, values)
    return made if usual.all() else pc.if_else(pa.array(usual), made, pa.scalar(None, HEADERS))


def _offsets(texts: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)


def _by_hand(texts: pa.Array, which: _Mask) -> tuple[pa.Array, _Mask]:
    """Rows that have to be parsed; what jsonb prints is JSON, and names no key twice."""
    made: list[list[tuple[str, str]] | None] = [None] * len(texts)
    bad = np.zeros(len(texts), dtype=bool)
    at = np.flatnonzero(which)
    for row, text in zip(at.tolist(), texts.take(pa.array(at)).to_pylist(), strict=True):
        try:
            value = json.loads(text, parse_int=_Number, parse_float=_Number)
        except RecursionError:
            value = None  # nested a thousand deep: no object of texts
        if isinstance(value, dict) and all(type(each) is str for each in value.values()):
            made[row] = list(value.items()) or None
        else:
            bad[row] = True
    return pa.array(made, HEADERS), bad


class _Number(str):
    """A number's text: it is no text of the object's, and must not become a float either."""

    __slots__ = ()
