"""What a payload holds, counted on the wire before anything is decoded: the bounds on elements and depth."""

from __future__ import annotations

from typing import NamedTuple

from eventreplay.codecs.plan import Field, Message, submessage

_VARINT, _FIXED64, _LENGTH_DELIMITED, _GROUP_BEGIN, _GROUP_END, _FIXED32 = range(6)
_NO_SUCH_TYPE = 7
_VARINT_BYTES_MAX = 10
_MORE = 0x80
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


class Census(NamedTuple):
    """What a payload holds: elements (fields, items, packed bytes) and the deepest nesting of groups."""

    elements: int
    groups_deep: int


def census(payload: bytes, message: Message, *, elements_max: int, levels_max: int) -> Census:
    """Count by walking the wire format, without recursion; stops where it is malformed or beyond a bound.

    Takes about a microsecond an element, so at most about `elements_max` of them.
    """
    return _Walk(payload, message).counted(elements_max, levels_max)


class _Walk:
    def __init__(self, payload: bytes, message: Message) -> None:
        self._payload = payload
        self._at, self._end = 0, len(payload)
        self._fields = _by_number(message)
        self._above: list[tuple[int, dict[int, Field]]] = []

    def counted(self, elements_max: int, levels_max: int) -> Census:
        elements = deep = level = 0
        while elements <= elements_max and deep <= levels_max and self._more():
            tag = self._varint()
            elements += 1
            kind = tag & 7
            if kind == _LENGTH_DELIMITED:
                elements += self._enter(tag >> 3)
            elif kind == _GROUP_BEGIN:
                level += 1
                deep = max(deep, level)
            elif kind == _GROUP_END:
                level -= 1
            elif kind == _VARINT:
                self._varint()
            else:
                self._at += _FIXED_BYTES.get(kind, len(self._payload))
        return Census(elements, deep)

    def _more(self) -> bool:
        """Whether anything is left, here or in a message around."""
        while self._at >= self._end:
            if not self._above:
                return False
            self._at = self._end
            self._end, self._fields = self._above.pop()
        return True

    def _enter(self, number: int) -> int:
        """Go into a message, past anything else; the elements that a packed field holds at most."""
        length = self._varint()
        if self._at + length > self._end:
            self._at, self._above = len(self._payload), []
            return 0
        field = self._fields.get(number)
        below = None if field is None else submessage(field.node)
        if below is not None:
            self._above.append((self._end, self._fields))
            self._end, self._fields = self._at + length, _by_number(below)
            return 0
        self._at += length
        return length if field is not None and field.packed else 0

    def _varint(self) -> int:
        value = 0
        for index in range(_VARINT_BYTES_MAX):
            if self._at >= self._end:
                break
            byte = self._payload[self._at]
            self._at += 1
            value |= (byte & 0x7F) << (7 * index)
            if byte < _MORE:
                return value
        self._at = len(self._payload)
        return _NO_SUCH_TYPE


def _by_number(message: Message) -> dict[int, Field]:
    return {field.number: field for field in message.fields}
