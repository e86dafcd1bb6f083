"""Values of every type as pieces of text; numbers and moments stand in `numbers`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.canonical.numbers import (
    INSTANT,
    booleans,
    decimals,
    floats,
    instants,
    integers,
    timestamps,
    wide_integers,
)
from eventreplay.canonical.pool import FEW, Choice, Places, Pool, Token, folded, offsets_of
from eventreplay.errors import InvalidEventError

_BLOCK_BYTES = 1 << 16
"""Bytes looked at in one numpy call: small enough to stay in the cache and in the allocator's heap."""

_WIDE_BITS = 64
_SPACE, _QUOTE, _BACKSLASH = b' "\\'
_ESCAPES = {0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
_BASE64 = np.frombuffer(f"{ascii_uppercase}{ascii_lowercase}{digits}+/".encode(), np.uint8)


def tokens_of(array: pa.Array, pool: Pool) -> list[Token]:
    """The pieces of each value's text; `null` where there is none.

    Raises:
        InvalidEventError: the type has no canonical text.
    """
    if array.null_count == len(array):
        return ["null"]
    for fits, make in _MAKERS:
        if fits(array.type):
            return _or_null(make(array, pool), array, pool)
    raise InvalidEventError(
        f"Values of type {array.type} have no canonical JSON text.",
        hint="Convert the column first (times of day and intervals as strings, for example).",
        type=str(array.type),
    )


def _or_null(tokens: list[Token], array: pa.Array, pool: Pool) -> list[Token]:
    if array.null_count == 0:
        return tokens
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    places = [pool.places(token) for token in folded(tokens)]
    otherwise = [pool.constant("null"), *[pool.constant("")] * (len(places) - 1)]
    return [np.where(valid, to, other).astype(np.int32) for to, other in zip(places, otherwise, strict=True)]


def _struct(array: pa.Array, pool: Pool) -> list[Token]:
    tokens: list[Token] = ["{"]
    for at, name in enumerate(array.type.names):
        tokens.append(("," if at else "") + _quoted(name) + ":")
        tokens += tokens_of(_child(array, array.field(at)), pool)
    return [*tokens, "}"]


def _child(parent: pa.Array, child: pa.Array) -> pa.Array:
    """A child without what may stand under its parent's nulls, where that would be work (lists, maps)."""
    if not _is_list(child.type) or parent.null_count == 0:
        return child
    rows = pa.array(np.arange(len(child), dtype=np.int32))
    return child.take(pc.if_else(parent.is_valid(), rows, pa.scalar(None, pa.int32())))


def _list(array: pa.Array, pool: Pool) -> list[Token]:
    offsets = offsets_of(array)
    if array.null_count and np.diff(offsets)[~array.is_valid().to_numpy(zero_copy_only=False)].any():
        return _list(array.take(pa.array(np.arange(len(array), dtype=np.int32))), pool)
    first, size = int(offsets[0]), int(offsets[-1]) - int(offsets[0])
    is_map = pa.types.is_map(array.type)
    if size == 0:
        return ["{}" if is_map else "[]"]
    below = Pool()
    if is_map:
        values = tokens_of(array.items.slice(first, size), below)
        tokens = [*_key(array.keys.slice(first, size), below), ":", *values]
    else:
        tokens = tokens_of(array.values.slice(first, size), below)
    tokens = _separated(folded(tokens), offsets - first)
    content = pool.column(below.write(tokens, size, offsets - first))
    return ["{", content, "}"] if is_map else ["[", content, "]"]


def _separated(tokens: list[Token], offsets: npt.NDArray[np.int32]) -> list[Token]:
    """A comma before every item that is not its list's first."""
    first = np.zeros(int(offsets[-1]) + 1, np.bool_)
    first[offsets[:-1]] = True
    later = (~first[:-1]).astype(np.int32)
    head = tokens[0]
    if isinstance(head, str):
        return [Choice(later, pa.array([head, f",{head}"])), *tokens[1:]]
    if isinstance(head, Choice):
        texts = pa.concat_arrays([head.texts, pc.binary_join_element_wise(",", head.texts, "")])
        return [Choice(head.codes + later * np.int32(len(head.texts)), texts), *tokens[1:]]
    return [Choice(later, pa.array(["", ","])), *tokens]


def _key(keys: pa.Array, pool: Pool) -> list[Token]:
    """Object keys are strings, whatever the map's keys are."""
    tokens = tokens_of(keys, pool)
    kind = keys.type
    bare = pa.types.is_boolean(kind) or (pa.types.is_integer(kind) and kind.bit_width < _WIDE_BITS)
    return ['"', *tokens, '"'] if bare else tokens


def _strings(array: pa.Array, pool: Pool) -> list[Token]:
    return ['"', _escaped(array, pool), '"']


def _escaped(array: pa.Array, pool: Pool) -> Places:
    places = pool.column(array)
    offsets = offsets_of(array)
    first, last = int(offsets[0]), int(offsets[-1])
    if first == last:
        return places
    data = np.frombuffer(array.buffers()[2], np.uint8)[first:last]
    blocks = (data[at : at + _BLOCK_BYTES] for at in range(0, len(data), _BLOCK_BYTES))
    if not any(_special(block).any() for block in blocks):
        return places
    special = _special(data)
    rows = np.unique(np.searchsorted(offsets, np.flatnonzero(special) + first, "right") - 1)
    texts = array.take(pa.array(rows))
    present = np.unique(data[special]).tolist()
    for byte in sorted(present, key=lambda each: each != _BACKSLASH):  # it comes first: the others add more
        texts = pc.replace_substring(texts, chr(byte), _ESCAPES.get(byte, f"\\u{byte:04x}"))
    start = pool.add(texts)
    places[rows] = np.arange(start, start + len(rows), dtype=np.int32)
    return places


def _special(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which bytes JSON wants escaped; none of them is part of a longer UTF-8 character."""
    return np.asarray((data < _SPACE) | (data == _QUOTE) | (data == _BACKSLASH))


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """One string as JSON, by the same rule as a column's."""
    pool = Pool()
    return str(pool.write(_strings(pa.array([text]), pool), 1)[0].as_py())


def _binaries(array: pa.Array, pool: Pool) -> list[Token]:
    values = array.cast(pa.binary())
    return ['"', pool.column(_base64(values.fill_null(b"") if array.null_count else values)), '"']


def _base64(array: pa.Array) -> pa.Array:
    """Bytes in groups of three, each group four characters by a table; the last group padded with `=`."""
    offsets = offsets_of(array).astype(np.int64)
    lengths = np.diff(offsets)
    ends = np.concatenate(([0], np.cumsum(-(-lengths // 3))))
    source = np.zeros((int(ends[-1]), 3), np.uint8)
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    shift = np.repeat(3 * ends[:-1] - (offsets[:-1] - offsets[0]), lengths)
    source.reshape(-1)[np.arange(len(data)) + shift] = data
    bits = source[:, 0].astype(np.int32) << 16 | source[:, 1].astype(np.int32) << 8 | source[:, 2]
    text = np.stack([_BASE64[(bits >> by) & 63] for by in (18, 12, 6, 0)], axis=1)
    last, over = ends[1:] - 1, lengths % 3
    text[last[over == 1], 2] = ord("=")
    text[last[over > 0], 3] = ord("=")
    buffers = [None, pa.py_buffer((4 * ends).astype(np.int32)), pa.py_buffer(text.tobytes())]
    return pa.Array.from_buffers(pa.string(), len(array), buffers)


def _dictionaries(array: pa.Array, pool: Pool) -> list[Token]:
    own = Pool()
    values = own.write(tokens_of(array.dictionary, own), len(array.dictionary))
    codes = (array.indices.fill_null(0) if array.null_count else array.indices).to_numpy(zero_copy_only=False)
    if len(values) < min(FEW, len(codes)):
        return [Choice(codes.astype(np.int32), values)]
    return [codes.astype(np.int32) + np.int32(pool.add(values))]


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_map(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, Pool], list[Token]]], ...] = (
    (pa.types.is_string, _strings),
    (lambda kind: kind == INSTANT, instants),
    (pa.types.is_struct, _struct),
    (_is_list, _list),
    (pa.types.is_dictionary, _dictionaries),
    (lambda kind: kind in (pa.int64(), pa.uint64()), wide_integers),
    (pa.types.is_integer, integers),
    (pa.types.is_boolean, booleans),
    (pa.types.is_floating, floats),
    (pa.types.is_decimal128, decimals),
    (pa.types.is_timestamp, timestamps),
    (_is_binary, _binaries),
)
