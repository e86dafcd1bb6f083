"""The values that everything speaks of: an event as a row, a position, a checkpoint.

Hot paths never build an `Event`; they work on Arrow columns (`eventreplay.batch`). The row view is for
people, tests and sources whose author has rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NewType

from attrs import field, frozen

Position = NewType("Position", int)
"""A place in one source's total order, >= 0. Position 0 is a position: compare with `is None`."""


@frozen(kw_only=True)
class Event:
    """One event as it arrived: the envelope's attributes and the payload's original bytes.

    Attributes:
        event_id: the producer's identifier, 1 to 512 bytes of UTF-8; delivered twice means the same id.
        event_type: full protobuf message name, or the CloudEvents `type`.
        stream_id: what the event is about (an order, a card); CloudEvents `subject`.
        source: who produced it; CloudEvents `source`.
        source_position: its place in the source's order, or None for a queue that has no order.
        occurred_at: when it happened, timezone-aware; kept to the microsecond.
        recorded_at: when the source wrote it down, timezone-aware; kept to the microsecond.
        content_type: media type of the payload, e.g. `application/protobuf`.
        headers: further attributes, names and values as text.
        payload: the original bytes, never re-serialised (protobuf output is not canonical).
    """

    event_id: str
    event_type: str
    payload: bytes
    occurred_at: datetime
    recorded_at: datetime | None = None
    stream_id: str = ""
    source: str = ""
    source_position: int | None = None
    content_type: str = "application/protobuf"
    headers: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Checkpoint:
    """How far a run has come, committed in the same atomic step as the data (promise P5).

    Attributes:
        source: which source or log partition the position belongs to.
        epoch: identity of that source's order; positions of two epochs cannot be compared.
        position: the last position that is durable, inclusive.
        digest: hash of what was read up to there, where the source has one (a log partition's commit
            hash); empty otherwise. Lets the next run prove that the history below it is unchanged.
        fingerprint: codec that made the rows, for a replay; empty for a capture.
    """

    source: str
    epoch: str
    position: int
    digest: str = ""
    fingerprint: str = ""
