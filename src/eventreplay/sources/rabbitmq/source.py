"""RabbitSource: a queue of RabbitMQ as something that delivers until settled."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any, ClassVar

import pyarrow.compute as pc
from attrs import define, frozen

from eventreplay.batch import Batch
from eventreplay.errors import EpochError, EventReplayError, SourceError, SourceUnavailableError
from eventreplay.event import Position
from eventreplay.finding import Finding
from eventreplay.interfaces import Delivery
from eventreplay.sources.rabbitmq.columns import Converted, convert
from eventreplay.sources.rabbitmq.failures import mapped
from eventreplay.sources.rabbitmq.frames import Chunk, FrameError
from eventreplay.sources.rabbitmq.link import Link
from eventreplay.sources.rabbitmq.settings import RabbitSettings

PROOF_S_MAX = 10.0
"""How long a stream may take to deliver the position the log ends at, once it is consumed."""


@frozen
class Token:
    """By which connection, and under which tags, a batch came.

    Attributes:
        session: number of the connection.
        first_tag, last_tag: delivery tags, inclusive; consecutive on a channel with one consumer.
        rejected_tags: of messages that were not kept and go to the dead-letter exchange.
        last_offset: offset of the last row in a stream; -1 in a queue.
    """

    session: int
    first_tag: int
    last_tag: int
    rejected_tags: tuple[int, ...] = ()
    last_offset: int = -1


@define
class _Out:
    """A delivery that was handed out."""

    first_tag: int
    last_tag: int
    is_settled: bool = False


class RabbitSource:
    """A `QueueSource`: one consumer of one queue; more consumers are more of these, each with its partition.

    The connection is made when something is first received. It is made again when it is lost; after
    `attempts_max` attempts in a row that failed, `receive` raises. It never waits for ever, and never asks
    the broker to put a message back: what is not settled comes again when the connection ends.

    Args:
        settings: which queue, and how.
    """

    Settings: ClassVar[type] = RabbitSettings

    def __init__(self, settings: RabbitSettings) -> None:
        self._settings = settings
        self._link: Link | None = None
        self._out: deque[_Out] = deque()
        self._session = -1
        self._resume_after: int | None = None
        self._must_see: int | None = None
        self._is_closed = False

    @classmethod
    def check(cls, settings: RabbitSettings) -> list[Finding]:
        """What `eventreplay doctor` says of this end; never raises for an unreachable one."""
        from eventreplay.sources.rabbitmq.check import check  # noqa: PLC0415 - only the doctor needs it

        return check(settings)

    @property
    def name(self) -> str:
        """`rabbitmq:VHOST/QUEUE`."""
        return self._settings.name

    @property
    def attached(self) -> bool:
        """Whether the broker delivers to this consumer now."""
        return self._link is not None and self._link.attached

    @property
    def is_quiet(self) -> bool:
        """Whether it does, and neither part of a message nor a stream's last position is awaited."""
        return self.attached and self._must_see is None and self._link is not None and self._link.is_quiet

    @property
    def unsettled_rows_max(self) -> int:
        """Rows after which the broker delivers nothing more before some are settled."""
        return self._settings.prefetch

    @property
    def resumes(self) -> bool:
        """Whether the queue is a stream: then the log's checkpoint says where to go on."""
        return self._settings.queue_type == "stream"

    def resume(self, after: Position) -> None:
        """Go on behind offset `after` of a stream; that one is asked for again, as proof that it is there."""
        self._resume_after = int(after)
        self._must_see = int(after)

    def position(self, delivery: Delivery) -> Position:
        """Offset in the stream of the last row of a delivery."""
        token = delivery.token
        return Position(token.last_offset if isinstance(token, Token) else -1)

    def receive(self, timeout_s: float) -> Delivery | None:
        """The next batch, of at most `delivery_rows_max` rows.

        Raises:
            SourceUnavailableError: the broker could not be reached in `attempts_max` attempts, or this
                source is closed.
            SourceError: it never will (no such queue, no right, wrong password, wrong certificate, a
                message above `message_bytes_max`).
        """
        if self._is_closed:
            raise SourceUnavailableError("The RabbitMQ source is closed.", hint="Open another one.")
        if self._link is None:
            self._link = Link(self._settings, self._arguments)
            self._link.start()
        taken = self._link.take(self._settings.delivery_rows_max, timeout_s)
        if taken is None:
            if self._must_see is not None and self._link.attached_s() > PROOF_S_MAX:
                raise self._other_stream(None)
            return None
        session, chunk = taken
        if session != self._session:
            self._session = session
            self._out.clear()
        return self._delivery(session, chunk)

    def _delivery(self, session: int, chunk: Chunk) -> Delivery:
        if chunk.oversized and self._settings.oversized == "stop":
            raise _too_large(max(big.bytes_received for big in chunk.oversized.values()), self._settings)
        try:
            made: Converted = convert(chunk, self._settings)
        except FrameError as error:
            raise mapped(error, self._settings) from error
        self._out.append(_Out(made.first_tag, made.last_tag))
        batch = self._behind(made) if self.resumes else made.batch
        token = Token(session, made.first_tag, made.last_tag, made.oversized_tags, made.last_offset)
        return Delivery(batch=batch, token=token)

    def _behind(self, made: Converted) -> Batch:
        """Of a stream's batch, what comes behind the position it is resumed from."""
        after, self._resume_after = self._resume_after, made.last_offset
        if self._must_see is not None:
            if made.first_offset != self._must_see:
                raise self._other_stream(made.first_offset)
            self._must_see = None
        batch = made.batch
        if after is None or made.first_offset > after:
            return batch
        behind = [
            None if part is None else part.filter(pc.greater(part.column("source_position"), after))
            for part in (batch.events, batch.rejected)
        ]
        return Batch(behind[0], behind[1])

    def _other_stream(self, found: int | None) -> EpochError:
        return EpochError(
            f"Stream {self._settings.queue!r} no longer has the position the log ends at.",
            hint="It was deleted and declared again, or its retention passed us: capture it into a new "
            "partition.",
            expected=self._must_see,
            found=found,
        )

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge all of `delivery`, if the connection it came by still stands."""
        token = delivery.token
        if not isinstance(token, Token) or token.session != self._session or self._link is None:
            return
        for out in self._out:
            if out.first_tag == token.first_tag and not out.is_settled:
                out.is_settled = True
                break
        else:
            return
        is_first = self._out[0].is_settled and self._out[0].first_tag == token.first_tag
        while self._out and self._out[0].is_settled:
            self._out.popleft()
        self._link.settle(token.session, partial(_acknowledge, token=token, multiple=is_first))

    def close(self) -> None:
        """Drop the connection, after acknowledgements that were asked for. Idempotent."""
        self._is_closed = True
        if self._link is not None:
            self._link.close()

    def _arguments(self) -> dict[str, object]:
        if self._settings.queue_type != "stream":
            return {}
        if self._resume_after is not None:
            return {"x-stream-offset": self._resume_after + (self._must_see is None)}
        offset = self._settings.stream_offset
        return {"x-stream-offset": int(offset) if offset.isdigit() else offset}


def _acknowledge(channel: Any, *, token: Token, multiple: bool) -> None:
    """On the link's thread. `multiple` covers all tags below: only where nothing below is unsettled."""
    for tag in token.rejected_tags:
        channel.basic_reject(tag, requeue=False)
    if multiple and token.last_tag not in token.rejected_tags:
        channel.basic_ack(token.last_tag, multiple=True)
        return
    for tag in range(token.first_tag, token.last_tag + 1):
        if tag not in token.rejected_tags:
            channel.basic_ack(tag)


def _too_large(size: int, settings: RabbitSettings) -> EventReplayError:
    return SourceError(
        f"Queue {settings.queue!r} has a message of {size} bytes; {settings.message_bytes_max} are allowed.",
        hint="Raise message_bytes_max; or oversized = dead-letter, if the queue has a dead-letter exchange.",
        queue=settings.queue,
        bytes=size,
    )
