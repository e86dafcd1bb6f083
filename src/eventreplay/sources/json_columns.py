"""Many JSON lines at once: the events of a block as columns, without touching a line in Python.

Arrow's own JSON reader would parse the payload and lose the text it was written in, so it only checks the
grammar here. The members' places are found with NumPy: quotes and brackets give depth, depth gives the
top-level members, and their values are cut out as they stand. Only plain lines are taken: known names or
text headers, texts without escapes, moments in UTC, payloads as objects, arrays or base64. Every other line
is left to `json_record.event_row`, which defines what is right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from attrs import frozen

from eventreplay.batch import HEADERS, TIMESTAMP
from eventreplay.sources.json_marks import (
    BLANK,
    CLOSE_ARRAY,
    CLOSE_OBJECT,
    COLON,
    OPEN_ARRAY,
    OPEN_OBJECT,
    QUOTE,
    Bytes,
    Flags,
    Marks,
    Places,
    base64_bytes,
    cut,
    marks,
)
from eventreplay.sources.json_record import DEFAULT_CONTENT_TYPES, JSON_DEPTH_MAX, NAMES, PAYLOADS

_BLANKS_MAX = 16
"""Blanks around a value up to which it is cut out here; more of them are a case for the slow path."""

_TEXTS = ("event_id", "event_type", "stream_id", "source", "occurred_at", "recorded_at", "content_type")
_ROLES = tuple(dict.fromkeys(NAMES.values()))
_HEADER, _UNCLEAR = -1, -2
_REQUIRED = ("event_id", "event_type", "occurred_at")
# Year 0 is the slow path's to refuse; so is anything finer than a microsecond its to cut off.
_MOMENT = (
    r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,6})?Z$"
)


class NotPlain(Exception):  # noqa: N818 - a verdict about data; the caller halves the block and goes on
    """Something in the block keeps it from being read as a whole."""


@frozen
class _Members:
    """Top-level members of all lines in order: line, name, role of the name, trimmed place of the value.

    `role` is the number of an attribute in `_ROLES`, `_HEADER` for a name of its own, or `_UNCLEAR` for a
    name that has to be looked at closely; `is_plain` marks texts without escapes.
    """

    data: Bytes
    line: Places
    name: pa.DictionaryArray
    role: npt.NDArray[np.int64]
    begin: Places
    end: Places
    is_null: Flags
    is_plain: Flags


def plain_events(block: bytes, begins: Places, ends: Places) -> tuple[Flags, pa.RecordBatch]:
    """Which lines were taken, and their events without positions, in the order of the lines.

    Args:
        block: the text; bytes between the lines are separators.
        begins: place where each line begins.
        ends: place behind each line, which is not empty.

    Raises:
        NotPlain: a line in here is not JSON, not UTF-8, or not an object: halve the block.
    """
    _check_grammar(block, begins)
    data = np.frombuffer(block, dtype=np.uint8)
    found = marks(data)
    taken = _whole_objects(data, found, begins, ends)
    members = _members(data, found, begins)
    taken[members.line[members.role == _UNCLEAR]] = False
    where = {
        name: _one_per_line(members, name, taken) for name in (*_TEXTS, "specversion", "headers", *PAYLOADS)
    }
    for name in _TEXTS:
        taken &= (where[name] < 0) | _at(members.is_plain, where[name])
    for name in _REQUIRED:
        taken &= where[name] >= 0
    headers = _headers(members, where, taken)
    texts = _texts(members, where, taken)
    payloads = _payloads(members, where, taken)
    keep = pa.array(taken)
    texts = {name: text.filter(keep) for name, text in texts.items()}
    content_type, payload = (column.filter(keep) for column in payloads)
    declared = pc.if_else(
        pc.equal(texts["content_type"], ""), pa.scalar(None, pa.string()), texts["content_type"]
    )
    arrays = {
        "event_id": texts["event_id"],
        "event_type": texts["event_type"],
        "stream_id": texts["stream_id"].fill_null(""),
        "source": texts["source"].fill_null(""),
        "occurred_at": _moments(texts["occurred_at"]),
        "recorded_at": _moments(texts["recorded_at"]),
        "content_type": pc.coalesce(declared, content_type),
        "headers": _header_maps(headers, taken),
        "payload": payload,
    }
    return taken, pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _check_grammar(block: bytes, begins: Places) -> None:
    """JSON grammar by Arrow, which accepts three things too many: NaN, keys twice, any depth (see below)."""
    if b"\x00" in block:
        raise NotPlain
    try:
        block.decode()
        options = pa.json.ParseOptions(
            explicit_schema=pa.schema([("\x01", pa.null())]), unexpected_field_behavior="ignore"
        )
        table = pa.json.read_json(
            pa.BufferReader(block),
            read_options=pa.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=options,
        )
    except (UnicodeDecodeError, pa.ArrowInvalid):
        raise NotPlain from None
    if table.num_rows != len(begins):
        raise NotPlain


def _whole_objects(data: Bytes, found: Marks, begins: Places, ends: Places) -> Flags:
    """Lines that are exactly one object, not too deep, without NaN or Infinity."""
    if found.quotes.size % 2 or not found.at.size or (data[begins] != OPEN_OBJECT).any():
        raise NotPlain
    first = np.searchsorted(found.at, begins)
    last = np.searchsorted(found.at, ends) - 1
    if (last < first).any() or (found.at[first] != begins).any() or (found.depth[last] != 0).any():
        raise NotPlain
    closes = np.cumsum((found.depth == 0) & (found.kind == CLOSE_OBJECT))
    if (np.diff(closes[last], prepend=0) != 1).any():
        raise NotPlain
    taken = np.maximum.reduceat(found.depth, first) <= JSON_DEPTH_MAX
    rest = ends - found.at[last] - 1
    taken &= (rest == 0) | ((rest == 1) & (data[ends - 1] == ord("\r")))
    capital = np.flatnonzero((data == ord("N")) | (data == ord("I")))
    outside = capital[np.searchsorted(found.quotes, capital) % 2 == 0]
    taken[np.searchsorted(begins, outside, side="right") - 1] = False
    return np.asarray(taken)


def _members(data: Bytes, found: Marks, begins: Places) -> _Members:
    opens = (found.kind == OPEN_OBJECT) | (found.kind == OPEN_ARRAY)
    closes = (found.kind == CLOSE_OBJECT) | (found.kind == CLOSE_ARRAY)
    outer = np.where(opens, 1, np.where(closes, 0, found.depth))
    # The outermost braces themselves, and the colons and commas directly within them.
    at_top = (found.depth == outer) & (found.depth <= 1)
    place, kind = found.at[at_top], found.kind[at_top]
    colon = np.flatnonzero(kind == COLON)
    quote = np.searchsorted(found.quotes, place[colon - 1])
    names = cut(data, found.quotes[quote] + 1, found.quotes[quote + 1]).dictionary_encode()
    begin, end = _trimmed(data, place[colon] + 1, place[colon + 1])
    known = np.array([_role(name) for name in names.dictionary.to_pylist()] or [_UNCLEAR], dtype=np.int64)
    first = data[begin]
    escapes = np.searchsorted(found.backslashes, end) - np.searchsorted(found.backslashes, begin)
    return _Members(
        data,
        line=np.searchsorted(begins, place[colon], side="right") - 1,
        name=names,
        role=known[names.indices.to_numpy()],
        begin=begin,
        end=end,
        is_null=first == ord("n"),
        is_plain=(first == QUOTE) & (escapes == 0),
    )


def _trimmed(data: Bytes, begin: Places, end: Places) -> tuple[Places, Places]:
    for _ in range(_BLANKS_MAX):
        left, right = BLANK[data[begin]], BLANK[data[end - 1]]
        if not left.any() and not right.any():
            return begin, end
        begin = begin + left
        end = end - right
    raise NotPlain


def _role(name: bytes) -> int:
    if b"\\" in name:
        return _UNCLEAR
    attribute = NAMES.get(name.decode())
    return _HEADER if attribute is None else _ROLES.index(attribute)


def _one_per_line(members: _Members, role: str, taken: Flags) -> Places:
    """The member of each line in that role, -1 for none or null; a line with two is not taken."""
    index = np.flatnonzero(members.role == _ROLES.index(role))
    taken &= np.bincount(members.line[index], minlength=taken.size) <= 1
    where = np.full(taken.size, -1, dtype=np.int64)
    present = index[~members.is_null[index]]
    where[members.line[present]] = present
    return where


def _at(flags: Flags, where: Places) -> Flags:
    """The flag of each line's member; meaningless where there is none."""
    return flags[where] if flags.size else np.zeros(where.size, dtype=np.bool_)


