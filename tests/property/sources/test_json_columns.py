"""Reading many lines at once gives what reading one by one gives, whatever the lines are."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventreplay.sources.json_batches import batches
from eventreplay.sources.json_columns import plain_events
from eventreplay.sources.json_marks import marks
from eventreplay.sources.json_record import Refused, event_row
from eventreplay.sources.json_spans import Spans
from eventreplay.testing.mutations import mutated
from eventreplay.testing.strategies import hostile_texts

MOMENTS = [
    "2026-01-31T23:59:59Z",
    "2026-01-31T23:59:59.5Z",
    "2026-01-31T23:59:59.123456Z",
    "2026-01-31T23:59:59.1234567Z",
    "2026-01-31T23:59:59.123456+05:45",
    "0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "1969-12-31T23:59:59.000001Z",
    "2026-02-30T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T23:59:60Z",
    "2026-01-31T23:59:59",
    "2026-01-31 23:59:59Z",
    "2026-01-31T23:59Z",
    "2026-01-31T2:59:590Z",
    "2026-01-31T23:59:59.Z",
    "",
]
JSON_TEXTS = [
    "{}",
    "[]",
    '{"a":"\\\\"}',
    '{"a":"\\\\\\"}{","b":[]}',
    '{"a":"\\\\\\\\","b":"\\""}',
    '{"a": 1.50, "b":[1,{"c":"}\\""}], "a":2}',
    '{"n": NaN}',
    '{"i": [Infinity, -Infinity]}',
    '{"NaN": "Infinity"}',
    '{"big": 1e999, "long": 123456789012345678901234567890}',
    '"text"',
    '"NaN"',
    '"\\ud800"',
    '"\\u0041\\n"',
    '{"a":"b"}',
    '{ "a" : "b" , "extra":"é" }',
    '{"a":"b","a":"c"}',
    "null",
    "true",
    "-0.0",
    "01",
    "[1,]",
    '{"a" 1}',
    "[" * 150 + "]" * 150,
    "[" * 250 + "]" * 250,
    '"QUJD"',
    '"QUI="',
    '"QQ=="',
    '"QQ"',
    '"QR=="',
    '"=QUJ"',
    '"QU=D"',
    '"===="',
    '"Q==="',
    '"Zoë="',
    '""',
]
NAMES = [
    "event_id", "id", "event_type", "type", "stream_id", "subject", "source", "occurred_at", "time",
    "recorded_at", "content_type", "datacontenttype", "headers", "specversion", "payload",
    "payload_base64", "data", "data_base64", "traceparent", "extra", "\\u0069d", "é",
]  # fmt: skip


@st.composite
def members(draw: st.DrawFn) -> str:
    """A member of a record: mostly what belongs there, sometimes anything."""
    name = draw(st.sampled_from(NAMES))
    blank = draw(st.sampled_from(["", "", "", " ", "\t", " " * 20]))
    value = draw(
        st.sampled_from(JSON_TEXTS) | hostile_texts().map(lambda text: json.dumps(text, ensure_ascii=False))
    )
    return f'"{name}"{blank}:{blank}{value}{blank}'


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A line: plain, with members of any kind, or injured."""
    kind = draw(st.sampled_from(["plain", "plain", "rich", "rich", "injured", "other"]))
    if kind == "other":
        return draw(
            st.sampled_from(
                [b"", b"  ", b"[]", b"{}", b"1", b"{} {}", b"{}x", b"\xff", b'{"a":1}\r', b"null", b"\x00"]
            )
        )
    name = draw(st.sampled_from(["payload", "payload", "data", "payload_base64", "data_base64"]))
    usual = '"QUJD"' if name.endswith("_base64") else '{"a":1,"b":"x,y"}'
    payload = f'"{name}":{draw(st.just(usual) | st.sampled_from(JSON_TEXTS))}'
    parts = [
        f'"id":{json.dumps(draw(st.sampled_from(["a", "", "Zoë"])), ensure_ascii=False)}',
        '"type":"t"',
        f'"time":"{draw(st.sampled_from(MOMENTS))}"',
        payload,
    ]
    if kind != "plain":
        extra = draw(st.lists(members(), max_size=3))
        again = draw(st.sampled_from([[], [], [], extra[:1]]))
        parts = draw(st.permutations(parts + extra + again))
        if draw(st.integers(0, 3)) == 0:
            parts.pop()
    tail = draw(st.sampled_from(["", "", "", "", "\r", " ", "x", ",", " {}", "null", "\r\r"]))
    line = ("{" + ",".join(parts) + "}" + tail).encode()
    if kind == "injured":
        seed = draw(st.integers(0, 2**32 - 1))
        line = mutated(line, Random(seed)).replace(b"\n", b" ")  # noqa: S311 - reproducible, not secret
    return line


def one_by_one(lines: list[bytes]) -> tuple[list[dict[str, Any]], list[tuple[int, bytes, str]]]:
    events, rejects = [], []
    for at, line in enumerate(lines):
        if not line.strip(b" \t\r\n"):
            continue
        try:
            events.append({**event_row(line), "source_position": 100 + at})
        except Refused as reason:
            rejects.append((100 + at, line, reason.code))
    return events, rejects


