from __future__ import annotations

import time

import pytest

from eventreplay.codecs.json import JsonCodec
from eventreplay.codecs.limits import Limits
from tests.unit.codecs.events import JSON, events, of_type, outcome

CODEC = JsonCodec()
TEXTS = [
    (b"{}", "{}"),
    (b' \t\r\n{ "a" : [ 1 , true , null , "x" ] } ', '{"a":[1,true,null,"x"]}'),
    (b'{"b":1,"a":2}', '{"b":1,"a":2}'),
    (b'{"a":9007199254740991,"b":-9007199254740991}', '{"a":9007199254740991,"b":-9007199254740991}'),
    (b'{"a":9007199254740992,"b":-9007199254740992}', '{"a":"9007199254740992","b":"-9007199254740992"}'),
    (b'{"a":123456789012345678901234567890}', '{"a":"123456789012345678901234567890"}'),
    (b'{"a":1.0,"b":1.50,"c":-0.0,"d":0e5,"e":-0}', '{"a":"1","b":"1.5","c":"0","d":"0","e":0}'),
    (b'{"a":1e3,"b":-12.5E-3,"c":1E+2}', '{"a":"1000","b":"-0.0125","c":"100"}'),
    (
        b'{"a":0.1234567890123456789012345678901234567890}',
        '{"a":"0.123456789012345678901234567890123456789"}',
    ),
    (b'{"a":"\\u00e9\\/\\ud83c\\udccf\\u0001\\n"}', '{"a":"é/🃏\\u0001\\n"}'),
    ('{"Zoë":"🃏"}'.encode(), '{"Zoë":"🃏"}'),
    (b'{"a":{"a":{"a":1}}}', '{"a":{"a":{"a":1}}}'),
    (b'{"a":"' + b"[" * 500 + b'"}', '{"a":"' + "[" * 500 + '"}'),
]
REFUSED = [
    (b"", "json_malformed"),
    (b"[]", "json_malformed"),
    (b'"a"', "json_malformed"),
    (b"null", "json_malformed"),
    (b'{"a":NaN}', "json_malformed"),
    (b'{"a":-Infinity}', "json_malformed"),
    (b'{"a":1}}', "json_malformed"),
    (b'{"a":1,}', "json_malformed"),
    (b"{'a':1}", "json_malformed"),
    (b'{"a":01}', "json_malformed"),
    (b'{"a":1.}', "json_malformed"),
    (b'{"a":.5}', "json_malformed"),
    (b'{"a":+1}', "json_malformed"),
    (b'{"a":"\x00"}', "json_malformed"),
    (b'{"a":"\n"}', "json_malformed"),
    (b'\xef\xbb\xbf{"a":1}', "json_malformed"),
    (b'{"a":"\xff"}', "json_malformed"),
    (b'{"a":"\xed\xa0\x80"}', "json_malformed"),
    (b'{"a":"\\ud800"}', "json_malformed"),
    (b'{"\\udfff":1}', "json_malformed"),
    ('{"a":１}'.encode(), "json_malformed"),
    (b'{"a":1,"b":{"c":1,"c":1}}', "json_duplicate_key"),
    (b'{"a":1,"\\u0061":2}', "json_duplicate_key"),
    (b'{"a":1e257}', "json_number_out_of_range"),
    (b'{"a":1e-99999999999999}', "json_number_out_of_range"),
    (b'{"a":' + b"9" * 257 + b"}", "json_number_out_of_range"),
    (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "payload_too_deep"),
    (b'{"a":[' + b"1," * 100_000 + b"1]}", "payload_too_many_elements"),
    (b'{"a":"' + b"x" * (16 << 20) + b'"}', "payload_too_large"),
    (None, "payload_missing"),
]


@pytest.mark.parametrize(("payload", "text"), TEXTS)
def test_canonical(payload: bytes, text: str) -> None:
    assert outcome(CODEC, of_type("any", [payload], JSON)) == [text]
    assert outcome(CODEC, of_type("any", [text.encode()], JSON)) == [text]  # a fixed point


@pytest.mark.parametrize(("payload", "code"), REFUSED, ids=range(len(REFUSED)))
def test_refused(payload: bytes | None, code: str) -> None:
    assert outcome(CODEC, of_type("any", [payload, b"{}"], JSON)) == [f"!{code}", "{}"]


def test_the_type_is_the_events() -> None:
    found = CODEC.decode(events(("a", JSON, b"{}"), (None, JSON, b"{}"), ("b", JSON, b"{}")))
    assert found.payload_type.to_pylist() == ["a", "b"]
    assert found.error_code.to_pylist() == ["unknown_type"]


def test_nesting_up_to_the_limit_is_fine() -> None:
    deepest = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert outcome(CODEC, of_type("any", [deepest], JSON)) == [deepest.decode()]


@pytest.mark.parametrize(
    "payload", [b'"\\"' * 700_000, b'{"' + b"\\" * 2_000_000, b"[" * 2_000_000, b'{"a":' * 400_000]
)
def test_hostile_shapes_take_time_in_proportion(payload: bytes) -> None:
    begin = time.process_time()
    assert outcome(CODEC, of_type("any", [payload], JSON))[0].startswith("!")
    assert time.process_time() - begin < 2


def test_the_fingerprint_tells_limits_apart() -> None:
    assert JsonCodec(Limits(number_digits_max=100)).fingerprint != CODEC.fingerprint
    assert JsonCodec(Limits(chunk_bytes_max=100)).fingerprint == CODEC.fingerprint
