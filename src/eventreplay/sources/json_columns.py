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
from eventreplay.sources.json_record import DEFAULT_CONTENT_TYPES, JSON_DEPTH_MAX, NAMES, PAYLOADS

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_QUOTE, _BACKSLASH, _COLON, _COMMA = (ord(mark) for mark in '"\\:,')
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = (ord(mark) for mark in "{}[]")
_BLANKS_MAX = 16
"""Blanks around a value up to which it is cut out here; more of them are a case for the slow path."""

_MARKS = np.zeros(256, dtype=np.bool_)
_MARKS[[ord(mark) for mark in '"\\:,{}[]']] = True
_STEP = np.zeros(256, dtype=np.int8)
_STEP[[_OPEN_OBJECT, _OPEN_ARRAY]] = 1
_STEP[[_CLOSE_OBJECT, _CLOSE_ARRAY]] = -1
BLANK = np.zeros(256, dtype=np.bool_)
BLANK[[ord(mark) for mark in " \t\n\r"]] = True
_NO_SIX_BITS = 255
_SIX_BITS = np.full(256, _NO_SIX_BITS, dtype=np.uint8)
_SIX_BITS[np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)] = (
    np.arange(64)
)
_TEXTS = ("event_id", "event_type", "stream_id", "source", "occurred_at", "recorded_at", "content_type")
_REQUIRED = ("event_id", "event_type", "occurred_at")
# Year 0 is the slow path's to refuse; so is anything finer than a microsecond its to cut off.
_MOMENT = (
    r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,6})?Z$"
)


class NotPlain(Exception):  # noqa: N818 - a verdict about data; the caller halves the block and goes on
    """Something in the block keeps it from being read as a whole."""


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
    backslashes = places[kinds == _BACKSLASH]
    is_quote = kinds == _QUOTE
    if backslashes.size:
        is_quote &= ~np.isin(places, _escaped(backslashes))
    inside = (np.cumsum(is_quote) & 1).astype(np.bool_)
    outside = ~inside & (kinds != _QUOTE) & (kinds != _BACKSLASH)
    kind = kinds[outside]
    return Marks(places[is_quote], backslashes, places[outside], kind, np.cumsum(_STEP[kind], dtype=np.int64))


def _escaped(backslashes: Places) -> Places:
    """Places whose character is escaped: behind every odd backslash of a run."""
    number = np.arange(backslashes.size)
    run_begin = np.maximum.accumulate(np.where(np.diff(backslashes, prepend=-2) != 1, number, 0))
    return np.asarray(backslashes[(number - run_begin) % 2 == 0] + 1)


@frozen
class _Members:
    """Top-level members of all lines in order: line, name, role of the name, trimmed place of the value.

    `role` is an attribute, "header", or nothing for a name that has to be looked at closely; `is_plain`
    marks texts without escapes.
    """

    data: Bytes
    line: Places
    name: pa.DictionaryArray
    role: npt.NDArray[np.object_]
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
    taken[members.line[members.role == ""]] = False
    where = {
        name: _one_per_line(members, name, taken) for name in (*_TEXTS, "specversion", "headers", *PAYLOADS)
    }
    for name in _TEXTS:
        taken &= (where[name] < 0) | _at(members.is_plain, where[name])
    for name in _REQUIRED:
        taken &= where[name] >= 0
    _leave_special_headers(members, where, taken)
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
        "headers": _header_maps(members, taken),
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
    if found.quotes.size % 2 or not found.at.size or (data[begins] != _OPEN_OBJECT).any():
        raise NotPlain
    first = np.searchsorted(found.at, begins)
    last = np.searchsorted(found.at, ends) - 1
    if (last < first).any() or (found.at[first] != begins).any() or (found.depth[last] != 0).any():
        raise NotPlain
    closes = np.cumsum((found.depth == 0) & (found.kind == _CLOSE_OBJECT))
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
    opens = (found.kind == _OPEN_OBJECT) | (found.kind == _OPEN_ARRAY)
    closes = (found.kind == _CLOSE_OBJECT) | (found.kind == _CLOSE_ARRAY)
    outer = np.where(opens, 1, np.where(closes, 0, found.depth))
    # The outermost braces themselves, and the colons and commas directly within them.
    at_top = (found.depth == outer) & (found.depth <= 1)
    place, kind = found.at[at_top], found.kind[at_top]
    colon = np.flatnonzero(kind == _COLON)
    quote = np.searchsorted(found.quotes, place[colon - 1])
    names = _cut(data, found.quotes[quote] + 1, found.quotes[quote + 1]).dictionary_encode()
    begin, end = _trimmed(data, place[colon] + 1, place[colon + 1])
    known = np.array([_role(name) for name in names.dictionary.to_pylist()] or [""], dtype=object)
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
        is_plain=(first == _QUOTE) & (escapes == 0),
    )


