"""Each type of a field table has one text, exact and always the same."""

from __future__ import annotations

import struct

import pytest

from eventreplay.sources.rabbitmq.fields import FieldError, entry_places, value_text


def table(*entries: tuple[bytes, bytes]) -> bytes:
    return b"".join(bytes([len(name)]) + name + value for name, value in entries)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("t", b"\x01", "true"),
        ("t", b"\x00", "false"),
        ("b", b"\xff", "-1"),
        ("B", b"\xff", "255"),
        ("s", b"\xff\xfe", "-2"),
        ("u", b"\xff\xfe", "65534"),
        ("I", b"\x80\x00\x00\x00", "-2147483648"),
        ("i", b"\x80\x00\x00\x00", "2147483648"),
        ("l", struct.pack(">q", -(2**63)), str(-(2**63))),
        ("d", struct.pack(">d", 0.1), "0.1"),
        ("d", struct.pack(">d", float("nan")), "NaN"),
        ("f", struct.pack(">f", float("-inf")), "-Infinity"),
        ("D", struct.pack(">Bi", 2, -5), "-0.05"),
        ("D", struct.pack(">Bi", 0, 7), "7"),
        ("D", struct.pack(">Bi", 4, 10_000), "1.0000"),
        ("D", struct.pack(">Bi", 255, 1), "0." + "0" * 254 + "1"),
        ("T", struct.pack(">Q", 0), "1970-01-01T00:00:00Z"),
        ("T", struct.pack(">Q", 2**63), str(2**63)),
        ("V", b"", "null"),
        ("x", b"\x00\xff", "AP8="),
        ("S", "Zoë".encode(), "Zoë"),
        ("A", b"I\x00\x00\x00\x01S\x00\x00\x00\x01aVt\x01", '[1,"a",null,true]'),
        ("F", table((b"z", b"V"), (b"a", b"D\x02\x00\x00\x00\x05")), '{"z":null,"a":"0.05"}'),
    ],
)
def test_a_value_has_one_text(kind: str, value: bytes, text: str) -> None:
    assert value_text(ord(kind), value) == text


@pytest.mark.parametrize(
    "data",
    [
        b"\x05ab",
        table((b"a", b"?")),
        table((b"a", b"S\x00\x00\x00\x09short")),
        table((b"a", b"I\x00")),
        b"\x01a",
    ],
)
def test_a_damaged_table_is_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        entry_places(data)


def test_depth_is_bounded() -> None:
    value = b"V"
    for _ in range(100):
        value = b"A" + struct.pack(">I", len(value)) + value
    with pytest.raises(FieldError):
        value_text(ord("A"), value)


@pytest.mark.parametrize("value", [table((b"a", b"V"), (b"a", b"V")), table((b"\xff", b"V"))])
def test_a_nested_table_has_each_name_once_and_in_utf8(value: bytes) -> None:
    with pytest.raises(FieldError):
        value_text(ord("F"), value)
