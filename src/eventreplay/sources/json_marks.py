"""Where quotes and brackets of a JSON text stand, and what stands between two places, by NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

QUOTE, BACKSLASH, COLON, COMMA = (ord(mark) for mark in '"\\:,')
OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = (ord(mark) for mark in "{}[]")

_MARKS = np.zeros(256, dtype=np.bool_)
_MARKS[[ord(mark) for mark in '"\\:,{}[]']] = True
_STEP = np.zeros(256, dtype=np.int8)
_STEP[[OPEN_OBJECT, OPEN_ARRAY]] = 1
_STEP[[CLOSE_OBJECT, CLOSE_ARRAY]] = -1
BLANK = np.zeros(256, dtype=np.bool_)
BLANK[[ord(mark) for mark in " \t\n\r"]] = True
_NO_SIX_BITS = 255
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SIX_BITS = np.full(256, _NO_SIX_BITS, dtype=np.uint8)
_SIX_BITS[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(64)


@frozen
class Marks:
    """Quotes and structure of a text: `quotes` alternate open and close, `at` are marks outside of them.

    `depth` is the nesting behind each mark.
    """

    quotes: Places
    backslashes: Places
    at: Places
    kind: Bytes
    depth: Places


def marks(data: Bytes) -> Marks:
    """Find quotes and structure; the text begins outside of a string. Says nothing about validity."""
    places = np.flatnonzero(_MARKS[data])
    kinds = data[places]
    backslashes = places[kinds == BACKSLASH]
    is_quote = kinds == QUOTE
    if backslashes.size:
        is_quote &= ~np.isin(places, _escaped(backslashes))
    inside = (np.cumsum(is_quote) & 1).astype(np.bool_)
    outside = ~inside & (kinds != QUOTE) & (kinds != BACKSLASH)
    kind = kinds[outside]
    return Marks(places[is_quote], backslashes, places[outside], kind, np.cumsum(_STEP[kind], dtype=np.int64))


def _escaped(backslashes: Places) -> Places:
    """Places whose character is escaped: behind every odd backslash of a run."""
    number = np.arange(backslashes.size)
    run_begin = np.maximum.accumulate(np.where(np.diff(backslashes, prepend=-2) != 1, number, 0))
    return np.asarray(backslashes[(number - run_begin) % 2 == 0] + 1)


def cut(data: Bytes, begin: Places, end: Places) -> pa.BinaryArray:
    """The bytes of each place [begin, end)."""
    sizes = end - begin
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    index = np.repeat(begin - offsets[:-1], sizes) + np.arange(offsets[-1])
    return _binary(data[index], offsets)


def _binary(values: Bytes, offsets: Places) -> pa.BinaryArray:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def base64_bytes(data: Bytes, begin: Places, end: Places) -> tuple[Flags, pa.BinaryArray]:
    """Which texts are base64, and their bytes (nothing for those that are not)."""
    sizes = end - begin
    fine = sizes % 4 == 0
    sizes = np.where(fine, sizes, 0)
    last = np.maximum(begin + sizes - 1, 0)
    padding = np.where(sizes > 0, (data[last] == ord("=")).astype(np.int64), 0)
    padding += np.where(padding > 0, (data[np.maximum(last - 1, 0)] == ord("=")).astype(np.int64), 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    index = np.repeat(begin - offsets[:-1], sizes) + np.arange(offsets[-1])
    bits = _SIX_BITS[data[index]]
    for number in (1, 2):
        bits[offsets[1:][padding >= number] - number] = 0
    wrong = np.searchsorted(offsets, np.flatnonzero(bits == _NO_SIX_BITS), side="right") - 1
    fine[wrong] = False
    a, b, c, d = bits.reshape(-1, 4).T
    triples = np.stack([(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d], axis=1).reshape(-1)
    starts = offsets // 4 * 3
    lengths = np.diff(starts) - padding
    kept = np.concatenate([[0], np.cumsum(lengths)])
    index = np.repeat(starts[:-1] - kept[:-1], lengths) + np.arange(kept[-1])
    return fine, _binary(triples[index], kept)
