"""How long a protobuf message is at least: the proof that the fast decoder read all of a payload.

ptars takes payloads that the official parser refuses or reads otherwise (a tag of nine bytes, a fixed-width
list cut short, both members of a oneof, ...). But every byte it read must be accounted for: if the values it
returned need at least as many bytes as the payload has, less one, then no byte is left for anything else.
A second value of a field, an unknown field or junk costs two bytes at least; one byte can only be an overlong
varint, which means the same to every parser, or the rest of a list of fixed-width numbers that was cut short,
so messages with such lists may have none. What is not proved this way goes to the official parser; most
producers' payloads never do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.descriptor import FieldDescriptor as Kind

from eventreplay.canonical.pool import offsets_of
from eventreplay.codecs.plan import Enum, Field, Map, Message, submessage, wire_code

Sizes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_VARINT_BITS = 7
_NEGATIVE_BYTES = {Kind.TYPE_INT32: 5, Kind.TYPE_ENUM: 5, Kind.TYPE_INT64: 10}
_FIXED_BYTES = {
    Kind.TYPE_FIXED32: 4,
    Kind.TYPE_SFIXED32: 4,
    Kind.TYPE_FLOAT: 4,
    Kind.TYPE_FIXED64: 8,
    Kind.TYPE_SFIXED64: 8,
    Kind.TYPE_DOUBLE: 8,
}
_ZIGZAG = (Kind.TYPE_SINT32, Kind.TYPE_SINT64)
_TEXTS = (Kind.TYPE_STRING, Kind.TYPE_BYTES)


Integers = npt.NDArray[np.int32] | npt.NDArray[np.int64] | npt.NDArray[np.uint64]


class Need(NamedTuple):
    """Least bytes per element, and which elements the official parser must see in any case."""

    sizes: Sizes
    doubts: Mask | None


def excess(message: Message, columns: pa.StructArray, lengths: Sizes) -> tuple[Sizes, Mask | None]:
    """Bytes that payloads of these `lengths` have beyond what `columns` need, and rows in doubt anyway."""
    need = _contents(message, columns)
    return lengths - need.sizes, need.doubts


def excess_bytes_max(message: Message) -> int:
    """By how much a payload may be longer than it had to be, and still hold nothing beyond its values."""
    for field in message.fields:
        below = submessage(field.node)
        if below is not None and excess_bytes_max(below) == 0:
            return 0
        if below is None and field.repeated and wire_code(field.node) in _FIXED_BYTES:
            return 0
    return 1


def least_bytes(message: Message, columns: pa.StructArray) -> int | None:
    """The least bytes of all rows together, told from sums; None where only `excess` can tell.

    No row has less than it needs, so if all together have no more than that, each has what it needs.
    """
    found = _sum_contents(message, columns)
    return None if found is None else found.total


def items_of(array: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """The items of a list array, without what its slice leaves out, and their offsets from 0."""
    offsets = offsets_of(array)
    first = int(offsets[0])
    return array.values.slice(first, int(offsets[-1]) - first), offsets - offsets[0]


def valid_of(array: pa.Array) -> Mask | None:
    """Which elements are there; None if all are."""
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None


def _contents(message: Message, columns: pa.StructArray) -> Need:
    total = np.zeros(len(columns), np.int64)
    doubts: Mask | None = None
    for field in message.fields:
        need = _field(field, columns.field(f"f{field.number}"))
        total += need.sizes
        doubts = _either(doubts, need.doubts)
    numbers = {field.name: field.number for field in message.fields}
    for members in message.oneofs:
        there = [
            columns.field(f"f{numbers[name]}").is_valid().to_numpy(zero_copy_only=False) for name in members
        ]
        doubts = _either(doubts, np.sum(there, axis=0) > 1)
    return Need(total, doubts)


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def _field(field: Field, array: pa.Array) -> Need:
    tag = varint_bytes(field.number << 3)
    if not field.repeated and not isinstance(field.node, Map):
        need = _value(field, array)
        valid = valid_of(array) if field.optional else _not_default(field, array)
        sizes = need.sizes + tag
        return Need(sizes if valid is None else sizes * valid, need.doubts)
    items, offsets = items_of(array)
    need = _value(field, items)
    counts = np.diff(offsets)
    values = _sums(need.sizes, offsets)
    sizes = values + counts * tag
    if wire_code_or_none(field) not in (None, *_TEXTS):  # packed or not, whichever is shorter
        sizes = np.minimum(sizes, (values + _varints(values) + tag) * (counts > 0))
    doubts = None if need.doubts is None else _sums(need.doubts.astype(np.int64), offsets) > 0
    # A map's entries may leave out keys and values, or repeat a key: never proved by their length.
    return Need(sizes, _either(doubts, counts > 0) if isinstance(field.node, Map) else doubts)


def wire_code_or_none(field: Field) -> int | None:
    """FieldDescriptor.TYPE_* of a scalar field; None for messages."""
    return None if submessage(field.node) is not None else wire_code(field.node)


def _sums(sizes: Sizes, offsets: npt.NDArray[np.int32]) -> Sizes:
    total = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=total[1:])
    return total[offsets[1:]] - total[offsets[:-1]]


def _value(field: Field, array: pa.Array) -> Need:
    """The least bytes of each value, without its tag."""
    below = submessage(field.node)
    if below is not None:
        need = _contents(below, array)
        return Need(need.sizes + _varints(need.sizes), need.doubts)
    code = wire_code(field.node)
    if code in _FIXED_BYTES:
        return Need(np.full(len(array), _FIXED_BYTES[code], np.int64), None)
    if code == Kind.TYPE_BOOL:
        return Need(np.ones(len(array), np.int64), None)
    if code in _TEXTS:
        lengths = np.diff(offsets_of(array)).astype(np.int64)
        return Need(lengths + _varints(lengths), None)
    values = _numbers(array)
    doubts = None
    if isinstance(field.node, Enum) and field.node.closed:
        doubts = ~np.isin(values, list(field.node.names))
    return Need(_integers(values, code), doubts)


def _numbers(array: pa.Array) -> npt.NDArray[np.int64]:
    values = array.fill_null(0) if array.null_count else array
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _zigzag(values: Integers) -> npt.NDArray[np.uint64]:
    wide = values.astype(np.int64)
    return ((wide << 1) ^ (wide >> 63)).view(np.uint64)


def _integers(values: npt.NDArray[np.int64], code: int) -> Sizes:
    if code in _ZIGZAG:
        return _varints(_zigzag(values))
    sizes = _varints(values)
    if code in _NEGATIVE_BYTES and len(values) and values.min() < 0:
        sizes[values < 0] = _NEGATIVE_BYTES[code]
    return sizes


def _varints(values: Integers) -> Sizes:
    """How many bytes each non-negative value takes as a varint."""
    sizes = np.ones(len(values), np.int64)
    highest = max(0, int(values.max())) if len(values) else 0
    for bits in range(_VARINT_BITS, highest.bit_length(), _VARINT_BITS):
        sizes += values >= values.dtype.type(1 << bits)
    return sizes


def varint_bytes(value: int) -> int:
    """How many bytes one non-negative value takes as a varint."""
    return max(1, -(-value.bit_length() // _VARINT_BITS))


def _not_default(field: Field, array: pa.Array) -> Mask:
    """Without presence, a default value is not on the wire."""
    code = wire_code(field.node)
    if code in _TEXTS:
        return np.asarray(np.diff(offsets_of(array)) > 0)
    values = array.to_numpy(zero_copy_only=False)
    if code in (Kind.TYPE_FLOAT, Kind.TYPE_DOUBLE):  # -0.0 is not the default
        values = values.view(np.int32 if code == Kind.TYPE_FLOAT else np.int64)
    return np.asarray(values != 0)


class _Sum(NamedTuple):
    """Least bytes of a whole column, and a bound on those of one element."""

    total: int
    longest: int


_SHORT = 1 << _VARINT_BITS
"""Below this, a length is one byte."""

_UNBOUNDED = 1 << 62


def _sum_contents(message: Message, columns: pa.StructArray) -> _Sum | None:
    if message.oneofs:
        return None
    total = longest = 0
    for field in message.fields:
        found = _sum_field(field, columns.field(f"f{field.number}"))
        if found is None:
            return None
        total += found.total
        longest += found.longest
    return _Sum(total, longest)


def _sum_field(field: Field, array: pa.Array) -> _Sum | None:
    if isinstance(field.node, Map):
        return None
    tag = varint_bytes(field.number << 3)
    if field.repeated:
        array, _ = items_of(array)
    below = submessage(field.node)
    if below is not None:
        inner = _sum_contents(below, array)
        if inner is None or inner.longest >= _SHORT:
            return None
        count = len(array) - array.null_count
        return _Sum(
            inner.total + count * (tag + 1), _UNBOUNDED if field.repeated else inner.longest + tag + 1
        )
    code = wire_code(field.node)
    if code in _TEXTS:
        offsets = offsets_of(array)
        lengths = np.diff(offsets)
        total = int(offsets[-1]) - int(offsets[0])
        count, more, longest = _spread(lengths)
        there = len(array) - array.null_count if field.optional or field.repeated else count
        most = _UNBOUNDED if field.repeated else longest + tag + varint_bytes(longest)
        return _Sum(total + there * (tag + 1) + more, most)
    if field.repeated or (isinstance(field.node, Enum) and field.node.closed):
        return None
    return _sum_scalars(field, array, code, tag)


def _sum_scalars(field: Field, array: pa.Array, code: int, tag: int) -> _Sum | None:
    if code in _FIXED_BYTES or code == Kind.TYPE_BOOL:
        size = tag + _FIXED_BYTES.get(code, 1)
        there = len(array) - array.null_count
        if not field.optional:
            there = int(np.count_nonzero(_not_default(field, array)))
        return _Sum(there * size, size)
    values = _zigzag(_numbers(array)) if code in _ZIGZAG else _numbers(array)
    if len(values) and int(values.min()) < 0:
        return None
    count, more, longest = _spread(values)
    there = len(array) - array.null_count if field.optional else count
    return _Sum(there * (tag + 1) + more, tag + varint_bytes(longest))


def _spread(values: Integers) -> tuple[int, int, int]:
    """How many are not zero, how many bytes their varints take beyond one each, and the largest."""
    longest = int(values.max()) if len(values) else 0
    thresholds = range(_VARINT_BITS, longest.bit_length(), _VARINT_BITS)
    more = sum(int(np.count_nonzero(values >= values.dtype.type(1 << bits))) for bits in thresholds)
    return int(np.count_nonzero(values)), more, longest