def at_once(lines: list[bytes], rows_max: int) -> tuple[list[dict[str, Any]], list[tuple[int, bytes, str]]]:
    block = b"\n".join(lines) + b"\n"
    sizes = np.array([len(line) for line in lines], dtype=np.int64)
    ends = np.cumsum(sizes + 1) - 1
    events, rejects = [], []
    for batch in batches(Spans(7, block, ends - sizes, ends), 93, rows_max=rows_max, record_bytes_max=10_000):
        columns = [c.view(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in batch.events.columns]
        batch.events.validate(full=True)
        events += pa.RecordBatch.from_arrays(columns, names=batch.events.schema.names).to_pylist()
        if batch.rejected is not None:
            rejects += [
                (row["source_position"], row["payload"], row["error_code"])
                for row in batch.rejected.to_pylist()
            ]
    return events, rejects


@settings(max_examples=120, deadline=None)
@given(st.lists(records(), min_size=1, max_size=50), st.sampled_from([1, 2, 7, 1000]))
@example([b'{"id":"a","type":"t","time":"2026-01-31T23:59:59Z","payload":{}}'] * 3, 1000)
def test_columns_agree_with_records(lines: list[bytes], rows_max: int) -> None:
    assert at_once(lines, rows_max) == one_by_one(lines)


@settings(max_examples=100, deadline=None)
@given(members(), st.sampled_from(["before", "behind"]))
def test_a_member_alone_in_a_plain_line_agrees(member: str, place: str) -> None:
    """Single oddities in otherwise plain lines: what the columns must notice by themselves."""
    plain = '"event_id":"a","event_type":"t","occurred_at":"2026-01-31T23:59:59Z"'
    for payload in ('"payload":{}', '"payload_base64":"QUI="'):
        line = (
            "{"
            + (f"{plain},{payload},{member}" if place == "behind" else f"{member},{plain},{payload}")
            + "}"
        )
        lines = [line.encode(), b"{" + f"{plain},{payload}".encode() + b"}"]
        assert at_once(lines, 1000) == one_by_one(lines)


def test_every_payload_and_moment_alone_in_a_plain_line_agrees() -> None:
    plain = '"event_id":"a","event_type":"t"'
    for moment in MOMENTS:
        for text in [*JSON_TEXTS, '"=="', '"QQ=Q"', '"QU\\u0049"', '"QQ==QQ=="', '"Q Q="', '"-_-_"']:
            for name in ("payload", "payload_base64", "data", "data_base64"):
                if moment != MOMENTS[0] and text != "{}":
                    continue
                line = f'{{{plain},"occurred_at":"{moment}","{name}":{text}}}'.encode()
                assert at_once([line, line], 1000) == one_by_one([line, line])


def test_names_twice_and_tails_agree() -> None:
    plain = '"id":"a","type":"t","time":"2026-01-31T23:59:59Z","payload":{}'
    for line in (
        f'{{{plain},"x":"1","x":"1"}}',
        f'{{{plain},"x":"1","y":"2","x":null}}',
        f'{{{plain},"x":null,"x":null}}',
        f'{{{plain},"payload":null}}',
        f'{{{plain},"headers":{{"a":"1","b":"é"}},"c":"2"}}',
        f'{{{plain},"c":"2","headers":{{ "a" : "1" }}}}',
        f'{{{plain},"headers":{{"a":"1"}},"a":"2"}}',
        f'{{{plain},"headers":{{"a":"1","a":"2"}}}}',
        f'{{{plain},"headers":{{"a":{{}}}}}}',
        f'{{{plain},"headers":{{"a":null}}}}',
        f'{{{plain},"headers":{{"\\u0061":"1","a":"2"}}}}',
        f'{{{plain},"headers":{{"a":"\\u0061"}}}}',
        f'{{{plain},"headers":{{}},"x":null}}',
        f'{{{plain},"headers":[],"x":"1"}}',
        f'{{{plain},"data":null}}',
        f"{{{plain}}} null",
        f"{{{plain}}}{{}}",
        f"{{{plain}}}\r",
    ):
        assert at_once([line.encode()] * 2, 1000) == one_by_one([line.encode()] * 2), line


def test_quotes_behind_backslashes() -> None:
    text = rb'"a\\" "\"b" "\\\"c" {'
    found = marks(np.frombuffer(text, np.uint8))
    assert [
        text[begin : end + 1] for begin, end in zip(found.quotes[::2], found.quotes[1::2], strict=True)
    ] == [
        rb'"a\\"',
        rb'"\"b"',
        rb'"\\\"c"',
    ]
    assert found.at.tolist() == [len(text) - 1]


def test_plain_lines_are_read_as_columns() -> None:
    """The comparison above means something only if the columns do take what they are made for."""
    line = b'{"specversion":"1.0","id":"a","type":"t","time":"2026-01-31T23:59:59Z","data":{"a":[1]},"x":"y"'
    line += b',"headers":{"k":"v","l":""}}'
    taken, events = plain_events(line, np.array([0]), np.array([len(line)]))
    assert taken.tolist() == [True]
    assert events.column("headers").to_pylist() == [[("k", "v"), ("l", ""), ("x", "y")]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
def test_base64_is_exact(payloads: list[bytes]) -> None:
    lines = [
        b'{"id":"a","type":"t","time":"2026-01-31T23:59:59Z","payload_base64":"'
        + base64.b64encode(value)
        + b'"}'
        for value in payloads
    ]
    events, rejects = at_once(lines, 1000)
    assert [event["payload"] for event in events] == payloads
    assert rejects == []
