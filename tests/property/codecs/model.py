"""What the codec must say of a payload: a slow, plain model over the official parser's messages.

Written from the rules alone: Python's own integers and fractions, one value at a time, nothing of the codec.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.message import DecodeError

from tests.unit.codecs.kitchen import CARRIERS

NARROW = {Kind.TYPE_INT32, Kind.TYPE_SINT32, Kind.TYPE_SFIXED32, Kind.TYPE_UINT32, Kind.TYPE_FIXED32}
DIGITS = {
    **{f"kitchen.Sink.{name}": digits or (28, 9) for name, (_, digits) in CARRIERS.items()},
    **{f"kitchen.Sink.{name}_list": digits or (28, 9) for name, (_, digits) in CARRIERS.items()},
    "sportscards.orders.v1.OrderLine.unit_price": (19, 4),
    "sportscards.orders.v1.OrderLine.discount": (19, 4),
    "sportscards.orders.v1.OrderLine.tax": (28, 9),
    "sportscards.orders.v1.OrderPaid.amount": (28, 9),
    "sportscards.orders.v2.OrderPlaced.shipping_fee": (19, 4),
    "sportscards.orders.v2.OrderPlaced.insured_value": (38, 18),
}
EXPONENT_MAX = 256
TEXT_BYTES_MAX = 256


class BrokenError(Exception):
    """A rule is broken; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def expected(message_class: Any, payload: bytes) -> tuple[str | None, str | None]:
    """Canonical text or error code of a payload."""
    try:
        message = message_class.FromString(payload)
    except DecodeError:
        return None, "protobuf_malformed"
    broken: list[tuple[tuple[int, ...], tuple[int, ...], str]] = []
    text = "".join(_message(message, (), (), broken))
    if broken:
        return None, min(broken)[2]
    return text, None


def _message(message: Any, path: Any, items: Any, broken: Any) -> Iterator[str]:
    yield "{"
    for at, field in enumerate(sorted(message.DESCRIPTOR.fields, key=lambda each: each.number)):
        yield ("," if at else "") + quoted(field.name) + ":"
        here = (*path, field.number)
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from _map(field, value, here, items, broken)
        elif field.is_repeated:
            yield "["
            for index, item in enumerate(value):
                yield "," if index else ""
                yield from _value(field, item, here, (*items, index), broken)
            yield "]"
        elif field.has_presence and not message.HasField(field.name):
            yield "null"
        elif field.full_name in DIGITS and value == "" and not field.has_presence:
            yield "null"  # text without presence: nothing tells an empty one from an unset one
        else:
            yield from _value(field, value, here, items, broken)
    yield "}"


def _map(field: Any, value: Any, path: Any, items: Any, broken: Any) -> Iterator[str]:
    yield "{"
    of = field.message_type.fields_by_name["value"]
    for index, key in enumerate(sorted(value)):
        yield ("," if index else "") + quoted(str(key).lower() if isinstance(key, bool) else str(key)) + ":"
        yield from _value(of, value[key], (*path, 2), (*items, index), broken)
    yield "}"


def _value(field: Any, value: Any, path: Any, items: Any, broken: Any) -> Iterator[str]:
    digits = DIGITS.get(field.full_name)
    name = None if field.message_type is None else field.message_type.full_name
    try:
        if digits is not None:
            yield _decimal(name, value, *digits)
        elif name == "google.protobuf.Timestamp":
            yield quoted(moment(value.seconds, value.nanos))
        elif name is not None:
            yield from _message(value, path, items, broken)
        else:
            yield _scalar(field, value)
    except BrokenError as error:
        broken.append((path, items, error.code))


