"""Arrow values to canonical JSON text, a column at a time: one value, one text, whatever made it.

    keys in the columns' order, every key always there, absent = null, no whitespace
    integers up to 32 bits = number; 64 bits = string of digits; bool; float = shortest number,
    NaN and infinities = string; decimal = string with exactly the type's scale, never "-0"
    string = escaped only where JSON demands it; bytes = base64 string
    timestamp = "2026-01-31T23:59:59.123456Z", 9 digits where there are nanoseconds
    list = array; struct = object; map = object in the map's order; dictionary = its value

How: every text is a row of pieces (constants such as `,"sku":"`, and the texts of values). All distinct
pieces of a column stand in one pool, and a row is a list of places in it, so that one `take` over the pool
writes the text of all rows. Small integers and digit groups stand in fixed tables; nothing is formatted
twice, and no Python runs per value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.errors import InvalidEventError

Places = npt.NDArray[np.int32]


class _Choice(NamedTuple):
    """One of a few texts for each row, by index."""

    codes: Places
    texts: pa.Array


Token = str | _Choice | Places
"""One piece per row: the same constant in all of them, one of a few texts, or any place in the pool."""

INSTANT = pa.struct([pa.field("@seconds", pa.int64()), pa.field("@nanos", pa.int32())])
"""A moment as seconds since 1970 and nanoseconds: what no Arrow timestamp holds for the years 1 to 9999.
The names cannot be those of a protobuf field, so no other struct is taken for it."""

_SLICE_BYTES_MAX = 8 << 20
"""Input bytes turned into text at once: bounds the pool, whose offsets are 32 bits wide."""

_FEW = 1_024
"""Up to this many texts, neighbouring constants are joined to them beforehand, once instead of per row."""

_BLOCK_BYTES = 1 << 16
"""Bytes looked at in one numpy call: small enough to stay in the cache and in the allocator's heap."""

