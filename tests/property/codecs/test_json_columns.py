"""JSON by columns against the strict parser, payload by payload: what is taken is the same, to the byte."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventreplay.codecs.json import JsonCodec, Strict
from eventreplay.codecs.json_columns import usual_texts
from eventreplay.codecs.limits import Limits
from tests.unit.codecs.events import JSON, of_type, outcome

LIMITS = Limits()
SMALL = Limits(chunk_bytes_max=24, nesting_levels_max=3, elements_max=6, payload_bytes_max=60)

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters='"\\', min_codepoint=32)
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=12), st.sampled_from(["{},:", "[", "]}", "a b", "-1.50", "é🃏"])
)
# Longer keys may look alike to the columns, and then go to the parser.
KEYS = st.text(CHARACTERS, max_size=4)
INTEGERS = st.one_of(st.integers(-(10**14) + 1, 10**15 - 1), st.integers(10**17, 10**40))
DECIMALS = st.from_regex(r"(0|-?[1-9][0-9]{0,20})\.[0-9]{1,20}", fullmatch=True)
SCALARS = st.one_of(
    st.sampled_from(["true", "false", "null", "0", "0.0", "-0.50", "10.00"]), INTEGERS.map(str), DECIMALS
)
BLANK = st.sampled_from(["", " "])


class Verbatim(str):
    """A value's text, so that it is written as it is."""

    __slots__ = ()


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(SCALARS.map(Verbatim), TEXTS),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def written(value: Any, blank: str) -> str:
    if isinstance(value, Verbatim):
        return str(value)
    if isinstance(value, dict):
        items = (f'"{key}":{blank}{written(below, blank)}' for key, below in value.items())
        return "{" + f",{blank}".join(items) + "}"
    if isinstance(value, list):
        return "[" + f",{blank}".join(written(below, blank) for below in value) + "]"
    return json.dumps(value, ensure_ascii=False)


