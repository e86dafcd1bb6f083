"""The JSON codec against a model: the standard library's parser with the numbers left as text."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.codecs.json import JsonCodec
from tests.unit.codecs.events import JSON, of_type, outcome

CODEC = JsonCodec()
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


class Number(str):
    """A number's text, so that it is written as it is."""

    __slots__ = ()


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), KEYS, NUMBERS.map(Number)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=8,
)
SPACE = st.sampled_from(["", " ", "\n\t", "\r"])


def written(value: Any, space: str, *, ascii_only: bool) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        items = (f"{json.dumps(k, ensure_ascii=ascii_only)}{space}:{written(v, space, ascii_only=ascii_only)}"
                 for k, v in value.items())  # fmt: skip
        return "{" + space + f",{space}".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(space + written(v, space, ascii_only=ascii_only) for v in value) + space + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def exact(number: str) -> Fraction:
    mantissa, _, exponent = number.lower().partition("e")
    return Fraction(mantissa) * Fraction(10) ** int(exponent or 0)


def same(value: Any, found: Any) -> bool:
    if isinstance(value, Number):
        whole = value.lstrip("-").isdigit() and abs(int(value)) <= 2**53 - 1
        return type(found) is (int if whole else str) and exact(value) == Fraction(found)
    if isinstance(value, dict):
        return list(value) == list(found) and all(same(v, found[k]) for k, v in value.items())
    if isinstance(value, list):
        return len(value) == len(found) and all(same(v, f) for v, f in zip(value, found, strict=True))
    return bool(value == found)


@settings(max_examples=200, deadline=None)
@given(value=st.dictionaries(KEYS, VALUES, max_size=4), space=SPACE, ascii_only=st.booleans())
def test_same_values_in_canonical_form(value: dict[str, Any], space: str, *, ascii_only: bool) -> None:
    payload = written(value, space, ascii_only=ascii_only).encode()
    text = outcome(CODEC, of_type("any", [payload], JSON))[0]
    assert same(value, json.loads(text))
    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    assert outcome(CODEC, of_type("any", [text.encode()], JSON)) == [text]


@settings(max_examples=200, deadline=None)
@given(payloads=st.lists(st.one_of(st.binary(max_size=20), KEYS.map(lambda k: b'{"' + k.encode() + b'":1}'))))
def test_every_payload_is_accounted_for(payloads: list[bytes]) -> None:
    for payload, text in zip(payloads, outcome(CODEC, of_type("any", payloads, JSON)), strict=True):
        try:
            fine = isinstance(json.loads(payload.decode("utf-8")), dict)
        except ValueError:
            fine = False
        assert fine == (not text.startswith("!"))