@frozen
class _Headers:
    """Names and texts of headers (bytes) with the line of each, in no order yet."""

    line: Places
    name: pa.BinaryArray
    text: pa.BinaryArray


def _headers(members: _Members, where: dict[str, Places], taken: Flags) -> _Headers:
    """Headers of all lines: those of the object `headers` first, then members with names of their own.

    Not taken: lines with a header that is no plain text or stands twice, or of CloudEvents other than 1.0.
    """
    versions = np.flatnonzero(taken & (where["specversion"] >= 0))
    version = where["specversion"][versions]
    usual = pc.equal(cut(members.data, members.begin[version], members.end[version]), b'"1.0"')
    taken[versions] = usual.to_numpy(zero_copy_only=False)
    parts = [_header_members(members, np.flatnonzero(members.role == _HEADER), members.line, taken)]
    lines = np.flatnonzero(taken & (where["headers"] >= 0))
    given = where["headers"][lines]
    is_object = members.data[members.begin[given]] == OPEN_OBJECT
    taken[lines[~is_object]] = False
    lines, given = lines[is_object], given[is_object]
    sizes = members.end[given] - members.begin[given]
    if (sizes > len(b"{}")).any():
        # The objects, one behind the other, are a text like the block, one level down.
        text = cut(members.data, members.begin[given], members.end[given])
        data = np.frombuffer(text.buffers()[2], dtype=np.uint8)
        inner = _members(data, marks(data), np.cumsum(sizes) - sizes)
        parts.insert(0, _header_members(inner, np.arange(inner.line.size), lines[inner.line], taken))
    found = _Headers(
        np.concatenate([part.line for part in parts]),
        pa.concat_arrays([part.name for part in parts]),
        pa.concat_arrays([part.text for part in parts]),
    )
    names = found.name.dictionary_encode()
    key = found.line * len(names.dictionary) + names.indices.to_numpy()
    order = np.argsort(key, kind="stable")
    taken[found.line[order[1:][np.diff(key[order]) == 0]]] = False
    return found


