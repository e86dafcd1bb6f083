"""The lean reader against pika's own decoder: the same stream, cut anywhere, gives the same messages."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from pika import frame, spec

from eventreplay.sources.rabbitmq.columns import convert
from eventreplay.sources.rabbitmq.frames import FrameError, Splitter
from eventreplay.sources.rabbitmq.settings import RabbitSettings

CHANNEL = 1
FRAME_MAX = 4096
PIECE = 100
"""Bytes of a body frame in these streams, so that bodies come in pieces."""

SETTINGS = RabbitSettings(queue="q")

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.none(), st.binary(max_size=9)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
messages = st.fixed_dictionaries(
    {
        # Of any length as often as of any other: most have to come in pieces.
        "body": st.binary(max_size=50) | st.integers(0, 350).map(lambda size: bytes(range(251))[:size] * 2),
        "headers": st.none() | st.dictionaries(texts, values, max_size=5),
        "message_id": st.none() | texts,
        "type": st.none() | texts,
        "app_id": st.none() | texts,
        "content_type": st.none() | texts,
        "correlation_id": st.none() | texts,
        "timestamp": st.none() | st.integers(0, 253_402_300_799),  # to the end of the year 9999
        "priority": st.none() | st.integers(0, 255),
        "delivery_mode": st.none() | st.integers(1, 2),
        "exchange": texts,
        "routing_key": texts,
    }
)


def content(
    channel: int, method: Any, body: bytes, properties: spec.BasicProperties, piece: int = PIECE
) -> list[bytes]:
    frames = [
        frame.Method(channel, method).marshal(),
        frame.Header(channel, len(body), properties).marshal(),
    ]
    frames += [
        frame.Body(channel, body[at : at + piece]).marshal() for at in range(0, len(body), piece) if body
    ]
    return frames


def delivery(tag: int, message: dict[str, Any], channel: int = CHANNEL) -> list[bytes]:
    names = (
        "headers",
        "message_id",
        "type",
        "app_id",
        "content_type",
        "correlation_id",
        "timestamp",
        "priority",
        "delivery_mode",
    )
    properties = spec.BasicProperties(**{name: message[name] for name in names})
    method = spec.Basic.Deliver("ctag1.abc", tag, tag % 2 == 0, message["exchange"], message["routing_key"])
    return content(channel, method, message["body"], properties)


OTHERS = [
    [frame.Heartbeat().marshal()],
    [frame.Method(0, spec.Connection.Blocked("low on memory")).marshal()],
    [frame.Method(0, spec.Connection.Unblocked()).marshal()],
    content(2, spec.Basic.Deliver("other", 7, False, "", "k"), b"x" * 250, spec.BasicProperties()),  # noqa: FBT003
]
BETWEEN = [
    *OTHERS,
    [frame.Method(CHANNEL, spec.Channel.Flow(active=True)).marshal()],
    [frame.Method(CHANNEL, spec.Basic.Cancel("ctag1.abc", nowait=True)).marshal()],
    content(CHANNEL, spec.Basic.Return(312, "NO_ROUTE", "e", "k"), b"came back", spec.BasicProperties()),
]


def decoded(stream: bytes) -> tuple[list[tuple[Any, Any, bytes]], list[bytes]]:
    """What pika makes of a stream: our deliveries, and all other frames as they stand."""
    found, others, at = [], [], 0
    current: list[Any] = []
    while at < len(stream):
        length, one = frame.decode_frame(stream[at:])
        assert one is not None
        raw = stream[at : at + length]
        at += length
        is_ours = one.channel_number == CHANNEL
        if is_ours and isinstance(one, frame.Method) and isinstance(one.method, spec.Basic.Deliver):
            current = [one.method, None, b""]
        elif is_ours and current and isinstance(one, frame.Header):
            current[1] = one
        elif is_ours and current and isinstance(one, frame.Body):
            current[2] += one.fragment
        else:
            others.append(raw)
        if current and current[1] is not None and len(current[2]) == current[1].body_size:
            found.append((current[0], current[1].properties, current[2]))
            current = []
    return found, others


def split(stream: bytes, cuts: list[int], **bounds: int) -> tuple[Splitter, list[bytes]]:
    others: list[bytes] = []
    splitter = Splitter(
        others.append,
        channel=CHANNEL,
        frame_bytes_max=FRAME_MAX,
        message_bytes_max=bounds.get("message_bytes_max", 10_000),
    )
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for begin, end in pairwise(edges):
        splitter.feed(stream[begin:end])
    return splitter, others


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    frames: list[bytes] = []
    for tag, message in enumerate(draw(st.lists(messages, min_size=1, max_size=5)), 1):
        for one in delivery(tag, message):
            frames.append(one)
            if draw(st.integers(0, 9)) == 0:
                # Within a delivery only other channels may speak.
                frames += draw(st.sampled_from(OTHERS))
        if draw(st.integers(0, 3)) == 0:
            frames += draw(st.sampled_from(BETWEEN))
    return b"".join(frames)


def text_of(value: Any) -> str | None:
    """The text that a header of this value has, as far as pika keeps what was sent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    return "null" if value is None else None


