"""What stands around the payloads of a chunk of deliveries: properties, and entries of the header tables.

Column by column, not message by message: property k of all messages is found at once, then entry k of all
header tables. Only tables with very many entries, or damaged ones, are read one by one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from attrs import frozen

from eventreplay.sources.rabbitmq.fields import (
    FIXED_BYTES,
    SIZED,
    WHOLE,
    FieldError,
    entry_places,
    value_text,
)
from eventreplay.sources.rabbitmq.frames import Chunk, FrameError
from eventreplay.sources.rabbitmq.places import Bytes, Flags, Places, Slices, cut, number, signed

_SHORT_TEXTS = {
    "content_type": 15,
    "content_encoding": 14,
    "correlation_id": 10,
    "reply_to": 9,
    "expiration": 8,
    "message_id": 7,
    "type": 5,
    "user_id": 4,
    "app_id": 3,
    "cluster_id": 2,
}
"""Bit of each text property in the flags of a content header (AMQP 0-9-1, 4.2.6.1 and class basic)."""

_HEADERS, _DELIVERY_MODE, _PRIORITY, _TIMESTAMP = 13, 12, 11, 6
_ROUNDS_MAX = 64
"""Entries up to which tables are read side by side; what is behind them is read one by one."""

_HEADER_BYTES_MIN = 14
"""Class, weight, body size and flags."""

_ORDER = (
    *("content_type", "content_encoding", _HEADERS, _DELIVERY_MODE, _PRIORITY, "correlation_id", "reply_to"),
    *("expiration", "message_id", _TIMESTAMP, "type", "user_id", "app_id", "cluster_id"),
)


@frozen
class Entries:
    """Header entries of all messages, by row and in the order they stand: names and values as text.

    `kind` is the type of each value on the wire, `raw` its number where it is a whole number or a moment.
    """

    row: Places
    name: pa.Array
    text: pa.Array
    kind: Bytes
    raw: Places


@frozen
class Envelopes:
    """Columns as long as the chunk has deliveries.

    Attributes:
        first_tag, last_tag: delivery tags of the first and the last.
        texts: text property to column, null where it is absent or empty.
        timestamp: seconds of the property, -1 where it is absent.
        entries: of the header tables.
        payload: bodies.
        malformed: rows whose properties or headers cannot be read; their other values mean nothing.
    """

    first_tag: int
    last_tag: int
    texts: dict[str, pa.Array]
    timestamp: Places
    entries: Entries
    payload: pa.Array
    malformed: Flags


def envelopes(chunk: Chunk) -> Envelopes:
    """Read everything but the meaning; at least one delivery.

    Raises:
        FrameError: a delivery method cannot be read.
    """
    data = np.frombuffer(chunk.data, dtype=np.uint8)
    start = np.array(chunk.starts, dtype=np.int64)
    header = start + 8 + number(data, start + 3, 4)
    header_bytes = number(data, header + 3, 4)
    body = np.minimum(header + 8 + header_bytes + 7, len(data))  # past the end where there is no body
    body_bytes = number(data, header + 11, 8)
    body_bytes[list(chunk.oversized)] = 0
    tag = np.minimum(start + 12 + data[start + 11], header - 9)
    exchange, routing_key, method_end = _delivery_texts(data, tag, header - 1)
    if (method_end != header - 1).any():
        # Its tag cannot be believed either, and what is acknowledged by a wrong tag is lost.
        raise FrameError("A delivery method that cannot be read.")
    texts, table, timestamp, fine = _properties(data, header, header + 7 + header_bytes)
    malformed = ~fine | (header_bytes < _HEADER_BYTES_MIN)
    entries, unread = _entries(data, table, ~malformed)
    malformed[unread] = True
    texts |= {"exchange": exchange, "routing_key": routing_key}
    return Envelopes(
        first_tag=int(number(data, tag[:1], 8)[0]),
        last_tag=int(number(data, tag[-1:], 8)[0]),
        texts={name: cut(data, slices, pa.string()) for name, slices in texts.items() if slices.there.any()},
        timestamp=timestamp,
        entries=entries,
        payload=cut(data, Slices(body, body_bytes, np.ones(len(start), bool)), pa.binary()),
        malformed=malformed,
    )


def _delivery_texts(data: Bytes, tag: Places, limit: Places) -> tuple[Slices, Slices, Places]:
    """Exchange and routing key of the delivery methods, and where they end."""
    at = np.minimum(tag + 9, limit)
    exchange = data[at].astype(np.int64)
    key_at = np.minimum(at + 1 + exchange, limit)
    key = data[key_at].astype(np.int64)
    end = key_at + 1 + key
    fine = end <= limit
    return (
        Slices(at + 1, exchange, fine & (exchange > 0)),
        Slices(key_at + 1, key, fine & (key > 0)),
        end,
    )


def _properties(
    data: Bytes, header: Places, limit: Places
) -> tuple[dict[str, Slices], Slices, Places, Flags]:
    """Text properties, header tables, timestamps, and which rows could be read; `limit` is the end mark."""
    flags = number(data, header + 19, 2)
    present = int(np.bitwise_or.reduce(flags))
    at = header + 21
    nothing = np.zeros(len(header), dtype=np.int64)
    texts: dict[str, Slices] = {}
    table = Slices(at, nothing, nothing > 0)
    timestamp = nothing - 1
    for name in _ORDER:
        bit = _SHORT_TEXTS[name] if isinstance(name, str) else name
        if not present >> bit & 1:
            continue
        there = (flags >> bit & 1).astype(bool)
        at = np.minimum(at, limit)
        if isinstance(name, str):
            length = np.where(there, data[at], 0).astype(np.int64)
            texts[name] = Slices(at + 1, length, there & (length > 0) & (at + 1 + length <= limit))
            at = at + np.where(there, 1 + length, 0)
        elif bit == _HEADERS:
            near = np.minimum(at, limit - 3)  # four bytes of length; a shorter rest is found out below
            length = np.where(there, number(data, near, 4), 0)
            there_whole = there & (near == at) & (at + 4 + length <= limit)
            table = Slices(at + 4, np.where(there_whole, length, 0), there_whole)
            at = at + np.where(there, 4 + length, 0)
        elif bit == _TIMESTAMP:
            near = np.minimum(at, limit - 7)
            timestamp = np.where(there, number(data, near, 8), -1)
            at = at + np.where(there, 8, 0)
        else:
            at = at + there
    # The lowest two flags say that more flags follow, or nothing that is defined.
    return texts, table, timestamp, (at == limit) & (flags & 3 == 0)


def _entries(data: Bytes, table: Slices, fine: Flags) -> tuple[Entries, Places]:
    """All header entries, and the rows whose table cannot be read."""
    row = np.flatnonzero(table.there & (table.length > 0) & fine)
    at, end = table.begin[row], (table.begin + table.length)[row]
    found: list[tuple[Places, ...]] = []
    unread: list[Places] = []
    for _ in range(_ROUNDS_MAX):
        if not len(row):
            break
        name_bytes = data[at].astype(np.int64)
        kind_at = np.minimum(at + 1 + name_bytes, end)
        kind = data[kind_at]
        sized = _IS_SIZED[kind]
        near = np.minimum(kind_at + 1, end - 3)
        begin = kind_at + 1 + np.where(sized, 4, 0)
        length = np.where(sized, number(data, near, 4), _FIXED[kind])
        behind = begin + length
        whole = (_FIXED[kind] >= 0) & (kind_at < end) & (behind <= end)
        unread.append(row[~whole])
        found.append((row, at + 1, name_bytes, kind.astype(np.int64), begin, length))
        if not whole.all():
            found[-1] = tuple(part[whole] for part in found[-1])
        more = whole & (behind < end)
        row, at, end = row[more], behind[more], end[more]
    for number_of_row, begin_at, end_at in zip(row.tolist(), at.tolist(), end.tolist(), strict=True):
        found.append(_rest_of_table(data, number_of_row, begin_at, end_at, unread))
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Entries(
            empty, pa.array([], pa.string()), pa.array([], pa.string()), empty.astype(np.uint8), empty
        ), empty
    row, name_at, name_bytes, kinds, begin, length = (
        np.concatenate(part) for part in zip(*found, strict=True)
    )
    order = np.argsort(begin, kind="stable")  # by place: row by row, and in the order of the table
    row, name_at, name_bytes, kinds, begin, length = (
        part[order] for part in (row, name_at, name_bytes, kinds, begin, length)
    )
    every = np.ones(len(row), dtype=bool)
    name = cut(data, Slices(name_at, name_bytes, every), pa.string())
    text, bad, raw = _value_texts(data, row, kinds, Slices(begin, length, every))
    return Entries(row, name, text, kinds.astype(np.uint8), raw), np.concatenate([*unread, bad])


def _rest_of_table(data: Bytes, row: int, at: int, end: int, unread: list[Places]) -> tuple[Places, ...]:
    """Places of the remaining entries of one long table."""
    table = data[at:end].tobytes()
    try:
        places = np.array(entry_places(table), dtype=np.int64).reshape(-1, 5)
    except FieldError:
        unread.append(np.array([row], dtype=np.int64))
        places = np.zeros((0, 5), dtype=np.int64)
    name_at, name_bytes, kind, begin, length = places.T
    return np.full(len(places), row, dtype=np.int64), name_at + at, name_bytes, kind, begin + at, length


def _value_texts(data: Bytes, row: Places, kinds: Places, slices: Slices) -> tuple[pa.Array, Places, Places]:
    """The values as text, rows that have none, and whole numbers and moments as numbers (else 0)."""
    text = cut(data, slices, pa.string())
    raw = np.zeros(len(kinds), dtype=np.int64)
    other = kinds != ord("S")
    bad: list[int] = []
    if not other.any():
        return text, np.array(bad, dtype=np.int64), raw
    places: list[Places] = [np.flatnonzero(~other)]
    parts = [text.filter(pa.array(~other))]
    for kind in np.unique(kinds[other]).tolist():
        chosen = np.flatnonzero(kinds == kind)
        at = slices.begin[chosen]
        if kind in WHOLE:
            width = FIXED_BYTES[kind]
            raw[chosen] = (number if WHOLE[kind].format in {">B", ">H", ">I"} else signed)(data, at, width)
            made = pa.array(raw[chosen]).cast(pa.string())
        else:
            if kind == ord("T"):
                raw[chosen] = number(data, at, 8)
            made = _texts_one_by_one(data, kind, slices, chosen, row, bad)
        places.append(chosen)
        parts.append(made)
    back = np.argsort(np.concatenate(places), kind="stable")
    together = pa.concat_arrays(parts).take(pa.array(back))
    return together, np.array(bad, dtype=np.int64), raw


def _texts_one_by_one(
    data: Bytes, kind: int, slices: Slices, chosen: Places, row: Places, bad: list[int]
) -> pa.Array:
    """Texts of the rarer types; equal bytes are read once."""
    ends = slices.begin + slices.length
    known: dict[bytes, str] = {}
    made = []
    for entry in chosen.tolist():
        value = data[slices.begin[entry] : ends[entry]].tobytes()
        if value not in known:
            try:
                known[value] = value_text(kind, value)
            except FieldError:
                bad.append(int(row[entry]))
                made.append("")
                continue
        made.append(known[value])
    return pa.array(made, pa.string())


_FIXED = np.full(256, -1, dtype=np.int64)
_IS_SIZED = np.zeros(256, dtype=bool)
for _kind, _bytes in FIXED_BYTES.items():
    _FIXED[_kind] = _bytes
for _kind in SIZED:
    _FIXED[_kind], _IS_SIZED[_kind] = 0, True
