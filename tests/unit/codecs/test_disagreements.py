"""The places where ptars and the official parser part: each once, alone and in company."""

from __future__ import annotations

import pytest

from eventreplay.codecs.protobuf import ProtobufCodec
from tests.property.codecs.model import expected, same
from tests.unit.codecs.events import of_type, outcome
from tests.unit.codecs.kitchen import EITHER, KITCHEN, PART, kitchen, official

CODEC = ProtobufCodec(kitchen())

SINK = {
    "both members of a oneof": b"\xc2\x01\x01a\xd0\x01\x05",
    "a oneof's message, then another member": b"\xca\x01\x02\x0a\x00\xd0\x01\x05",
    "two fixed numbers and a byte": b"\x9a\x04\x09" + b"\x01\0\0\0\x02\0\0\0\x07",
    "two fixed numbers": b"\x9a\x04\x08" + b"\x01\0\0\0\x02\0\0\0",
    "fixed numbers one by one": b"\x9d\x04\x01\0\0\0\x9d\x04\x02\0\0\0",
    "varints one by one": b"\xf8\x03\x01\xf8\x03\x02",
    "a single varint without packing": b"\xf8\x03\x01",
    "a negative int32 in five bytes": b"\x28\xff\xff\xff\xff\x0f",
    "a negative int32 in ten bytes": b"\x28" + b"\xff" * 9 + b"\x01",
    "an int32 beyond 32 bits": b"\x28\x81\x80\x80\x80\x10",
    "an enum beyond 32 bits": b"\x80\x01\x81\x80\x80\x80\x10",
    "a bool of two": b"\x40\x02",
    "a bool beyond 64 bits": b"\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
    "an explicit default": b"\x28\x00",
    "minus zero": b"\x09" + b"\0" * 7 + b"\x80",
    "one key twice": b"\xaa\x01\x05\x0a\x01a\x10\x01\xaa\x01\x05\x0a\x01a\x10\x02",
    "an entry without a key": b"\xaa\x01\x02\x10\x01",
    "an entry without a value": b"\xaa\x01\x03\x0a\x01a",
    "an empty entry": b"\xaa\x01\x00",
    "an entry with an unknown field": b"\xaa\x01\x07\x0a\x01a\x10\x01\x18\x01",
    "an entry whose value comes first": b"\xaa\x01\x05\x10\x01\x0a\x01a",
    "a message in two parts": b"\x92\x01\x03\x0a\x01a\x92\x01\x02\x10\x02",
    "a moment in two parts": b"\xa2\x01\x02\x08\x05\xa2\x01\x02\x10\x06",
    "a length of 2**64 - 1": b"\x4a" + b"\xff" * 9 + b"\x01",
    "a length that wraps around": b"\x4a\xf6" + b"\xff" * 8 + b"\x01",
    "an unknown length that wraps around": b"\xea\x3f\xf5" + b"\xff" * 8 + b"\x01",
}
SMALL = {
    "field number 0": b"\x02\x00",
    "a tag of six bytes": b"\x8a\x80\x80\x80\x80\x00\x01a",
    "a tag of five bytes": b"\x8a\x80\x80\x80\x00\x01a",
    "a field number beyond 29 bits": b"\xf8\xff\xff\xff\x1f\x01",
    "a field number that wraps around to 1": b"\x8a\x80\x80\x80\x80\x01\x01a",
    "an overlong length": b"\x0a\x81\x00a",
    "an overlong number": b"\x10\x82\x00",
    "text of another wire type": b"\x08\x01",
    "a number of another wire type": b"\x12\x01a",
    "a list of another wire type": b"\x1d\x01\0\0\0",
    "wire type 6": b"\x0e",
    "wire type 7": b"\x0f",
    "an empty group": b"\x2b\x2c",
    "a group in a group": b"\x2b\x33\x34\x2c",
    "a group that another one ends": b"\x2b\x34",
    "the end of no group": b"\x2c",
    "a group without an end": b"\x2b",
    "a known field as a group": b"\x0b\x0c",
    "an empty list": b"\x1a\x00",
    "a list cut short": b"\x1a\x02\x01\x80",
    "lists in parts": b"\x1a\x01\x01\x18\x02\x1a\x02\x03\x04",
    "a surrogate": b"\x0a\x03\xed\xa0\x80",
    "an overlong character": b"\x0a\x02\xc0\x80",
    "text that another value hides": b"\x0a\x01\xff\x0a\x01a",
    "a number twice": b"\x10\x02\x10\x04",
    "a number cut short": b"\x10\x80",
    "eleven bytes of a number": b"\x10" + b"\x80" * 10 + b"\x01",
    "100 groups": b"\x2b" * 100 + b"\x2c" * 100,
    "101 groups": b"\x2b" * 101 + b"\x2c" * 101,
}
CHOICE = {
    "both members": b"\x0a\x01a\x10\x05",
    "both members, the other way round": b"\x10\x05\x0a\x01a",
    "a member twice": b"\x10\x05\x10\x06",
    "a message, then a number": b"\x1a\x02\x08\x05\x10\x05",
    "a number, then a message": b"\x10\x05\x1a\x02\x08\x05",
    "a message twice": b"\x1a\x02\x08\x05\x1a\x02\x10\x06",
}
CASES = [(KITCHEN, name, payload) for name, payload in SINK.items()]
CASES += [(PART, name, payload) for name, payload in SMALL.items()]
CASES += [(EITHER, name, payload) for name, payload in CHOICE.items()]


@pytest.mark.parametrize(
    ("type_name", "payload"), [(t, p) for t, _, p in CASES], ids=[name for _, name, _ in CASES]
)
def test_what_the_official_parser_says(type_name: str, payload: bytes) -> None:
    text, broken = expected(official(type_name), payload)
    found = outcome(CODEC, of_type(type_name, [b"", payload, b""]))
    alone = outcome(CODEC, of_type(type_name, [payload]))
    assert found == [found[0], *alone, found[0]]
    if broken is None:
        assert text is not None
        assert same(text, found[1])
    else:
        assert found[1] in {f"!{broken}", "!payload_too_deep"}