def _scalar(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return quoted(str(value) if named is None else named.name)
    if field.type == Kind.TYPE_STRING:
        return quoted(value)
    if field.type == Kind.TYPE_BYTES:
        return quoted(base64.b64encode(value).decode())
    if field.type == Kind.TYPE_BOOL:
        return "true" if value else "false"
    if field.type in (Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT):
        return _float(value, narrow=field.type == Kind.TYPE_FLOAT)
    return str(value) if field.type in NARROW else quoted(str(value))


def _float(value: float, *, narrow: bool) -> str:
    if math.isnan(value) or math.isinf(value):
        return quoted("NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")
    return (
        f"<float:{value!r}>" if not narrow else f"<float:{struct.unpack('f', struct.pack('f', value))[0]!r}>"
    )


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def moment(seconds: int, nanos: int) -> str:
    if not -62_135_596_800 <= seconds <= 253_402_300_799 or not 0 <= nanos <= 999_999_999:
        raise BrokenError("timestamp_out_of_range")
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    fraction = f"{nanos:09d}"
    return f"{at.year:04d}-{at:%m-%dT%H:%M:%S}.{fraction[:6] if fraction.endswith('000') else fraction}Z"


def _decimal(name: str | None, value: Any, precision: int, scale: int) -> str:
    if name == "google.type.Money":
        currency, number = quoted(value.currency_code), units_nanos(value.units, value.nanos)
        return f'{{"currency_code":{currency},"amount":{exact(number, precision, scale)}}}'
    if name == "google.type.Decimal":
        return exact(text(value.value), precision, scale)
    if name == "eventreplay.v1.UnscaledDecimal":
        return exact(unscaled(value.unscaled, value.scale), precision, scale)
    if isinstance(value, bytes):
        return exact(unscaled(value, scale), precision, scale)
    if isinstance(value, str):
        return exact(text(value), precision, scale)
    return exact(Fraction(value, 10**scale), precision, scale)


def exact(value: Fraction, precision: int, scale: int) -> str:
    """The value with exactly `scale` digits after the point."""
    number = value * 10**scale
    if number.denominator != 1 or abs(number) >= 10**precision:
        raise BrokenError("decimal_out_of_range")
    digits = f"{abs(number.numerator):0{scale + 1}d}"
    whole, part = (digits[:-scale], "." + digits[-scale:]) if scale else (digits, "")
    return quoted(("-" if number < 0 else "") + whole + part)


def units_nanos(units: int, nanos: int) -> Fraction:
    if abs(nanos) > 999_999_999:
        raise BrokenError("money_nanos_out_of_range")
    if units * nanos < 0:
        raise BrokenError("decimal_sign_conflict")
    return Fraction(units * 10**9 + nanos, 10**9)


def unscaled(data: bytes, scale: int) -> Fraction:
    if len(data) > 16:
        raise BrokenError("decimal_out_of_range")
    number = int.from_bytes(data, "big", signed=True)
    if scale > 1000:  # beyond any declared scale: only zero fits
        return Fraction(0) if number == 0 else Fraction(1, 10**1000)
    return Fraction(number, 10**scale)


def text(value: str) -> Fraction:
    if len(value.encode()) > TEXT_BYTES_MAX:
        raise BrokenError("decimal_out_of_range")
    if re.fullmatch(r"[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?", value) is None:
        raise BrokenError("decimal_malformed")
    mantissa, _, exponent = value.lower().partition("e")
    if abs(int(exponent or "0")) > EXPONENT_MAX:
        raise BrokenError("decimal_out_of_range")
    whole, _, part = mantissa.partition(".")
    number = Fraction(int(whole + part), 10 ** len(part)) if (whole + part).strip("+-") else Fraction(0)
    return number * Fraction(10) ** int(exponent or "0")


FLOAT = re.compile(r"<float:([^>]*)>")


def same(model: str, found: str) -> bool:
    """Whether two texts are equal, floats by value: the model does not write the shortest digits."""
    parts = FLOAT.split(model)
    pattern = "".join(re.escape(part) if at % 2 == 0 else "(-?[0-9.e+-]+)" for at, part in enumerate(parts))
    match = re.fullmatch(pattern, found)
    if match is None:
        return False
    for shown, value in zip(match.groups(), parts[1::2], strict=True):
        narrow = (
            struct.unpack("f", struct.pack("f", float(shown)))[0] if abs(float(shown)) < 3.5e38 else math.inf
        )
        if repr(float(shown)) != value and repr(narrow) != value:
            return False
    return True