def _trimmed(data: Bytes, begin: Places, end: Places) -> tuple[Places, Places]:
    for _ in range(_BLANKS_MAX):
        left, right = BLANK[data[begin]], BLANK[data[end - 1]]
        if not left.any() and not right.any():
            return begin, end
        begin = begin + left
        end = end - right
    raise NotPlain


def _role(name: bytes) -> str:
    return "" if b"\\" in name else NAMES.get(name.decode(), "header")


def _one_per_line(members: _Members, role: str, taken: Flags) -> Places:
    """The member of each line in that role, -1 for none or null; a line with two is not taken."""
    index = np.flatnonzero(members.role == role)
    taken &= np.bincount(members.line[index], minlength=taken.size) <= 1
    where = np.full(taken.size, -1, dtype=np.int64)
    present = index[~members.is_null[index]]
    where[members.line[present]] = present
    return where


def _at(flags: Flags, where: Places) -> Flags:
    """The flag of each line's member; meaningless where there is none."""
    return flags[where] if flags.size else np.zeros(where.size, dtype=np.bool_)


def _leave_special_headers(members: _Members, where: dict[str, Places], taken: Flags) -> None:
    """Not taken: lines with headers that need a closer look, or of another CloudEvents version than 1.0.

    That is an object with content, a header that is no plain text, and a header that stands twice.
    """
    given = where["headers"]
    if members.begin.size:
        taken &= (given < 0) | ((members.end - members.begin)[given] == len(b"{}"))
        taken &= (given < 0) | (members.data[members.begin[given]] == _OPEN_OBJECT)
    versions = np.flatnonzero(taken & (where["specversion"] >= 0))
    version = where["specversion"][versions]
    usual = pc.equal(_cut(members.data, members.begin[version], members.end[version]), b'"1.0"')
    taken[versions] = usual.to_numpy(zero_copy_only=False)
    other = np.flatnonzero(members.role == "header")
    taken[members.line[other[~members.is_null[other] & ~members.is_plain[other]]]] = False
    key = members.line[other] * len(members.name.dictionary) + members.name.indices.to_numpy()[other]
    order = np.argsort(key, kind="stable")
    again = order[1:][np.diff(key[order]) == 0]
    taken[members.line[other[again]]] = False


def _cut(data: Bytes, begin: Places, end: Places) -> pa.BinaryArray:
    """The bytes of each place [begin, end)."""
    sizes = end - begin
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    index = np.repeat(begin - offsets[:-1], sizes) + np.arange(offsets[-1])
    return _binary(data[index], offsets)


def _binary(values: Bytes, offsets: Places) -> pa.BinaryArray:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


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
        found = _cut(members.data, members.begin[member] + 1, members.end[member] - 1).view(pa.string())
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
            decodes, value = _base64(members.data, begin, end)
            fine = fine & decodes
        else:
            first = members.data[begin]
            fine = (first == _OPEN_OBJECT) | (first == _OPEN_ARRAY)
            value = _cut(members.data, begin, end)
        taken[lines[~fine]] = False
        values.append(value)
        kinds.append(pa.repeat(pa.scalar(DEFAULT_CONTENT_TYPES[name], pa.string()), lines.size))
        lines_of.append(lines)
    lines = np.concatenate(lines_of)
    return _spread(pa.concat_arrays(kinds), lines, count), _spread(pa.concat_arrays(values), lines, count)


def _base64(data: Bytes, begin: Places, end: Places) -> tuple[Flags, pa.BinaryArray]:
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


def _header_maps(members: _Members, taken: Flags) -> pa.MapArray:
    """Members with names of their own, as the headers of the lines taken."""
    chosen = (members.role == "header") & ~members.is_null
    chosen &= taken[members.line] if chosen.size else False
    index = np.flatnonzero(chosen)
    counts = np.bincount(members.line[index], minlength=taken.size)[taken]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    names = members.name.take(pa.array(index)).cast(pa.binary()).view(pa.string())
    texts = _cut(members.data, members.begin[index] + 1, members.end[index] - 1).view(pa.string())
    return pa.MapArray.from_arrays(pa.array(offsets), names, texts).cast(HEADERS)