def same(stream: bytes, splitter: Splitter, others: list[bytes]) -> None:
    due, others_due = decoded(stream)
    assert others == others_due
    assert splitter.rows == len(due)
    made = convert(splitter.take(1000), SETTINGS)
    assert made.first_tag == due[0][0].delivery_tag
    assert made.last_tag == due[-1][0].delivery_tag
    rows = made.batch.events.to_pylist()
    assert made.batch.rejected is None
    assert len(rows) == len(due)
    for row, (method, properties, body) in zip(rows, due, strict=True):
        assert row["payload"] == body
        assert row["event_id"] == (properties.message_id or None)
        assert row["event_type"] == (properties.type or None)
        assert row["source"] == (properties.app_id or "")
        headers = dict(row["headers"])
        for name, value in (properties.headers or {}).items():
            text = text_of(value)
            if name not in {"stream_id", "occurred_at", "recorded_at"} and text is not None:
                assert headers[name] == text
        for name, value in (
            ("routing_key", method.routing_key),
            ("exchange", method.exchange),
            ("correlation_id", properties.correlation_id),
        ):
            if value and f"amqp.{name}" not in (properties.headers or {}):
                assert headers[f"amqp.{name}"] == value


@given(streams(), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_gives_what_the_driver_decodes(stream: bytes, cuts: list[int]) -> None:
    same(stream, *split(stream, cuts))


MESSAGE: dict[str, Any] = {
    "body": b"b" * 250,
    "headers": {"a": "1", "n": {"x": [1, "two"]}},
    "message_id": "id",
    "type": "t",
    "app_id": "shop",
    "content_type": "application/json",
    "correlation_id": None,
    "timestamp": 1,
    "priority": 0,
    "delivery_mode": 2,
    "exchange": "",
    "routing_key": "q",
}


@pytest.mark.parametrize("body", [b"", b"x", b"y" * PIECE, b"z" * (3 * PIECE)])
def test_every_single_cut_and_byte_by_byte(body: bytes) -> None:
    message = {**MESSAGE, "body": body}
    stream = b"".join(
        [
            *delivery(1, message),
            *OTHERS[0],
            *delivery(2, {**message, "message_id": "second"}),
            *BETWEEN[-1],
            *delivery(3, {**message, "message_id": "third"}),
        ]
    )
    same(stream, *split(stream, list(range(len(stream)))))
    for cut in range(len(stream)):
        same(stream, *split(stream, [cut]))


@given(st.integers(1, 400), st.integers(0, 10_000))
@example(100, 0)
def test_a_message_above_the_bound_is_counted_and_not_kept(bound: int, cut: int) -> None:
    stream = b"".join(delivery(1, {**MESSAGE, "body": b"o" * 401}) + delivery(2, MESSAGE | {"body": b"s"}))
    splitter, _ = split(stream, [cut], message_bytes_max=bound)
    assert splitter.bytes_held < 401 + 1000 - 400
    chunk = splitter.take(10)
    assert chunk.rows == 2
    assert chunk.oversized[0].bytes_received == 401
    assert chunk.oversized[0].sha256 == hashlib.sha256(b"o" * 401).hexdigest()
    assert b"ooo" not in bytes(chunk.data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1] + b"\x00",  # no end mark
        lambda raw: raw[:3] + b"\x7f\xff\xff\xff" + raw[7:],  # a frame above what was agreed upon
        lambda raw: raw + raw,  # a delivery within a delivery
        lambda raw: raw + frame.Body(CHANNEL, b"early").marshal(),  # a body before its header
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(damage: Any) -> None:
    method = delivery(1, MESSAGE)[0]
    with pytest.raises(FrameError):
        split(damage(method), [])


def test_a_channel_that_is_closed_within_a_delivery_forgets_it() -> None:
    closing = frame.Method(CHANNEL, spec.Channel.Close(406, "PRECONDITION_FAILED", 0, 0)).marshal()
    splitter, others = split(delivery(1, MESSAGE)[0] + closing, [])
    assert (splitter.rows, others) == (0, [closing])


@given(st.lists(st.integers(1, 7), min_size=1, max_size=20))
def test_chunks_of_any_size_hold_the_same_messages(sizes: list[int]) -> None:
    stream = b"".join(b"".join(delivery(tag, {**MESSAGE, "message_id": f"m{tag}"})) for tag in range(1, 40))
    splitter, _ = split(stream, [])
    found: list[str] = []
    tags: list[int] = []
    for size in [*sizes, 100]:
        if splitter.rows:
            made = convert(splitter.take(size), SETTINGS)
            found += made.batch.events.column("event_id").to_pylist()
            tags += [made.first_tag, made.last_tag]
    assert found == [f"m{tag}" for tag in range(1, 40)]
    assert tags[0] == 1
    assert tags[-1] == 39


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """The interpreter changes threads at nearly every step, not two hundred times a second."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual_s)


@pytest.mark.usefixtures("eager_threads")
def test_one_thread_may_feed_while_another_takes() -> None:
    """What is taken between two steps of a feed would be acknowledged and lost."""
    count = 30_000
    message = {**MESSAGE, "headers": None, "body": b"small"}
    stream = b"".join(b"".join(delivery(tag, message)) for tag in range(1, count + 1))
    splitter = Splitter(lambda _: None, channel=CHANNEL, frame_bytes_max=FRAME_MAX, message_bytes_max=10_000)

    def feed() -> None:
        for at in range(0, len(stream), 1500):
            splitter.feed(stream[at : at + 1500])

    feeder = threading.Thread(target=feed)
    feeder.start()
    following, rows = 1, 0
    while rows < count and (feeder.is_alive() or splitter.rows):
        chunk = splitter.take(1000)
        if chunk.rows:
            made = convert(chunk, SETTINGS)
            assert made.first_tag == following
            assert made.batch.rows == chunk.rows == made.last_tag - made.first_tag + 1
            following = made.last_tag + 1
            rows += chunk.rows
    feeder.join()
    assert rows == count


def test_who_takes_between_two_steps_of_a_feed_waits_for_its_end() -> None:
    entered, taken = threading.Event(), threading.Event()

    class Places(list[int]):
        """Where deliveries begin: noted before their bytes are there, and then somebody comes to take."""

        def extend(self, more: Iterable[int]) -> None:
            super().extend(more)
            entered.set()
            taken.wait(0.2)  # in vain, if whoever takes has to wait for this feed

    splitter = Splitter(lambda _: None, channel=CHANNEL, frame_bytes_max=FRAME_MAX, message_bytes_max=10_000)
    splitter._starts = Places()
    message = {**MESSAGE, "headers": None, "body": b"small"}
    stream = b"".join(b"".join(delivery(tag, message)) for tag in range(1, 11))
    feeder = threading.Thread(target=splitter.feed, args=(stream,))
    feeder.start()
    assert entered.wait(10)
    chunk = splitter.take(1000)
    taken.set()
    feeder.join()
    made = convert(chunk, SETTINGS)
    assert (made.first_tag, made.last_tag, made.batch.rows) == (1, 10, 10)
