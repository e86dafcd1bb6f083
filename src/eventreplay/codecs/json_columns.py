"""Many JSON payloads at once: the canonical text of usual ones, without touching a payload in Python.

Usual are objects without escapes, control characters and exponents, with at most one blank before a key or
a value. What is taken here is valid JSON within the limits, and its text is what the parser, `json.Strict`,
would write, to the byte. Every other payload is left to the parser, which defines what is right; so being
taken or not never shows in the result, and neither do the payloads beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from eventreplay.codecs.json_scalars import Scalars, scalars
from eventreplay.codecs.json_tokens import SCALAR, UNCLEAR, Bytes, Flags, Places, Tokens, check, tokens
from eventreplay.codecs.limits import Limits

_PIECE_BYTES_MAX = 512 << 10
"""Payload bytes looked at together, at most: bounds memory, of which dense text takes a hundredfold."""

_PAYLOAD_BYTES_MIN = len("{}")


def usual_texts(payloads: pa.BinaryArray, asked: Flags, limits: Limits) -> Iterator[tuple[Places, pa.Array]]:
    """Rows taken and their canonical texts, piece by piece in row order.

    Args:
        payloads: binary; nulls are not taken.
        asked: one flag per row: rows without it are not looked at.
        limits: a payload beyond them is not taken; `chunk_bytes_max` bounds a piece.
    """
    if not len(payloads):
        return
    places = np.frombuffer(payloads.buffers()[1], np.int32)
    offsets = places[payloads.offset : payloads.offset + len(payloads) + 1].astype(np.int64)
    sizes = np.diff(offsets)
    asked = asked & payloads.is_valid().to_numpy(zero_copy_only=False)
    asked &= (sizes >= _PAYLOAD_BYTES_MIN) & (sizes <= min(limits.payload_bytes_max, _PIECE_BYTES_MAX))
    step, begin = min(limits.chunk_bytes_max, _PIECE_BYTES_MAX), 0
    while begin < sizes.size:
        end = int(np.searchsorted(offsets, offsets[begin] + step, side="right")) - 1
        end = max(begin + 1, min(end, sizes.size))
        rows = begin + np.flatnonzero(asked[begin:end])
        if rows.size:
            whole = payloads.slice(begin, end - begin)
            piece = whole if rows.size == end - begin else whole.filter(pa.array(asked[begin:end]))
            fine, text = _piece(piece, limits)
            yield rows[fine], text
        begin = end


def _piece(payloads: pa.BinaryArray, limits: Limits) -> tuple[Flags, pa.Array]:
    """Which rows were taken, and their texts."""
    places = np.frombuffer(payloads.buffers()[1], np.int32)
    offsets = places[payloads.offset : payloads.offset + len(payloads) + 1].astype(np.int64)
    raw = payloads.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()
    offsets -= offsets[0]
    data = np.frombuffer(raw, np.uint8)
    fine = np.ones(offsets.size - 1, np.bool_)
    found = tokens(raw, offsets, fine)
    at = np.flatnonzero(found.between == SCALAR)
    begin = found.begin[at] + found.is_blank[at]
    values = scalars(data, begin, found.place[at], limits)
    found.between[at[~values.is_plain]] = UNCLEAR
    check(raw, found, fine, limits)
    text, offsets = _written(data, offsets, found, begin, found.place[at], values)
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(text)]
    column = pa.Array.from_buffers(pa.binary(), fine.size, buffers)
    if not fine.all():
        column = column.filter(pa.array(fine))
    return fine, column.view(pa.string())  # valid UTF-8: so were the rows, and what changed is ASCII


def _written(
    data: Bytes, offsets: Places, found: Tokens, begin: Places, end: Places, values: Scalars
) -> tuple[Bytes, Places]:
    """The text of all rows without blanks and needless zeros and with the quotes of numbers, and its offsets.

    Rows that are not taken are cut too, but only within their own bytes.
    """
    kept = np.ones(data.size, np.bool_)
    kept[found.begin[found.is_blank]] = False
    quoted = np.flatnonzero(values.is_plain & values.is_quoted)
    kept[_ranges(values.end[quoted], end[quoted])] = False
    gone = np.flatnonzero(~kept)
    text = data[kept] if gone.size else data
    offsets = offsets - np.searchsorted(gone, offsets)
    if not quoted.size:
        return text, offsets
    quotes = np.stack([begin[quoted], end[quoted]], axis=1).reshape(-1)
    quotes -= np.searchsorted(gone, quotes)
    offsets = offsets + np.searchsorted(quotes, offsets)
    is_old = np.ones(text.size + quotes.size, np.bool_)
    is_old[quotes + np.arange(quotes.size)] = False
    made = np.full(is_old.size, ord('"'), np.uint8)
    made[is_old] = text
    return made, offsets


def _ranges(begin: Places, end: Places) -> Places:
    """All places from each `begin` to its `end`."""
    sizes = end - begin
    before = np.cumsum(sizes) - sizes
    return np.repeat(begin - before, sizes) + np.arange(int(sizes.sum()))
