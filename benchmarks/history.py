"""The input of the measurements: the demo company's history, and a stream of one event type."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import Batch
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.event import Position

ORDER_PLACED = "sportscards.orders.v2.OrderPlaced"


class Held:
    """A `Source` over batches in memory, so that generating is no part of what is measured."""

    name = "held"

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def epoch(self) -> str:
        return "1"

    def head(self) -> Position:
        return Position(self._batches[-1].events.column("source_position")[-1].as_py())

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        del after, upto  # every measurement starts with an empty log and reads to the end
        yield from self._batches

    def close(self) -> None:
        self._batches = []


def history(events: int) -> list[Batch]:
    """`events` records of the demo, in batches of 65,536."""
    source = GeneratedSource(7, events, batch_rows_max=65_536)
    return list(source.read(None, Position(events - 1)))


def clean_orders(events: int) -> list[Batch]:
    """`events` well-formed OrderPlaced events with positions from 0, in batches of 65,536.

    Repeats the orders of a shorter history: what is measured does not depend on their variety.
    """
    codec = codec_for(schemas.load())
    found: list[pa.RecordBatch] = []
    for batch in history(200_000):
        rows = batch.events.filter(pc.equal(batch.events.column("event_type"), ORDER_PLACED))
        found.append(rows.take(codec.decode(rows).rows))
    orders = pa.Table.from_batches(found).combine_chunks()
    table = pa.concat_tables([orders] * (events // orders.num_rows + 1)).slice(0, events)
    positions = pa.array(range(events), pa.int64())
    at = table.schema.get_field_index("source_position")
    table = table.set_column(at, table.schema.field(at), positions).combine_chunks()
    return [Batch(rows) for rows in table.to_batches(max_chunksize=65_536)]
