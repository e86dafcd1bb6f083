"""From rows to batches: a source made of two plain functions.

For authors who have rows (an API, a cursor, a list). Who has columns implements `Source` itself and is
faster by far; the contract is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from attrs import frozen

from eventreplay.batch import REJECT_SCHEMA, Batch
from eventreplay.errors import ConfigError, InvalidEventError
from eventreplay.event import Event, Position


@frozen(kw_only=True)
class Rejected:
    """A record that cannot be made an `Event`: yield it in its place, it goes to the quarantine.

    Attributes:
        source_position: its place in the source's order, like an event's.
        payload: the original bytes, so that nothing is lost.
        error_code: stable snake_case word.
        error_message: for a person; must not contain payload bytes.
    """

    source_position: int
    payload: bytes
    error_code: str
    error_message: str


class RowSource:
    """A `Source` out of two functions.

    Args:
        name: stable name that checkpoints carry; never contains a secret.
        read_events: called with (after, upto), yields what lies in (after, upto] with ascending
            `source_position`; after=None means from the beginning. Called again, it yields the same.
        read_head: the last position below which nothing can still appear, or None if there is nothing.
        epoch: identity of the order; change it when the source is replaced.
        batch_rows_max: rows held in memory and handed on at once.
        close: releases what the two functions hold; called once.
    """

    def __init__(
        self,
        name: str,
        read_events: Callable[[Position | None, Position], Iterable[Event | Rejected]],
        read_head: Callable[[], int | None],
        *,
        epoch: str = "1",
        batch_rows_max: int = 8_192,
        close: Callable[[], None] | None = None,
    ) -> None:
        if batch_rows_max < 1:
            raise ConfigError(f"batch_rows_max is {batch_rows_max}.", hint="batch_rows_max is at least 1.")
        self._name = name
        self._read_events = read_events
        self._read_head = read_head
        self._epoch = epoch
        self._batch_rows_max = batch_rows_max
        self._close = close

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    def epoch(self) -> str:
        """The epoch given."""
        return self._epoch

    def head(self) -> Position | None:
        """What `read_head` returns."""
        head = self._read_head()
        return None if head is None else Position(head)

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Batches of at most `batch_rows_max` rows.

        Raises:
            InvalidEventError: a position is missing, outside (after, upto], or does not ascend.
        """
        last = -1 if after is None else int(after)
        rows: list[Event | Rejected] = []
        for row in self._read_events(after, upto):
            last = _checked_position(row.source_position, last, int(upto))
            rows.append(row)
            if len(rows) == self._batch_rows_max:
                yield _batch(rows)
                rows = []
        if rows:
            yield _batch(rows)

    def close(self) -> None:
        """Call the `close` given, the first time only."""
        close, self._close = self._close, None
        if close is not None:
            close()


def _checked_position(position: int | None, last: int, upto: int) -> int:
    if position is None or not last < position <= upto:
        raise InvalidEventError(
            f"A source yielded position {position} where one above {last} and up to {upto} was due.",
            hint="Positions ascend strictly and stay within the range asked for; order by the position.",
            position=position,
            after=last,
            upto=upto,
        )
    return position


def _batch(rows: list[Event | Rejected]) -> Batch:
    events = [row for row in rows if isinstance(row, Event)]
    rejected = [_reject_row(row) for row in rows if isinstance(row, Rejected)]
    try:
        batch = Batch.from_events(events)
    except (InvalidEventError, pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
        # Some row has a value of a wrong type. One by one, slowly: the others must not fail with it.
        batch, more = _one_by_one(events)
        rejected = sorted(rejected + more, key=_position)
    if not rejected:
        return batch
    return Batch(batch.events, pa.RecordBatch.from_pylist(rejected, schema=REJECT_SCHEMA))


def _one_by_one(events: list[Event]) -> tuple[Batch, list[dict[str, object]]]:
    fine: list[Event] = []
    rejected: list[dict[str, object]] = []
    for event in events:
        try:
            Batch.from_events([event])
        except (InvalidEventError, pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
            rejected.append(_refuse(event))
        else:
            fine.append(event)
    return Batch.from_events(fine), rejected


def _refuse(event: Event) -> dict[str, object]:
    """What can be kept of an event with a value of a wrong type: its names, if text, and its bytes."""
    names = ("event_id", "event_type", "stream_id", "source", "content_type")
    kept: dict[str, object] = {name: _text(getattr(event, name)) for name in names}
    kept["source_position"] = event.source_position
    payload: object = event.payload  # bytes, as the annotation says, or what made this event malformed
    kept["payload"] = payload if isinstance(payload, bytes) else str(payload).encode("utf-8", "replace")
    kept["error_code"] = "event_malformed"
    kept["error_message"] = "An attribute of the event has a wrong type or a timestamp without time zone."
    return kept


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode()


def _reject_row(row: Rejected) -> dict[str, object]:
    return {
        "source_position": row.source_position,
        "payload": row.payload,
        "error_code": row.error_code,
        "error_message": row.error_message,
    }


def _position(row: dict[str, object]) -> int:
    position = row["source_position"]
    assert isinstance(position, int)  # noqa: S101 - checked on the way in
    return position