USUAL = st.builds(lambda value, blank: written(value, blank).encode(), OBJECTS, BLANK)
FRAGMENTS = (
    *(b'{ } [ ] : , " "a" "b" "" {"a":1} {"a": "}"} 1 0 -0 -0.0 1.50 00 -1 -.5 1. 1e2 -'.split()),
    *(b"9007199254740991 9007199254740992 123456789012345678 0.10.1 true false null".split()),
    *(b"nul tru nullx NaN".split()),
    *(b" ", b"  ", b"\n", b"\\", b'\\"', b"\x00", b"\xc3", b"\xa9", b"\xed\xa0\x80", "é".encode(), b"\x7f"),
)
BITS = st.lists(st.sampled_from(FRAGMENTS), max_size=8).map(b"".join)
HOSTILE = st.one_of(
    BITS,
    BITS.map(lambda bits: b'{"a":' + bits + b"}"),
    BITS.map(lambda bits: b'{"a":[' + bits + b"]}"),
    BITS.map(lambda bits: b"{" + bits + b"}"),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A usual payload with a piece cut out and something else in its place."""
    payload = draw(USUAL)
    begin = draw(st.integers(0, len(payload)))
    end = draw(st.integers(begin, min(len(payload), begin + 3)))
    return payload[:begin] + draw(st.sampled_from((b"", *FRAGMENTS))) + payload[end:]


@st.composite
def torn(draw: st.DrawFn) -> list[bytes]:
    """Rows that are fine only together, between two that are fine."""
    payload = draw(USUAL) + draw(st.sampled_from([b"", b",", b"\n"])) + draw(USUAL)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), min_size=1, max_size=3)))
    parts = [payload[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(payload)])]
    return [draw(USUAL), *parts, draw(USUAL)]


COMPANY = st.one_of(st.lists(st.one_of(USUAL, HOSTILE, mutated()), max_size=8), torn())


def strict_text(payload: bytes | None, limits: Limits) -> str | None:
    try:
        return Strict(limits).canonical(payload)
    except ValueError:
        return None


def taken_texts(payloads: pa.BinaryArray, limits: Limits) -> dict[int, str]:
    found: dict[int, str] = {}
    for rows, texts in usual_texts(payloads, np.ones(len(payloads), np.bool_), limits):
        texts.validate(full=True)
        found |= dict(zip(rows.tolist(), texts.to_pylist(), strict=True))
    return found


@settings(max_examples=80, deadline=None)
@given(payloads=st.lists(USUAL, max_size=6))
@example(payloads=[b'{"%s":1,"%s":2}' % (b"a" * 9, b"a" * 10)])
@example(payloads=[b'{"a":999999999999999,"b":-99999999999999,"c":-12345678901234567,"d":-0.5}'])
def test_usual_payloads_are_all_taken(payloads: list[bytes]) -> None:
    texts = [strict_text(payload, LIMITS) for payload in payloads]
    assert None not in texts
    assert taken_texts(pa.array(payloads, pa.binary()), LIMITS) == dict(enumerate(texts))


@settings(max_examples=100, deadline=None)
@given(payloads=COMPANY)
@example(payloads=[b"{},{}", b'{"a":1}', b'{"a":"}', b'","b":2}', b'{"a":[}', b"]}", b"{", b"}"])
@example(payloads=[b'{"a":{"b":1}', b'{"c":1}}', b'{"a":1}}', b"{{}", b'{"a":[1}', b'{"b":2]}', b'{"a"}'])
@example(payloads=[b'{"a":1,"a":2}', b'{"a":1}', b'{"a":{"a":1},"b":{"a":1}}', b'{"\xc3":1}', b'{"\xa9":1}'])
@example(
    payloads=[b'{"a":[1,2,3,4,5,6,7]}', b'{"a":[[[1]]]}', b'{"a":{"b":{}}}', b'{"a":' + b"1" * 55 + b"}"]
)
@example(payloads=[b'{"a":9999999999999999}', b'{"a":-0.00}', b'{"a":-0}', b'{"a":' + b"1" * 257 + b".5}"])
@example(
    payloads=[b'{"a":"\n"}', b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":-}', b'{"a":1.5.5}', b'{"a":1-1}']
)
@example(payloads=[b'{"a":[' + b"[" * 250 + b"]" * 250 + b"]}", b'{"a":1}', b'{"a":' * 70 + b"1" + b"}" * 70])
def test_what_is_taken_is_what_the_parser_writes(payloads: list[bytes]) -> None:
    column = pa.array([b'{"z":1}', *payloads, None], pa.binary()).slice(1)
    for limits in (LIMITS, SMALL):
        found = taken_texts(column, limits)
        assert found == {row: strict_text(column[row].as_py(), limits) for row in found}
        for row, payload in enumerate(payloads):  # whether a row is taken is its own affair, too
            alone = taken_texts(pa.array([payload], pa.binary()), limits)
            assert (row in found) == (0 in alone)


def test_every_short_row_of_tokens() -> None:
    tokens = (b'"a"', b'"b"', b"1", b":", b",", b"{", b"}", b"[", b"]")
    rows = [
        b"{" + b"".join(parts) + b"}" for size in range(6) for parts in itertools.product(tokens, repeat=size)
    ]
    found = taken_texts(pa.array(rows, pa.binary()), LIMITS)
    texts = {row: strict_text(rows[row], LIMITS) for row in found}
    assert found == texts
    assert {"{}", '{"a":1}', '{"b":"a"}', '{"a":{}}', '{"a":[1]}'} <= set(found.values())


@settings(max_examples=50, deadline=None)
@given(payloads=COMPANY)
def test_the_codec_tells_no_difference(payloads: list[bytes]) -> None:
    found = outcome(JsonCodec(), of_type("any", payloads, JSON))
    texts = [strict_text(payload, LIMITS) for payload in payloads]
    assert [None if text.startswith("!") else text for text in found] == texts
