"""Values of AMQP field tables as text: exact, and the same text for the same bytes (AMQP 0-9-1, 4.2.5).

RabbitMQ's own reading of the types is followed where the specification is at odds with it
(https://www.rabbitmq.com/amqp-0-9-1-errata#section_3).
"""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime, timedelta

DEPTH_MAX = 32
"""Tables within tables; more is refused."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX = 253_402_300_799
"""The last second of the year 9999."""

WHOLE = {
    ord("b"): struct.Struct(">b"),
    ord("B"): struct.Struct(">B"),
    ord("s"): struct.Struct(">h"),
    ord("U"): struct.Struct(">h"),
    ord("u"): struct.Struct(">H"),
    ord("I"): struct.Struct(">i"),
    ord("i"): struct.Struct(">I"),
    ord("l"): struct.Struct(">q"),
    ord("L"): struct.Struct(">q"),
}
FIXED_BYTES = {kind: form.size for kind, form in WHOLE.items()} | {
    ord("t"): 1,
    ord("f"): 4,
    ord("d"): 8,
    ord("D"): 5,
    ord("T"): 8,
    ord("V"): 0,
}
"""Bytes of a value by its type; the other types (S, x, A, F) say their length in four bytes."""

SIZED = frozenset(b"SxAF")


class FieldError(ValueError):
    """The bytes are no field table."""


def entry_places(table: bytes) -> list[tuple[int, int, int, int, int]]:
    """Each entry of a table: where its name begins, its bytes, the type, the value's place and bytes.

    Raises:
        FieldError: the bytes end within an entry, or a type is unknown.
    """
    found = []
    at = 0
    while at < len(table):
        behind = at + 1 + table[at]
        kind, begin, end = _value_place(table, behind)
        found.append((at + 1, table[at], kind, begin, end - begin))
        at = end
    return found


def value_text(kind: int, value: bytes) -> str:
    """The text of one value: what stands in a header.

    Text and numbers stand as they are, moments as RFC 3339, bytes as base64, arrays and tables as JSON.

    Raises:
        FieldError: it cannot be read.
    """
    if kind in WHOLE:
        return str(WHOLE[kind].unpack(value)[0])
    if kind == ord("t"):
        return "true" if value != b"\x00" else "false"
    if kind in b"fd":
        return _float_text(struct.unpack(">f" if kind == ord("f") else ">d", value)[0])
    if kind == ord("D"):
        return _decimal_text(value)
    if kind == ord("T"):
        return _moment_text(int.from_bytes(value, "big"))
    if kind == ord("V"):
        return "null"
    if kind == ord("x"):
        return base64.b64encode(value).decode()
    if kind == ord("S"):
        return _utf8(value)
    return json.dumps(_nested(kind, value, 0), ensure_ascii=False, separators=(",", ":"))


def _nested(kind: int, value: bytes, depth: int) -> object:
    """What JSON says of a value: true whole numbers, booleans and null as such, all else as its text."""
    if depth > DEPTH_MAX:
        raise FieldError("Tables within tables too deep.")
    if kind == ord("A"):
        items = []
        at = 0
        while at < len(value):
            inner, begin, at = _value_place(value, at)
            items.append(_nested(inner, value[begin:at], depth + 1))
        return items
    if kind == ord("F"):
        entries = entry_places(value)
        made = {
            _utf8(value[name_at : name_at + name_bytes]): _nested(
                inner, value[begin : begin + length], depth + 1
            )
            for name_at, name_bytes, inner, begin, length in entries
        }
        if len(made) != len(entries):
            raise FieldError("A table names a field twice.")
        return made
    if kind in WHOLE:
        return WHOLE[kind].unpack(value)[0]
    if kind == ord("t"):
        return value != b"\x00"
    return None if kind == ord("V") else value_text(kind, value)


def _value_place(data: bytes, at: int) -> tuple[int, int, int]:
    """Type of the value at `at`, where its bytes begin and end."""
    if at >= len(data):
        raise FieldError("The table ends within an entry.")
    kind = data[at]
    begin = at + 1
    if kind in FIXED_BYTES:
        end = begin + FIXED_BYTES[kind]
    elif kind in SIZED:
        begin += 4
        end = begin + int.from_bytes(data[at + 1 : begin], "big")
    else:
        raise FieldError(f"A value of unknown type {kind}.")
    if end > len(data):
        raise FieldError("The table ends within a value.")
    return kind, begin, end


def _float_text(number: float) -> str:
    if number != number:  # noqa: PLR0124 - the one value that does not equal itself
        return "NaN"
    return repr(number).replace("inf", "Infinity")


def _decimal_text(value: bytes) -> str:
    """Digits with the point where the scale says: no arithmetic, nothing rounded, trailing zeros kept."""
    scale, unscaled = value[0], int.from_bytes(value[1:], "big", signed=True)
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{text}" if unscaled < 0 else text


def _moment_text(seconds: int) -> str:
    if seconds > _SECONDS_MAX:
        return str(seconds)
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise FieldError("A text is not valid UTF-8.") from None
