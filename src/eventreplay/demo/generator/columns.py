"""Text and byte columns made from integer columns, without a Python object per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.demo.generator.dice import Ints, Words

_HEX_PAIRS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint16)


def hexadecimal(*words: Words) -> pa.Array:
    """One string per row: the words' 16 hexadecimal digits each, one after the other."""
    rows = len(words[0])
    octets = np.concatenate([word.astype(">u8").view(np.uint8).reshape(rows, 8) for word in words], axis=1)
    digits = _HEX_PAIRS[octets].tobytes()
    width = 16 * len(words)
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(digits))


def numbered(prefix: str, values: Ints, width: int) -> pa.Array:
    """Strings like `O-000012`: the prefix and the number, padded with zeros to `width` digits."""
    digits = pc.utf8_lpad(pc.cast(pa.array(values), pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(prefix), digits, pa.scalar(""))


def decimal_text(scaled: Ints, scale: int) -> pa.Array:
    """Text of non-negative decimals given as integers of 10^-scale, with all `scale` digits."""
    whole, part = np.divmod(scaled, 10**scale)
    digits = pc.utf8_lpad(pc.cast(pa.array(part), pa.string()), scale, "0")
    return pc.binary_join_element_wise(pc.cast(pa.array(whole), pa.string()), digits, pa.scalar("."))


def unscaled_bytes(values: Ints) -> pa.Array:
    """Shortest big-endian two's complement of non-negative integers; one zero byte for zero."""
    octets = values.astype(">i8").view(np.uint8).reshape(len(values), 8)
    lengths = np.ones(len(values), dtype=np.int32)
    for octet_count in range(1, 8):
        lengths += values >= 1 << (8 * octet_count - 1)
    kept = np.arange(8, dtype=np.int32) >= (8 - lengths)[:, None]
    offsets = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(octets[kept].tobytes())]
    )


def instants(micros: Ints) -> pa.Array:
    """Timestamps in UTC from microseconds since 1970."""
    return pa.array(micros).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))


def instant_text(micros: Ints) -> pa.Array:
    """RFC 3339 text with six digits and a Z, which no locale and no zone database can change."""
    text = pc.cast(pa.array(micros).cast(pa.timestamp("us")), pa.string())
    return pc.binary_join_element_wise(
        pc.utf8_replace_slice(text, 10, 11, "T"), pa.scalar("Z"), pa.scalar("")
    )
