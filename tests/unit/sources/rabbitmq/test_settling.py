"""Which tags are acknowledged, on which connection: never one that is not in the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from pika import frame, spec

from eventreplay.interfaces import Delivery
from eventreplay.sources.rabbitmq import source as module
from eventreplay.sources.rabbitmq.frames import Chunk, Splitter
from eventreplay.sources.rabbitmq.settings import RabbitSettings
from eventreplay.sources.rabbitmq.source import RabbitSource


class Channel:
    """The tags that the broker is told of."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.rejected: list[int] = []

    def basic_ack(self, tag: int, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - as the driver has it
        first = 1 if multiple else tag
        self.acknowledged += sorted(set(range(first, tag + 1)) - set(self.acknowledged))

    def basic_reject(self, tag: int, *, requeue: bool) -> None:
        assert not requeue
        self.rejected.append(tag)


class ScriptedLink:
    """Hands out chunks of numbered connections; an acknowledgement goes to the connection it is sent by."""

    def __init__(self, chunks: list[tuple[int, Chunk]]) -> None:
        self.chunks = deque(chunks)
        self.channels = {session: Channel() for session, _ in chunks}

    def start(self) -> None:
        """It has nothing to connect to."""

    def take(self, _rows_max: int, _timeout_s: float) -> tuple[int, Chunk] | None:
        return self.chunks.popleft() if self.chunks else None

    def settle(self, session: int, acknowledge: Callable[[Any], None]) -> None:
        acknowledge(self.channels[session])


def chunk(*tags: int, large: int | None = None) -> Chunk:
    """Deliveries of these tags; one of them above what is kept."""
    splitter = Splitter(lambda _: None, channel=1, frame_bytes_max=131_072, message_bytes_max=100)
    for tag in tags:
        body = b"b" * (101 if tag == large else 10)
        properties = spec.BasicProperties(message_id=f"m{tag}", type="t", timestamp=1)
        method = spec.Basic.Deliver("c", tag, False, "", "q")  # noqa: FBT003 - as the driver has it
        parts = (frame.Method(1, method), frame.Header(1, len(body), properties), frame.Body(1, body))
        splitter.feed(b"".join(part.marshal() for part in parts))
    return splitter.take(len(tags))


def received(
    monkeypatch: pytest.MonkeyPatch, *chunks: tuple[int, Chunk]
) -> tuple[RabbitSource, ScriptedLink, list[Delivery]]:
    link = ScriptedLink(list(chunks))
    monkeypatch.setattr(module, "Link", lambda *_: link)
    source = RabbitSource(RabbitSettings(queue="q", message_bytes_max=100, oversized="dead-letter"))
    deliveries = [source.receive(0.0) for _ in chunks]
    return source, link, [each for each in deliveries if each is not None]


def test_each_batch_is_acknowledged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source, link, (first, second) = received(monkeypatch, (1, chunk(1, 2, 3)), (1, chunk(4, 5)))
    for delivery in (first, first, second, second):
        source.settle(delivery)
    assert link.channels[1].acknowledged == [1, 2, 3, 4, 5]


def test_nothing_below_is_acknowledged_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source, link, (first, second) = received(monkeypatch, (1, chunk(1, 2, 3)), (1, chunk(4, 5)))
    source.settle(second)
    assert link.channels[1].acknowledged == [4, 5]
    source.settle(first)
    assert sorted(link.channels[1].acknowledged) == [1, 2, 3, 4, 5]


def test_a_token_of_a_lost_connection_acknowledges_nothing_on_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tags begin at one again: the same number is another message, which nobody has committed."""
    source, link, (old, new) = received(monkeypatch, (1, chunk(1, 2, 3)), (2, chunk(1, 2, 3)))
    source.settle(old)
    assert [link.channels[session].acknowledged for session in (1, 2)] == [[], []]
    source.settle(new)
    assert [link.channels[session].acknowledged for session in (1, 2)] == [[], [1, 2, 3]]


@pytest.mark.parametrize("large", [1, 2, 3])
def test_what_was_not_kept_is_rejected_and_not_acknowledged(
    large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, link, (only,) = received(monkeypatch, (1, chunk(1, 2, 3, large=large)))
    source.settle(only)
    assert link.channels[1].rejected == [large]
    # The broker has let go of a rejected tag: a later `multiple` does not reach it.
    assert set(link.channels[1].acknowledged) | {large} == {1, 2, 3}