_GROUP_DIGITS = 4
_INT64_DIGITS = 18
_WIDE_BITS = 64
_ESCAPES = {0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
_INTEGERS = pa.array([str(number) for number in range(10**_GROUP_DIGITS)])
_TABLES = {
    "integers": _INTEGERS,
    **{f"{n}": pa.array([f"{number:0{n}d}" for number in range(10**n)]) for n in range(1, _GROUP_DIGITS + 1)},
    **{f".{n}": pa.array([f".{number:0{n}d}" for number in range(10**n)]) for n in range(1, _GROUP_DIGITS + 1)},
}
"""Texts of small integers, and of digit groups with leading zeros, without and with a point before them."""


def json_text(array: pa.Array) -> pa.Array:
    """The canonical JSON text of each value; null stays null.

    Args:
        array: any nesting of the types named above; slices are fine.

    Returns:
        string array of the same length.

    Raises:
        InvalidEventError: a type without canonical text, or more than 2 GiB of text in one array.
    """
    if len(array) == 0:
        return pa.array([], pa.string())
    step = max(1, len(array) * _SLICE_BYTES_MAX // max(array.nbytes, _SLICE_BYTES_MAX))
    try:
        parts = [_text(array.slice(at, step)) for at in range(0, len(array), step)]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    except pa.ArrowInvalid as error:
        raise InvalidEventError(
            "The JSON text of one batch is longer than 2 GiB.",
            hint="Decode fewer rows at a time (batch_rows_max).",
            rows=len(array),
        ) from error


def _text(array: pa.Array) -> pa.Array:
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.string())
    pool = _Pool()
    text = pool.write(_tokens(array, pool), len(array))
    if array.null_count == 0:
        return text
    return pc.if_else(array.is_valid(), text, pa.scalar(None, pa.string()))


class _Pool:
    """Texts side by side; a place is the index of one of them."""

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []
        self._size = 0
        self._constants: dict[str, int] = {}
        self._tables: dict[str, int] = {}

    def add(self, texts: pa.Array) -> int:
        """Add texts; the place of the first."""
        start = self._size
        self._parts.append(texts if texts.type == pa.string() else texts.cast(pa.string()))
        self._size += len(texts)
        return start

    def constant(self, text: str) -> int:
        """The place of one text."""
        if text not in self._constants:
            self._constants[text] = self.add(_one(text))
        return self._constants[text]

    def table(self, name: str) -> int:
        """The place of the first entry of a fixed table."""
        if name not in self._tables:
            self._tables[name] = self.add(_TABLES[name])
        return self._tables[name]

    def column(self, texts: pa.Array) -> Places:
        """Add one text per row."""
        start = self.add(texts)
        return np.arange(start, start + len(texts), dtype=np.int32)

    def places(self, token: Token) -> int | Places:
        """Where a token's texts stand: one place for all rows, or one for each."""
        if isinstance(token, str):
            return self.constant(token)
        if isinstance(token, _Choice):
            return token.codes + np.int32(self.add(token.texts))
        return token

    def write(self, tokens: list[Token], rows: int, ends: npt.NDArray[np.int32] | None = None) -> pa.Array:
        """Join each row's pieces; with `ends` (offsets), join the rows between two of them as well."""
        folded = _folded(tokens)
        places = np.empty((rows, len(folded)), np.int32)
        for at, token in enumerate(folded):
            places[:, at] = self.places(token)
        pieces = pc.take(pa.concat_arrays(self._parts), pa.array(places.ravel()), boundscheck=False)
        offsets = np.frombuffer(pieces.buffers()[1], np.int32)[pieces.offset : pieces.offset + len(pieces) + 1]
        cuts = np.ascontiguousarray(offsets[:: len(folded)] if ends is None else offsets[ends * len(folded)])
        return pa.Array.from_buffers(pa.string(), len(cuts) - 1, [None, pa.py_buffer(cuts), pieces.buffers()[2]])


@lru_cache(maxsize=4096)
def _one(text: str) -> pa.Array:
    return pa.array([text], pa.string())


def _folded(tokens: list[Token]) -> list[Token]:
    """Fewer pieces: constants joined to constants, and to the texts of choices beside them."""
    folded: list[Token] = []
    for token in tokens:
        last = folded[-1] if folded else None
        if isinstance(token, str) and isinstance(last, str):
            folded[-1] = last + token
        elif isinstance(token, str) and isinstance(last, _Choice):
            folded[-1] = last._replace(texts=pc.binary_join_element_wise(last.texts, token, ""))
        elif isinstance(token, _Choice) and isinstance(last, str):
            folded[-1] = token._replace(texts=pc.binary_join_element_wise(last, token.texts, ""))
        else:
            folded.append(token)
    return folded


def _tokens(array: pa.Array, pool: _Pool) -> list[Token]:
    """The pieces of each value; `null` where there is none."""
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


def _or_null(tokens: list[Token], array: pa.Array, pool: _Pool) -> list[Token]:
    if array.null_count == 0:
        return tokens
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    places = [pool.places(token) for token in _folded(tokens)]
    otherwise = [pool.constant("null"), *[pool.constant("")] * (len(places) - 1)]
    return [np.where(valid, here, other).astype(np.int32) for here, other in zip(places, otherwise, strict=True)]


def _struct(array: pa.Array, pool: _Pool) -> list[Token]:
    tokens: list[Token] = ["{"]
    for at, name in enumerate(array.type.names):
        tokens.append(("," if at else "") + _quoted(name) + ":")
        tokens += _tokens(_child(array, array.field(at)), pool)
    return [*tokens, "}"]


def _child(parent: pa.Array, child: pa.Array) -> pa.Array:
    """A child without what may stand under its parent's nulls, where that would be work (lists, maps)."""
    if parent.null_count == 0 or not _is_list(child.type):
        return child
    rows = pa.array(np.arange(len(child), dtype=np.int32))
    return child.take(pc.if_else(parent.is_valid(), rows, pa.scalar(None, pa.int32())))


def _list(array: pa.Array, pool: _Pool) -> list[Token]:
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    if array.null_count and np.diff(offsets)[~array.is_valid().to_numpy(zero_copy_only=False)].any():
        return _list(array.take(pa.array(np.arange(len(array), dtype=np.int32))), pool)
    first, last = int(offsets[0]), int(offsets[-1])
    is_map = pa.types.is_map(array.type)
    if first == last:
        return ["{}" if is_map else "[]"]
    below = _Pool()
    if is_map:
        size = last - first
        keys, items = array.keys.slice(first, size), array.items.slice(first, size)
        tokens = [*_key(keys, below), ":", *_tokens(items, below)]
    else:
        tokens = _tokens(array.values.slice(first, last - first), below)
    tokens = _separated(_folded(tokens), offsets - first, below)
    content = pool.column(below.write(tokens, last - first, offsets - first))
    return ["{", content, "}"] if is_map else ["[", content, "]"]


def _separated(tokens: list[Token], offsets: npt.NDArray[np.int32], pool: _Pool) -> list[Token]:
    """A comma before every item that is not its list's first."""
    size = int(offsets[-1])
    first = np.zeros(size + 1, np.bool_)
    first[offsets[:-1]] = True
    later = (~first[:size]).view(np.int8)
    head = tokens[0]
    if isinstance(head, str):
        return [_Choice(later.astype(np.int32), pa.array([head, f",{head}"])), *tokens[1:]]
    if isinstance(head, _Choice):
        texts = pa.concat_arrays([head.texts, pc.binary_join_element_wise(",", head.texts, "")])
        return [_Choice(head.codes + later * np.int32(len(head.texts)), texts), *tokens[1:]]
    return [_Choice(later.astype(np.int32), pa.array(["", ","])), *tokens]


def _key(keys: pa.Array, pool: _Pool) -> list[Token]:
    """Object keys are strings, whatever the map's keys are."""
    tokens = _tokens(keys, pool)
    bare = pa.types.is_boolean(keys.type) or pa.types.is_integer(keys.type) and keys.type.bit_width < _WIDE_BITS
    return ['"', *tokens, '"'] if bare else tokens


def _strings(array: pa.Array, pool: _Pool) -> list[Token]:
    return ['"', _escaped(array, pool), '"']


def _escaped(array: pa.Array, pool: _Pool) -> Places:
    places = pool.column(array)
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
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
    for byte in sorted(present, key=lambda each: each != 0x5C):  # the backslash first: the others add more
        texts = pc.replace_substring(texts, chr(byte), _ESCAPES.get(byte, f"\\u{byte:04x}"))
    start = pool.add(texts)
    places[rows] = np.arange(start, start + len(rows), dtype=np.int32)
    return places


def _special(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which bytes JSON wants escaped; none of them is part of a longer UTF-8 character."""
    return (data < 0x20) | (data == 0x22) | (data == 0x5C)


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """One string as JSON, by the same rule as a column's."""
    pool = _Pool()
    return str(pool.write(_strings(pa.array([text]), pool), 1)[0].as_py())


def _integers(array: pa.Array, pool: _Pool) -> list[Token]:
    values = (array.fill_null(0) if array.null_count else array).to_numpy(zero_copy_only=False)
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if low >= 0 and high < min(_FEW, len(values)):
        return [_Choice(values.astype(np.int32), _INTEGERS.slice(0, high + 1))]
    if low >= 0 and high < len(_INTEGERS):
        return [values.astype(np.int32) + np.int32(pool.table("integers"))]
    return [pool.column(array)]


def _wide_integers(array: pa.Array, pool: _Pool) -> list[Token]:
    return ['"', *_integers(array, pool), '"']


def _booleans(array: pa.Array, _pool: _Pool) -> list[Token]:
    values = pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False)
    return [_Choice(values.astype(np.int32), pa.array(["false", "true"]))]


def _floats(array: pa.Array, pool: _Pool) -> list[Token]:
    """Arrow writes the shortest digits that read back as the same number."""
    finite = pc.is_finite(array)
    texts = array.cast(pa.string())
    special = pc.if_else(pc.is_nan(array), '"NaN"', pc.if_else(pc.less(array, 0), '"-Infinity"', '"Infinity"'))
    return [pool.column(pc.if_else(finite, texts, special))]


def _decimals(array: pa.Array, pool: _Pool) -> list[Token]:
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
        tokens.append(np.where(negative, pool.constant("-"), pool.constant("")).astype(np.int32))
    tokens += _integers(pa.array(whole), pool)
    if scale > 0:
        tokens += _digit_groups(part, scale, pool)
    return [*tokens, '"']


def _whole_and_part(low: Any, high: Any, scale: int) -> tuple[Any, Any, Any] | None:
    """Digits before and after the point, and the sign, as 64-bit columns; None if they do not fit."""
    if scale > _INT64_DIGITS:
        return None
    negative = high < 0
    unit = np.int64(10**scale)
    if (high == low >> 63).all():
        if negative.any():
            if int(low.min()) == -(1 << 63):
                return None
            low = np.abs(low)
        whole = low // unit
        return whole, low - whole * unit, negative
    if negative.any():
        turned = np.where(negative, -low, low)
        high, low = np.where(negative, ~high + (turned == 0), high), turned
    # An estimate good to 2**-50 of the quotient, then corrected by the rest, which is exact modulo 2**64.
    size = high.astype(np.float64) * 2.0**64 + low.view(np.uint64)
    if float(size.max()) / 10.0**scale >= 2.0**48:
        return None
    whole = (size / 10.0**scale).astype(np.int64)
    part = low - whole * unit
    whole, part = np.where(part < 0, whole - 1, whole), np.where(part < 0, part + unit, part)
    return np.where(part >= unit, whole + 1, whole), np.where(part >= unit, part - unit, part), negative


def _wide_decimals(array: pa.Array, scale: int) -> pa.Array:
    """Any decimal: its integer's digits by Arrow, which writes an integer without an exponent, then the point."""
    integer = pa.decimal128(38, 0)
    whole = pa.Array.from_buffers(integer, len(array), array.buffers()[:2], offset=array.offset).cast(pa.string())
    if scale == 0:
        return whole
    sign = pc.if_else(pc.starts_with(whole, "-"), "-", "")
    padded = pc.ascii_lpad(pc.replace_substring(whole, "-", ""), scale + 1, "0")
    before, after = pc.utf8_slice_codeunits(padded, 0, -scale), pc.utf8_slice_codeunits(padded, -scale)
    return pc.binary_join_element_wise(sign, before, ".", after, "")


def _digit_groups(part: npt.NDArray[np.int64], scale: int, pool: _Pool) -> list[Token]:
    """A point and a number below 10**scale with leading zeros, four digits at a time."""
    tokens: list[Token] = []
    while scale > _GROUP_DIGITS:
        rest = part // 10**_GROUP_DIGITS
        tokens.insert(0, (part - rest * 10**_GROUP_DIGITS).astype(np.int32) + np.int32(pool.table(f"{_GROUP_DIGITS}")))
        part, scale = rest, scale - _GROUP_DIGITS
    return [part.astype(np.int32) + np.int32(pool.table(f".{scale}")), *tokens]


def _timestamps(array: pa.Array, pool: _Pool) -> list[Token]:
    filled = array.fill_null(pa.scalar(0, pa.int64()).cast(array.type)) if array.null_count else array
    ticks = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    seconds = ticks // per_second
    return _moments(seconds, (ticks - seconds * per_second) * (10**9 // per_second), pool)


def _instants(array: pa.Array, pool: _Pool) -> list[Token]:
    seconds, nanos = (array.field(at).to_numpy(zero_copy_only=False) for at in (0, 1))
    return _moments(seconds, nanos.astype(np.int64), pool)


def _moments(seconds: npt.NDArray[np.int64], nanos: npt.NDArray[np.int64], pool: _Pool) -> list[Token]:
    micros = nanos // 1000
    text = pa.array(seconds * 10**6 + micros).cast(pa.timestamp("us")).cast(pa.string())
    # "2026-01-31 23:59:59.123456": 26 bytes in the years 1 to 9999, so the T has a fixed place.
    size = 26
    data = np.frombuffer(text.buffers()[2], np.uint8)[: size * len(text)].reshape(-1, size).copy()
    data[:, 10] = ord("T")
    offsets = np.arange(0, size * (len(text) + 1), size, dtype=np.int32)
    fixed = pa.Array.from_buffers(pa.string(), len(text), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    rest = nanos - micros * 1000
    if not rest.any():
        return ['"', pool.column(fixed), 'Z"']
    more = np.where(rest > 0, rest + pool.table("3"), pool.constant("")).astype(np.int32)
    return ['"', pool.column(fixed), more, 'Z"']


def _binaries(array: pa.Array, pool: _Pool) -> list[Token]:
    filled = array.fill_null(b"") if array.null_count else array
    return ['"', pool.column(_base64(filled.cast(pa.binary()))), '"']


def _base64(array: pa.Array) -> pa.Array:
    """Bytes in groups of three, each group four characters by a table; the last group padded with `=`."""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    lengths = np.diff(offsets)
    groups = -(-lengths // 3)
    ends = np.concatenate(([0], np.cumsum(groups)))
    source = np.zeros((int(ends[-1]), 3), np.uint8)
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    shift = np.repeat(3 * ends[:-1] - (offsets[:-1] - offsets[0]), lengths)
    source.reshape(-1)[np.arange(len(data)) + shift] = data
    bits = source[:, 0].astype(np.int32) << 16 | source[:, 1].astype(np.int32) << 8 | source[:, 2]
    text = np.stack([_BASE64[(bits >> by) & 63] for by in (18, 12, 6, 0)], axis=1)
    last = ends[1:] - 1
    text[last[lengths % 3 == 1], 2] = ord("=")
    text[last[(lengths % 3 == 1) | (lengths % 3 == 2)], 3] = ord("=")
    cuts = (4 * ends).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(array), [None, pa.py_buffer(cuts), pa.py_buffer(text.tobytes())])


def _dictionaries(array: pa.Array, pool: _Pool) -> list[Token]:
    values = json_text(array.dictionary)
    codes = (array.indices.fill_null(0) if array.null_count else array.indices).to_numpy(zero_copy_only=False)
    if len(values) < min(_FEW, len(codes)):
        return [_Choice(codes.astype(np.int32), values)]
    return [codes.astype(np.int32) + np.int32(pool.add(values))]


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_map(kind)


_BASE64 = np.frombuffer(f"{ascii_uppercase}{ascii_lowercase}{digits}+/".encode(), np.uint8)
_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, _Pool], list[Token]]], ...] = (
    (pa.types.is_string, _strings),
    (lambda kind: kind == INSTANT, _instants),
    (pa.types.is_struct, _struct),
    (_is_list, _list),
    (pa.types.is_dictionary, _dictionaries),
    (lambda kind: kind in (pa.int64(), pa.uint64()), _wide_integers),
    (pa.types.is_integer, _integers),
    (pa.types.is_boolean, _booleans),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal128, _decimals),
    (pa.types.is_timestamp, _timestamps),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind), _binaries),
)
