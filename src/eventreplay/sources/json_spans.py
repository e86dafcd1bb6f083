"""From a stream of bytes to records of JSON text: the lines of JSON lines, the elements of an array.

Memory is bounded by the block and by one record. A record longer than its bound is never held: its hash
and length are taken as it passes, and the file keeps its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from attrs import frozen

from eventreplay.errors import SourceError
from eventreplay.sources.byte_stream import ByteStream
from eventreplay.sources.json_marks import BLANK, CLOSE_ARRAY, COMMA, Marks, Places, marks

_KEPT_BYTES = 65_536
_BOM = b"\xef\xbb\xbf"
_TRIMMED_BLANKS_MAX = 64
"""Blanks around an element of an array that are cut off here; a record may have more, at a cost."""


@frozen
class Spans:
    """Records `first`, `first` + 1, ... of a file: their text within `block`, not trimmed.

    `is_ended` is False for a last line without a line end.
    """

    first: int
    block: bytes
    begins: Places
    ends: Places
    is_ended: bool = True


@frozen
class LongRecord:
    """A record longer than the bound: its begin, its length and its hash."""

    number: int
    begin: bytes
    length_bytes: int
    sha256: str
    is_ended: bool = True


def line_spans(
    stream: ByteStream, *, block_bytes_max: int, record_bytes_max: int, skip: int = 0
) -> Iterator[Spans | LongRecord]:
    """Lines from number `skip` on; those before are counted, not looked at."""
    number, held = 0, b""
    chunk = stream.read(block_bytes_max).removeprefix(_BOM)
    while chunk:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            block, held = held + chunk[:cut], chunk[cut:]
            count = block.count(b"\n")
            if number + count > skip:
                yield _lines(number, block)
            number += count
        else:
            held += chunk
        chunk = b""
        if len(held) > record_bytes_max:
            record, chunk = _long_line(stream, held, number, block_bytes_max)
            held = b""
            if number >= skip:
                yield record
            number += 1
        chunk = chunk or stream.read(block_bytes_max)
    if held and number >= skip:
        yield Spans(number, held, np.zeros(1, np.int64), np.array([len(held)]), is_ended=False)


def _lines(first: int, block: bytes) -> Spans:
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    return Spans(first, block, np.concatenate([[0], ends[:-1] + 1]), ends)


def _long_line(
    stream: ByteStream, held: bytes, number: int, block_bytes_max: int
) -> tuple[LongRecord, bytes]:
    """Follow a line to its end without holding it; also returns what was read behind the end."""
    digest, length_bytes, begin = hashlib.sha256(held), len(held), held[:_KEPT_BYTES]
    while chunk := stream.read(block_bytes_max):
        cut = chunk.find(b"\n")
        # As many bytes are kept whatever the size of blocks: what is quarantined must not depend on it.
        begin += chunk[: min(len(chunk) if cut < 0 else cut, _KEPT_BYTES - len(begin))]
        if cut >= 0:
            digest.update(chunk[:cut])
            return LongRecord(number, begin, length_bytes + cut, digest.hexdigest()), chunk[cut + 1 :]
        digest.update(chunk)
        length_bytes += len(chunk)
    return LongRecord(number, begin, length_bytes, digest.hexdigest(), is_ended=False), b""


def long_record(number: int, text: bytes) -> LongRecord:
    """A record that was read whole before its length was known."""
    return LongRecord(number, text[:_KEPT_BYTES], len(text), hashlib.sha256(text).hexdigest())


def element_spans(
    stream: ByteStream, name: str, *, block_bytes_max: int, record_bytes_max: int, skip: int = 0
) -> Iterator[Spans]:
    """Elements of the one array in the stream, from number `skip` on.

    Raises:
        SourceError: the file is no array, ends within it, or an element is longer than the bound.
    """
    held, number = _array_begin(stream, name, block_bytes_max), 0
    while True:
        found = marks(np.frombuffer(held, np.uint8))
        commas = found.at[(found.kind == COMMA) & (found.depth == 0)]
        end = _array_end(found)
        if end is not None:
            commas = commas[commas < end]
            begins, ends = np.concatenate([[0], commas + 1]), np.concatenate([commas, [end]])
            if begins.size > 1 or held[:end].strip():
                yield from _wanted(Spans(number, held, begins, ends), skip)
            _check_end(stream, held[end + 1 :], name, block_bytes_max)
            return
        if commas.size:
            yield from _wanted(Spans(number, held, np.concatenate([[0], commas[:-1] + 1]), commas), skip)
            number += int(commas.size)
            held = held[int(commas[-1]) + 1 :]
        if len(held) > record_bytes_max:
            raise SourceError(
                f"Element {number} of {name!r} is longer than {record_bytes_max} bytes.",
                hint="Raise line_bytes_max, or write the file as JSON lines: there the others still pass.",
            )
        chunk = stream.read(block_bytes_max)
        if not chunk:
            raise SourceError(f"{name!r} ends within its array.", hint="The file is cut off: write it again.")
        held += chunk


def _wanted(spans: Spans, skip: int) -> Iterator[Spans]:
    if spans.first + len(spans.begins) > skip:
        data = np.frombuffer(spans.block, np.uint8)
        begins, ends = spans.begins, spans.ends
        for _ in range(_TRIMMED_BLANKS_MAX):
            left = (begins < ends) & BLANK[data[np.minimum(begins, data.size - 1)]]
            begins = begins + left
            right = (begins < ends) & BLANK[data[ends - 1]]
            ends = ends - right
            if not left.any() and not right.any():
                break
        yield Spans(spans.first, spans.block, begins, ends)


def _array_begin(stream: ByteStream, name: str, block_bytes_max: int) -> bytes:
    held = stream.read(block_bytes_max).removeprefix(_BOM).lstrip()
    while not held and (chunk := stream.read(block_bytes_max)):
        held = chunk.lstrip()
    if not held.startswith(b"["):
        raise SourceError(
            f"{name!r} is no JSON array of events.",
            hint="For one JSON object per line, name the file .jsonl.",
        )
    return held[1:]


def _array_end(found: Marks) -> int | None:
    ends = np.flatnonzero((found.kind == CLOSE_ARRAY) & (found.depth < 0))
    return int(found.at[ends[0]]) if ends.size else None


def _check_end(stream: ByteStream, rest: bytes, name: str, block_bytes_max: int) -> None:
    while not rest.strip():
        rest = stream.read(block_bytes_max)
        if not rest:
            return
    raise SourceError(
        f"Something follows the array in {name!r}.", hint="A .json file is one array of events."
    )
