"""The model of a source for property tests: a list of records, and what a log made of them must hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal

from attrs import frozen
from hypothesis import strategies as st
from obstore.store import MemoryStore

from eventreplay.event import Event
from eventreplay.log import Log, Storage
from eventreplay.log.storage import ObstoreStorage
from eventreplay.sources.rows import Rejected

PARTITION = "journal"
MOMENT = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)

Kind = Literal["event", "nameless", "refused"]
"""A good event; one without an id, which admission refuses; and one that its source could make no event of.
"""


@frozen
class Record:
    kind: Kind
    number: int
    payload: bytes

    def item(self) -> Event | Rejected:
        """As a source yields it; sources set positions themselves."""
        if self.kind == "refused":
            return Rejected(
                source_position=0,
                payload=self.payload,
                error_code="line_malformed",
                error_message="Not an event.",
            )
        return Event(
            event_id="" if self.kind == "nameless" else f"event-{self.number}",
            event_type="example.v1.Happened",
            stream_id=f"stream-{self.number % 3}",
            occurred_at=MOMENT + timedelta(microseconds=self.number),
            headers={"number": str(self.number)} if self.number % 2 else {},
            payload=self.payload,
        )


Placed = tuple[int, Record]
"""A record at its source position."""


def records(*, sizes_max: int = 40, at_most: int = 12) -> st.SearchStrategy[list[tuple[Kind, bytes]]]:
    """Kinds and payloads of records; good events are the rule."""
    kinds: st.SearchStrategy[Kind] = st.sampled_from(
        ["event", "event", "event", "event", "nameless", "refused"]
    )
    payloads = st.binary(max_size=sizes_max) | st.builds(lambda rest: b"!" + rest, st.binary(max_size=4))
    return st.lists(st.tuples(kinds, payloads), min_size=1, max_size=at_most)


def expected_events(placed: Iterable[Placed]) -> list[tuple[int, int, str, bytes]]:
    """What the log must hold: offset, source position, id, payload."""
    good = [(position, record) for position, record in placed if record.kind == "event"]
    return [
        (at, position, f"event-{record.number}", record.payload) for at, (position, record) in enumerate(good)
    ]


def expected_rejects(placed: Iterable[Placed]) -> list[tuple[int, int, str, bytes]]:
    """What the log's quarantine must hold: offset, source position, error code, payload."""
    bad = [(position, record) for position, record in placed if record.kind != "event"]
    codes = {"nameless": "event_id_missing", "refused": "line_malformed"}
    return [(at, position, codes[record.kind], record.payload) for at, (position, record) in enumerate(bad)]


def logged_events(log: Log, partition: str = PARTITION) -> list[tuple[int, int, str, bytes]]:
    """What the log holds, in its order; every hash verified by reading."""
    columns = ("log_offset", "source_position", "event_id", "payload")
    return [
        tuple(row[name] for name in columns)
        for commit in log.reader(partition).commits()
        for ref in commit.segments
        for row in log.read(ref).select(columns).to_pylist()
    ]


def logged_rejects(log: Log, partition: str = PARTITION) -> list[tuple[int, int, str, bytes]]:
    """What the log's quarantine holds, in its order."""
    columns = ("log_offset", "source_position", "error_code", "payload")
    return [
        tuple(row[name] for name in columns)
        for commit in log.reader(partition).commits()
        for ref in commit.quarantine
        for row in log.read(ref).select(columns).to_pylist()
    ]


def memory_storage() -> Storage:
    return ObstoreStorage(MemoryStore(), "memory")


_tokens = count()


def open_log(storage: Storage) -> Log:
    """The log in `storage`; every writer gets a token of its own, as in a process of its own."""
    return Log.open("memory", storage=storage, token_source=lambda: f"writer-{next(_tokens)}")
