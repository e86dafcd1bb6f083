"""Where brackets, colons, commas and texts of many JSON payloads stand, and which payloads are well formed.

Rows lie one behind the other in one buffer. Only rows that begin with `{`, end with `}`, have no backslash,
no control character and an even number of quotes are looked at: in those, every second quote ends a text,
and the last byte stands outside of all texts. So no row can reach into the next one.

Grammar: between two neighbouring tokens stands nothing, one text, or one scalar. Which of them may stand
there is a table of the token before, the token behind and the container around. The container around is
the last bracket opened at that depth, found by sorting tokens by depth.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from attrs import frozen

from eventreplay.codecs.limits import Limits

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int32]

_START, _OPEN_OBJECT, _OPEN_ARRAY, _CLOSE_OBJECT, _CLOSE_ARRAY, COLON, COMMA, _QUOTE, _WRONG = range(9)
NOTHING, TEXT, SCALAR, UNCLEAR = range(4)
"""What stands between two tokens; UNCLEAR is anything else."""

_LEVELS_MAX = 200
"""Deeper rows are left to the parser, whatever the limit: depths fit into a byte here, which sorts fast."""


def _classes() -> bytes:
    classes = bytearray(256)
    classes[:32] = bytes([_WRONG]) * 32
    classes[ord("\\")] = _WRONG
    for number, mark in enumerate('{[}]:,"', start=_OPEN_OBJECT):
        classes[ord(mark)] = number
    return bytes(classes)


def _allowed() -> Flags:
    """Index: the bracket of the container around, token before, what is between, token behind."""
    table = np.zeros((3, 7, 4, 7), dtype=np.bool_)
    table[:, _START, NOTHING, _OPEN_OBJECT] = True
    for opened in (_OPEN_OBJECT, _OPEN_ARRAY):
        table[_OPEN_OBJECT, COLON, NOTHING, opened] = True
        for before in (_OPEN_ARRAY, COMMA):
            table[_OPEN_ARRAY, before, NOTHING, opened] = True
    for before in (_OPEN_OBJECT, COMMA):
        table[_OPEN_OBJECT, before, TEXT, COLON] = True
    values = [(_OPEN_OBJECT, COLON), (_OPEN_ARRAY, COMMA), (_OPEN_ARRAY, _OPEN_ARRAY)]
    for (around, before), value in itertools.product(values, (TEXT, SCALAR)):
        table[around, before, value, [COMMA, around + 2]] = True
    for around, closed in itertools.product((_OPEN_OBJECT, _OPEN_ARRAY), (_CLOSE_OBJECT, _CLOSE_ARRAY)):
        table[around, closed, NOTHING, [COMMA, around + 2]] = True
        table[around, around, NOTHING, around + 2] = True
    return table


_CLASSES = _classes()
_ALLOWED = _allowed()
_WORD_BYTES = 8
_WORD_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(_WORD_BYTES + 1)], np.uint64)
_FACTORS = tuple(
    np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)


@frozen
class Tokens:
    """Brackets, colons and commas outside of texts, in order, of the rows still fine.

    `row` and `place` say where each stands, `first` is the first token of each of those rows. `between` is
    what stands before the token and behind the one before it, without the blank there may be at `begin`;
    `begin` is the end of the token before. `opened` and `closed` are the quotes of the texts at `texts`.
    """

    row: Places
    place: Places
    kind: Bytes
    first: Places
    before: Bytes
    begin: Places
    is_blank: Flags
    between: Bytes
    texts: Places
    opened: Places
    closed: Places


def tokens(raw: bytes, offsets: Places, fine: Flags) -> Tokens:
    """Tokens of rows; rows that cannot be looked at here are set to False in `fine`.

    Args:
        raw: the rows, one behind the other, each of two bytes or more.
        offsets: where each begins, and the end of the last.
        fine: one flag per row.
    """
    data = np.frombuffer(raw, np.uint8)
    classes = np.frombuffer(raw.translate(_CLASSES), np.uint8)
    place = np.flatnonzero(classes != 0)
    kind = classes[place]
    is_quote = kind == _QUOTE
    quotes = np.cumsum(is_quote, dtype=np.int32)
    edges = np.searchsorted(place, offsets)
    _screen(raw, kind, quotes, edges, offsets, fine)
    if not fine.all():
        sizes = np.diff(edges)
        kept = np.repeat(fine, sizes)
        place, kind, is_quote = place[kept], kind[kept], is_quote[kept]
        quotes = np.cumsum(is_quote, dtype=np.int32)
        edges = np.concatenate([[0], np.cumsum(sizes[fine])])
    at = np.flatnonzero(~is_quote & ((quotes & 1) == 0))
    first = np.searchsorted(at, edges[:-1])  # the first mark of each of these rows is its outer bracket
    counts = np.diff(first, append=at.size)
    passed = np.diff(quotes[at], prepend=0)
    texts = np.flatnonzero(passed == 2)  # noqa: PLR2004 - a text has two quotes
    opened, closed = place[at[texts - 1] + 1], place[at[texts] - 1]
    place, kind = place[at], kind[at]
    before = np.concatenate([kind[:1], kind[:-1]])
    before[first] = _START
    begin = np.concatenate([place[:1], place[:-1] + 1])
    begin[first] = place[first]
    end = place.copy()
    end[texts] = opened
    is_blank = (end > begin) & (data[begin] == ord(" "))
    is_filled = end > begin + is_blank
    between = np.where(passed == 0, np.where(is_filled, SCALAR, NOTHING), UNCLEAR).astype(np.uint8)
    between[texts[~is_filled[texts] & (closed + 1 == place[texts])]] = TEXT
    row = np.repeat(np.flatnonzero(fine), counts)
    return Tokens(row, place, kind, first, before, begin, is_blank, between, texts, opened, closed)


def _screen(raw: bytes, kind: Bytes, quotes: Counts, edges: Places, offsets: Places, fine: Flags) -> None:
    """Set rows to False in `fine` whose bytes alone say that they are none of ours.

    `quotes` is the number of quotes up to each mark and with it, `edges` the first mark of each row.
    """
    data = np.frombuffer(raw, np.uint8)
    fine &= (data[offsets[:-1]] == ord("{")) & (data[offsets[1:] - 1] == ord("}"))
    fine &= (np.diff(np.concatenate([[0], quotes])[edges]) & 1) == 0
    wrong = kind == _WRONG
    if wrong.any():
        fine &= np.diff(np.concatenate([[0], np.cumsum(wrong)])[edges]) == 0
    if raw.isascii() or _is_utf8(raw):  # all of it, so each row: their first and last bytes are ASCII
        return
    beyond = np.concatenate([[0], np.cumsum(data > 127)])  # noqa: PLR2004 - ASCII ends there
    rows = np.flatnonzero(fine & (np.diff(beyond[offsets]) > 0))
    ends = offsets[rows + 1].tolist()
    for row, begin, end in zip(rows.tolist(), offsets[rows].tolist(), ends, strict=True):
        fine[row] = _is_utf8(raw[begin:end])


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def check(raw: bytes, found: Tokens, fine: Flags, limits: Limits) -> None:
    """Set rows to False in `fine` that are not well formed, have equal keys, or are beyond the limits."""
    if not found.first.size:
        return
    kind, rows = found.kind, found.row[found.first]
    opens = kind <= _OPEN_ARRAY
    closes = (kind == _CLOSE_OBJECT) | (kind == _CLOSE_ARRAY)
    depth = np.cumsum(opens.astype(np.int8) - closes, dtype=np.int32)
    depth -= np.repeat(depth[found.first] - 1, np.diff(found.first, append=kind.size))
    last = np.append(found.first[1:], kind.size) - 1
    # Outside only behind the last token: rows that close too early, and those that never do, end here.
    is_inside = depth > 0
    fine[found.row[last[is_inside[last]]]] = False
    is_inside[last] = True
    fine[found.row[~is_inside]] = False
    level = np.clip(depth + closes, 0, _LEVELS_MAX + 1).astype(np.uint8)
    levels_max = min(limits.nesting_levels_max, _LEVELS_MAX)
    fine[rows[np.maximum.reduceat(level, found.first) > levels_max]] = False
    elements = np.add.reduceat(opens | (kind == COMMA), found.first, dtype=np.int64)
    is_text = np.zeros(kind.size, dtype=np.bool_)
    is_text[found.texts] = True
    texts = np.add.reduceat(is_text, found.first, dtype=np.int64)
    fine[rows[np.maximum(elements, texts // 2) > limits.elements_max]] = False
    opener = _openers(level, opens)
    around = kind[opener]
    # A bracket that opens stands within the container of the token before it.
    around = np.where(opens, np.concatenate([around[:1], around[:-1]]), around)
    is_right = _ALLOWED[np.minimum(around, _OPEN_ARRAY), found.before, found.between, kind]
    fine[found.row[~is_right]] = False
    keys = np.flatnonzero(kind[found.texts] == COLON)
    same = _alike(raw, found.opened[keys] + 1, found.closed[keys], opener[found.texts[keys]])
    fine[found.row[found.texts[keys[same]]]] = False


def _openers(level: Bytes, opens: Flags) -> Places:
    """The token that opened the container each token stands in, or that it opens or closes.

    Sound for every row whose depth is never below one before its last token: what is found then lies in
    the row itself, because a row only comes to a depth by a bracket that opens it.
    """
    order = np.argsort(level, kind="stable")
    latest = np.maximum.accumulate(np.where(opens[order], np.arange(order.size), 0))
    opener = np.empty_like(order)
    opener[order] = order[latest]
    return opener


def _alike(raw: bytes, begin: Places, end: Places, opener: Places) -> Places:
    """Keys that may stand twice in their object: equal keys always, others by a rare chance."""
    size = end - begin
    words = np.ndarray((len(raw),), np.dtype("<u8"), raw + bytes(_WORD_BYTES - 1), strides=(1,))
    mask = _WORD_MASKS[np.minimum(size, _WORD_BYTES)]
    head = words[begin] & mask
    tail = words[np.maximum(end - _WORD_BYTES, begin)] & mask
    parts = (head, tail, size.astype(np.uint64), opener.astype(np.uint64))
    marks = np.zeros(begin.size, np.uint64)
    for factor, part in zip(_FACTORS, parts, strict=True):
        marks += factor * part
    ordered = np.sort(marks)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(np.isin(marks, twice)) if twice.size else np.zeros(0, np.int64)
