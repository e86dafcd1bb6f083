"""Payloads for property tests: messages built at random, and bytes bent where parsers disagree."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Kind

TEXTS = ("", "a", "Zoë 🃏", 'quote " \\ back', "\x00\x01\x1f\n\t\x7f", "x" * 130, "1.50", "-0", "1e2", "12.3")
NUMBERS = (0, 1, 2, 5, 127, 128, 300, 10**6, 2**31 - 1, -1, -2, -(2**31))
WIDE = (*NUMBERS, 2**63 - 1, -(2**63), 10**18, 9_999_999_999)
DECIMALS = (
    "0",
    "1",
    "1.5000000",
    ".5",
    "+3.25",
    "-0.0001",
    "12E2",
    "1e-18",
    "9" * 15,
    "9" * 16,
    "5.",
    "",
    "NaN",
    "1_0",
)


def message(random: Random, of: Any, *, clean: bool = True) -> Any:
    """A message with a few fields set, at random."""
    made = of()
    fields = of.DESCRIPTOR.fields
    for field in random.sample(list(fields), k=min(len(fields), random.randrange(7))):
        _set(random, made, field, clean=clean)
    return made


def _set(random: Random, made: Any, field: Any, *, clean: bool) -> None:
    held = getattr(made, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key = field.message_type.fields_by_name["key"]
        value = field.message_type.fields_by_name["value"]
        for _ in range(random.randrange(3)):
            if value.message_type is None:
                held[_scalar(random, key)] = _scalar(random, value)
            else:
                held[_scalar(random, key)].MergeFrom(message(random, type(held[_scalar(random, key)])))
    elif field.message_type is not None:
        for _ in range(random.randrange(4) if field.is_repeated else 1):
            below = held.add() if field.is_repeated else held
            below.SetInParent()
            below.MergeFrom(message(random, type(below), clean=clean))
            _tidy(random, below, clean=clean)
    elif field.is_repeated:
        held.extend(_scalar(random, field) for _ in range(random.randrange(4)))
    else:
        setattr(made, field.name, _scalar(random, field))


def _tidy(random: Random, below: Any, *, clean: bool) -> None:
    """Mostly values that are in range, so that not every message fails."""
    name = below.DESCRIPTOR.full_name
    if not clean or random.random() < 0.1:
        return
    if name == "google.type.Decimal":
        below.value = random.choice(("0", "1.5", "-12.2500", "3e2", ".5", "1.50000000"))
    if name == "google.type.Money":
        below.units, below.nanos = random.choice(((1, 500_000_000), (-3, -250_000_000), (0, 0), (12, 0)))
    if name == "google.protobuf.Timestamp":
        below.seconds = random.choice((0, -1, 1_700_000_000, 253_402_300_799, -62_135_596_800))
        below.nanos = random.choice((0, 1, 1000, 999_999_999))


def _scalar(random: Random, field: Any) -> Any:
    kind = field.type
    if kind == Kind.TYPE_STRING:
        return random.choice(TEXTS if "text" not in field.name else DECIMALS)
    if kind == Kind.TYPE_BYTES:
        return random.randbytes(random.choice((0, 1, 2, 3, 8, 9, 16, 17)))
    if kind == Kind.TYPE_BOOL:
        return random.random() < 0.5
    if kind in (Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT):
        return random.choice((0.0, -0.0, 0.1, 1.5, 1e10, -1e-7, 3.0, float("inf"), float("nan")))
    if kind in (Kind.TYPE_UINT32, Kind.TYPE_FIXED32):
        return random.choice([abs(number) for number in NUMBERS])
    if kind in (Kind.TYPE_UINT64, Kind.TYPE_FIXED64):
        return random.choice([abs(number) for number in WIDE])
    return random.choice(
        NUMBERS if kind not in (Kind.TYPE_INT64, Kind.TYPE_SINT64, Kind.TYPE_SFIXED64) else WIDE
    )


JUNK = (
    b"\xff",
    b"\x00",
    b"\x08\x01",
    b"\x0a\x00",
    b"\x0b\x0c",  # an empty group
    b"\x0b" * 120 + b"\x0c" * 120,
    b"\x0b\x14",  # a group that another one ends
    b"\x0c",
    b"\x07",
    b"\xf2\xff\xff\xff\x0f\x00",  # the highest tag
    b"\x88\x80\x80\x80\x80\x00\x01",  # a tag of six bytes
    b"\x8a\x80\x00\x01a",  # an overlong tag
    b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length of 2**64 - 1
    b"\x0a\xf6\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # one that wraps around to 0
    b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x0a\x81\x00a",  # an overlong length
    b"\x0a\x02\xff\xfe",  # not UTF-8
    b"\x12\x03\xed\xa0\x80",  # a surrogate
    b"\x9a\x01\x04\x0a\x02ab",
    b"\xa8\x80\x08\x96\x01",  # an unknown field
)


def bent(random: Random, payload: bytes, other: bytes) -> bytes:
    """The payload, or what is left of it."""
    at = random.randrange(len(payload) + 1)
    match random.randrange(10):
        case 0 | 1:
            return payload
        case 2:
            return payload + other  # every field twice: the last wins, submessages merge, lists go on
        case 3:
            return payload[:at]
        case 4:
            return payload[:at] + random.choice(JUNK) + payload[at:]
        case 5:
            return payload + random.choice(JUNK)
        case 6:
            return random.choice(JUNK) + payload
        case 7:
            return payload[:at] + bytes([random.randrange(256)]) + payload[at + 1 :]
        case 8:
            return payload[:at] + other[random.randrange(len(other) + 1) :]
    return random.randbytes(random.randrange(12))
