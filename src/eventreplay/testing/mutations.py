"""Payloads as broken as they come: cut, flipped, doubled, with lengths that lie."""

from __future__ import annotations

from random import Random


def mutated(payload: bytes, random: Random) -> bytes:
    """`payload` with one to three random injuries; the same for the same state of `random`."""
    data = bytearray(payload)
    for _ in range(random.randint(1, 3)):
        _injure(data, random)
    return bytes(data)


def _injure(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data)) if data else 0
    match random.randrange(6):
        case 0 if data:
            data[at] ^= 1 << random.randrange(8)
        case 1:
            del data[at:]
        case 2:
            data[at:at] = random.randbytes(random.randint(1, 8))
        case 3:
            data[at:at] = data[at : at + random.randint(1, 64)]
        case 4:
            data[at:at] = b"\xff" * random.choice((1, 4, 9))  # a varint that claims to be huge
        case _:
            data[at:at] = random.choice((b"\xed\xa0\x80", b"\x00", b'"', b"{", b"\x0b" * 120))
