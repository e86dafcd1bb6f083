"""The history as a source: plans turned into batches of events with payload bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import EVENT_SCHEMA, HEADERS, Batch
from eventreplay.demo.generator.columns import hexadecimal, instants
from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.generator.history import History, Plan
from eventreplay.demo.generator.layout import Kind
from eventreplay.demo.generator.payloads import EVENT_TYPES, PAGE_VIEWED, TYPE_NUMBER, Payloads
from eventreplay.demo.generator.wire import repeated
from eventreplay.errors import ConfigError, SourceError
from eventreplay.event import Position

GENERATOR_VERSION = 1
"""Raised whenever the same arguments would yield other events: it is part of the epoch."""

_SOURCES = (
    "urn:sportscards:shop",
    "urn:sportscards:factory",
    "urn:sportscards:catalog",
    "urn:sportscards:web",
)
_SOURCE_OF = np.array([0] * 7 + [1] * 3 + [2] * 3 + [3, 0], dtype=np.int64)
_PRODUCERS = ("shop/1.9", "shop/2.1", "mes/4.0", "pim/0.7", "web/9.3")
_PRODUCER_OF = np.array([0] + [1] * 6 + [2] * 3 + [3] * 3 + [4, 1], dtype=np.int64)
_CONTENT_TYPES = ("application/protobuf", "application/json")


class GeneratedSource:
    """A sports-card company's history: `events` records at positions 0 to events - 1.

    A pure function of (seed, events, catalog): equal arguments give equal bytes, whatever the batch size,
    machine or Python version. Memory is bounded by one block (`history.BLOCK_ROWS` rows) and the catalog.

    Args:
        seed: any integer.
        events: number of records, copies and dirt included; 0 to `history.EVENTS_MAX`.
        catalog: SKUs to sell, with `sku` and where known `players` and `list_price`; None: an invented
            catalog, which the history then releases.
        batch_rows_max: rows of a batch at most; never changes what is in them.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(
        self, seed: int, events: int, *, catalog: pa.Table | None = None, batch_rows_max: int = 32_768
    ) -> None:
        if batch_rows_max < 1:
            raise ConfigError(
                "batch_rows_max must be at least 1.",
                hint="Leave it at its default.",
                batch_rows_max=batch_rows_max,
            )
        self._arguments = (seed, events, catalog, batch_rows_max)
        self._batch_rows_max = batch_rows_max
        self._seed = seed
        self.history = History(seed, events, catalog)
        self._payloads = Payloads(self.history)
        self._last: tuple[int, pa.RecordBatch] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # Workers are processes; encoders cannot travel, but arguments can.
        return (_restore, self._arguments)

    @property
    def name(self) -> str:
        """`generated`: checkpoints carry it; which history it is, the epoch says."""
        return "generated"

    def epoch(self) -> str:
        """Hash of what the history is a function of."""
        facts = f"{GENERATOR_VERSION}/{self._seed}/{self.history.events}/{self.history.catalog.digest}"
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    def head(self) -> Position | None:
        """The last position; None for an empty history."""
        return None if self.history.events == 0 else Position(self.history.events - 1)

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Yield (after, upto] in position order; starts anywhere without making what comes before.

        Raises:
            SourceError: `upto` is past the head.
        """
        if upto >= self.history.events:
            raise SourceError(
                f"Position {upto} is past the end of a history of {self.history.events} events.",
                hint="Read up to head().", position=upto,
            )  # fmt: skip
        at = 0 if after is None else after + 1
        while at <= upto:
            rows, first = self._block(self.history.block_of(at))
            stop = min(upto + 1, first + rows.num_rows, at + self._batch_rows_max)
            yield Batch(rows.slice(at - first, stop - at))
            at = stop

    def close(self) -> None:
        """Drop the block kept for the next read."""
        self._last = None

    def _block(self, block: int) -> tuple[pa.RecordBatch, int]:
        if self._last is None or self._last[0] != block:
            self._last = (block, self._encode(self.history.plan(block)))
        rows = self._last[1]
        return rows, int(rows.column("source_position")[0].as_py())

    def _encode(self, plan: Plan) -> pa.RecordBatch:
        parts = self._payloads.parts(plan)
        back = np.argsort(np.concatenate([part.rows for part in parts]), kind="stable")
        event_type = np.concatenate([part.event_type for part in parts])[back]
        in_order = pa.array(back)
        is_json = (event_type == TYPE_NUMBER[PAGE_VIEWED]).astype(np.int64)
        columns = [
            self._event_ids(plan),
            repeated(EVENT_TYPES, event_type),
            pa.concat_arrays([part.stream for part in parts]).take(in_order),
            repeated(_SOURCES, _SOURCE_OF[event_type]),
            pa.array(plan.position),
            instants(plan.occurred),
            instants(plan.recorded),
            repeated(_CONTENT_TYPES, is_json),
            _headers(event_type),
            pa.concat_arrays([part.payload for part in parts]).take(in_order),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA)

    def _event_ids(self, plan: Plan) -> pa.Array:
        dice = self.history.dice
        ids = hexadecimal(dice.words("event id", plan.identity), dice.words("event id, lower", plan.identity))
        ids = pc.if_else(pa.array(plan.kind == Kind.NULL_ID), pa.scalar(None, pa.string()), ids)
        return pc.if_else(pa.array(plan.kind == Kind.EMPTY_ID), pa.scalar(""), ids)


def _headers(event_type: Ints) -> pa.Array:
    """One header for each event: which program produced it."""
    offsets = np.arange(len(event_type) + 1, dtype=np.int32)
    names = pa.array(["producer"]).take(pa.array(np.zeros(len(event_type), dtype=np.int64)))
    return pa.MapArray.from_arrays(
        pa.array(offsets), names, repeated(_PRODUCERS, _PRODUCER_OF[event_type]), type=HEADERS
    )


def _restore(seed: int, events: int, catalog: pa.Table | None, batch_rows_max: int) -> GeneratedSource:
    return GeneratedSource(seed, events, catalog=catalog, batch_rows_max=batch_rows_max)