def _header_members(members: _Members, index: Places, line: Places, taken: Flags) -> _Headers:
    """The members at `index` as headers; `line` is that of every member."""
    escaped = np.array([b"\\" in name for name in members.name.dictionary.to_pylist()] or [False])
    fine = members.is_plain & ~(escaped[members.name.indices.to_numpy()])
    # A null is an absent member, but not an absent header: the slow path tells them apart.
    taken[line[index[~fine[index]]]] = False
    index = index[fine[index]]
    text = cut(members.data, members.begin[index] + 1, members.end[index] - 1)
    return _Headers(line[index], members.name.take(pa.array(index)).cast(pa.binary()), text)


def _header_maps(headers: _Headers, taken: Flags) -> pa.MapArray:
    """The headers of the lines taken."""
    order = np.argsort(headers.line, kind="stable")
    order = order[taken[headers.line[order]]]
    counts = np.bincount(headers.line[order], minlength=taken.size)[taken]
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    chosen = pa.array(order)
    names, texts = (column.take(chosen).view(pa.string()) for column in (headers.name, headers.text))
    return pa.MapArray.from_arrays(offsets, names, texts).cast(HEADERS)


def _spread(values: pa.Array, lines: Places, count: int) -> pa.Array:
    """One value per line: `values` at `lines`, null elsewhere."""
    index = np.zeros(count, dtype=np.int64)
    absent = np.ones(count, dtype=np.bool_)
    index[lines] = np.arange(lines.size)
    absent[lines] = False
    return values.take(pa.array(index, mask=absent))


def _texts(members: _Members, where: dict[str, Places], taken: Flags) -> dict[str, pa.Array]:
    """The text attributes of all lines; a line with an empty id or another form of time is not taken."""
    texts: dict[str, pa.Array] = {}
    for name in _TEXTS:
        lines = np.flatnonzero(taken & (where[name] >= 0))
        member = where[name][lines]
        # Valid UTF-8: the block is, and a quote never lies within a character.
        found = cut(members.data, members.begin[member] + 1, members.end[member] - 1).view(pa.string())
        texts[name] = _spread(found, lines, taken.size)
    for name in ("event_id", "event_type"):
        taken &= pc.fill_null(pc.not_equal(texts[name], ""), fill_value=False).to_numpy(zero_copy_only=False)
    for name in ("occurred_at", "recorded_at"):
        usual = pc.fill_null(pc.match_substring_regex(texts[name], _MOMENT), fill_value=True)
        taken &= usual.to_numpy(zero_copy_only=False)
    return texts


def _moments(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        raise NotPlain from None


def _payloads(members: _Members, where: dict[str, Places], taken: Flags) -> tuple[pa.Array, pa.Array]:
    """Default content type and payload of all lines; one without exactly one plain payload is not taken."""
    count = taken.size
    taken &= sum((where[name] >= 0).astype(np.int8) for name in PAYLOADS) == 1
    values: list[pa.Array] = []
    kinds: list[pa.Array] = []
    lines_of: list[Places] = []
    for name in PAYLOADS:
        lines = np.flatnonzero(taken & (where[name] >= 0))
        member = where[name][lines]
        begin, end = members.begin[member], members.end[member]
        if name.endswith("_base64"):
            fine = members.is_plain[member]
            begin, end = np.where(fine, begin + 1, begin), np.where(fine, end - 1, begin)
            decodes, value = base64_bytes(members.data, begin, end)
            fine = fine & decodes
        else:
            first = members.data[begin]
            fine = (first == OPEN_OBJECT) | (first == OPEN_ARRAY)
            value = cut(members.data, begin, end)
        taken[lines[~fine]] = False
        values.append(value)
        kinds.append(pa.repeat(pa.scalar(DEFAULT_CONTENT_TYPES[name], pa.string()), lines.size))
        lines_of.append(lines)
    lines = np.concatenate(lines_of)
    return _spread(pa.concat_arrays(kinds), lines, count), _spread(pa.concat_arrays(values), lines, count)
