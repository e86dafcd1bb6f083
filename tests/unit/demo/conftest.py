"""A second reading of a generated history: protobuf's own parser, Python decimals, one event at a time.

It follows the rules of the business, not the generator's columns: what the ledger says has to be found
again from the bytes alone. Slow and plain on purpose.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from importlib import resources
from typing import Any

import pyarrow as pa
import pytest
from attrs import define, field
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from eventreplay.demo.generator import GeneratedSource

EXACT = Context(prec=200)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_ZERO = Decimal(0)


class UnreadableError(Exception):
    """The payload cannot be decoded."""


class NoDecimalError(UnreadableError):
    """An amount cannot be believed."""


@define
class Order:
    """An order as read."""

    placed: Message
    second: bool
    at: datetime
    order: tuple[datetime, int]
    changes: dict[int, tuple[tuple[datetime, int], Message]] = field(factory=dict)
    paid: tuple[datetime, Decimal] | None = None
    shipped: datetime | None = None
    cancelled: datetime | None = None
    refunded: Decimal = _ZERO

    @property
    def customer(self) -> str:
        return str(self.placed.customer_id if self.second else self.placed.client_id)

    @property
    def name(self) -> str:
        return str(self.placed.customer_name if self.second else self.placed.client_name)

    def lines(self) -> dict[int, Message]:
        found = {line.line_number: line for line in self.placed.lines}
        return found | {number: line for number, (_, line) in self.changes.items()}


@define
class Reading:
    """Everything found in a history's bytes."""

    stored: int = 0
    duplicates: int = 0
    conflicting: int = 0
    capture: int = 0
    decode: int = 0
    not_decimals: int = 0
    late: int = 0
    out_of_order: int = 0
    with_unknown_fields: int = 0
    types: dict[str, int] = field(factory=lambda: defaultdict(int))
    orders: dict[str, Order] = field(factory=dict)
    batches: dict[str, dict[str, Any]] = field(factory=lambda: defaultdict(dict))
    cards: dict[str, tuple[tuple[datetime, int], Message]] = field(factory=dict)
    retired: dict[str, tuple[datetime, int]] = field(factory=dict)
    orphans: int = 0


def money(amount: Message, scale: int) -> Decimal:
    if abs(amount.nanos) > 999_999_999 or amount.units * amount.nanos < 0:
        raise NoDecimalError("units and nanos")
    exact = Decimal(amount.units * 10**9 + amount.nanos).scaleb(-9, context=EXACT)
    return fits(exact, scale)


def text(value: str, precision: int, scale: int) -> Decimal:
    if _TEXT.fullmatch(value) is None:
        raise NoDecimalError("no decimal")
    exact = fits(Decimal(value), scale)
    if exact.adjusted() >= precision - scale:
        raise NoDecimalError("too many digits")
    return exact


def fits(value: Decimal, scale: int) -> Decimal:
    if value != value.quantize(Decimal(1).scaleb(-scale), context=EXACT):
        raise NoDecimalError("too many fraction digits")
    return value


def instant(stamp: Message) -> datetime:
    return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


class Reader:
    """Reads events one after the other, in log order."""

    def __init__(self) -> None:
        packed = resources.files("eventreplay.demo").joinpath("schemas", "sportscards.binpb").read_bytes()
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(packed).file:
            pool.Add(file)
        self.pool = pool
        self.found = Reading()
        self._seen: dict[str, bytes] = {}
        self._waiting: list[tuple[str, Callable[[Order], None]]] = []

    def read(self, row: dict[str, object]) -> None:
        event_id, payload = row["event_id"], row["payload"]
        if not event_id:
            self.found.capture += 1
            return
        assert isinstance(event_id, str)
        assert isinstance(payload, bytes)
        try:
            message = self._decode(str(row["event_type"]), payload)
        except UnreadableError as error:
            self.found.decode += 1
            self.found.not_decimals += isinstance(error, NoDecimalError)
            return
        if event_id in self._seen:
            same = self._seen[event_id] == payload
            self.found.duplicates += same
            self.found.conflicting += not same
            return
        self._seen[event_id] = payload
        self.found.stored += 1
        self.found.types[str(row["event_type"])] += 1
        self._apply(message, row)

    def finish(self) -> Reading:
        for order_id, change in self._waiting:
            if order_id in self.found.orders:
                change(self.found.orders[order_id])
            else:
                self.found.orphans += 1
        return self.found

    def _decode(self, name: str, payload: bytes) -> Message | None:
        if name == "sportscards.web.v1.PageViewed":
            view = json.loads(payload, parse_float=Decimal)
            assert set(view) == {"page_id", "sku", "seconds_on_page", "viewed_at"}
            assert view["seconds_on_page"] > 0
            return None
        try:
            kind = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))
            message = kind.FromString(payload)
        except (KeyError, DecodeError) as error:
            raise UnreadableError(name) from error
        self._believe(message)
        self.found.with_unknown_fields += (
            len(message.SerializeToString()) != len(payload) or b"beta" in payload
        )
        return message

    def _believe(self, message: Message) -> None:
        """Raise for an amount that is none: the reader's own idea of the declared decimals."""
        lines = list(getattr(message, "lines", ())) + (
            [message.line] if hasattr(message, "line_number") else []
        )
        for line in lines:
            money(line.unit_price, 4)
            if line.HasField("discount"):
                text(line.discount.value, 19, 4)
        fields = message.DESCRIPTOR.fields_by_name
        if "insured_value" in fields and message.HasField("insured_value"):
            text(message.insured_value.value, 38, 18)
        if message.DESCRIPTOR.name == "OrderRefunded":
            money(message.amount, 4)
        if message.DESCRIPTOR.name == "BatchFinished" and message.HasField("cost"):
            text(message.cost.value, 28, 9)

    def _apply(self, message: Message | None, row: dict[str, object]) -> None:
        if message is None:
            return
        at, position = row["occurred_at"], row["source_position"]
        assert isinstance(at, datetime)
        assert isinstance(position, int)
        name = message.DESCRIPTOR.name
        own = [
            f.name for f in message.DESCRIPTOR.fields if f.message_type and f.message_type.name == "Timestamp"
        ]
        assert instant(getattr(message, own[0])) == at
        if name == "OrderPlaced":
            second = message.DESCRIPTOR.full_name == "sportscards.orders.v2.OrderPlaced"
            assert message.order_id not in self.found.orders
            self.found.orders[message.order_id] = Order(message, second, at, (at, position))
        elif name.startswith("Order"):
            self._waiting.append((message.order_id, lambda order: _step(order, name, message, at, position)))
        elif name.startswith("Batch"):
            known = self.found.batches[message.batch_id]
            if name != "BatchInspected" or (at, position) > known.get("when", (EPOCH, -1)):
                known[name] = (message, at)
            if name == "BatchInspected":
                known["when"] = max((at, position), known.get("when", (EPOCH, -1)))
        elif name == "CardRetired":
            self.found.retired[message.sku] = max(
                (at, position), self.found.retired.get(message.sku, (EPOCH, -1))
            )
        elif (at, position) > self.found.cards.get(message.card.sku, ((EPOCH, -1), None))[0]:
            self.found.cards[message.card.sku] = ((at, position), message.card)


def _step(order: Order, name: str, message: Message, at: datetime, position: int) -> None:
    if name == "OrderItemChanged":
        number = message.line.line_number
        if number not in order.changes or (at, position) > order.changes[number][0]:
            order.changes[number] = ((at, position), message.line)
    elif name == "OrderPaid":
        order.paid = (at, money(message.amount, 9))
    elif name == "OrderShipped":
        order.shipped = at
    elif name == "OrderCancelled":
        order.cancelled = at
    else:
        order.refunded += money(message.amount, 4)


def read_history(source: GeneratedSource) -> tuple[Reading, pa.Table]:
    """Read a whole source; the reading, and its records as one table."""
    head = source.head()
    assert head is not None
    table = pa.Table.from_batches([batch.events for batch in source.read(None, head)])
    reader = Reader()
    latest = datetime(2000, 1, 1, tzinfo=UTC)
    for row in table.to_pylist():
        reader.read(row)
        reader.found.out_of_order += row["occurred_at"] < latest
        reader.found.late += row["occurred_at"] < latest - timedelta(days=1)
        latest = max(latest, row["occurred_at"])
    return reader.finish(), table


@pytest.fixture(scope="session")
def history_reader() -> Callable[[GeneratedSource], tuple[Reading, pa.Table]]:
    return read_history


@pytest.fixture(scope="session")
def parse() -> Callable[[str, bytes], Message]:
    """Parses a payload of a named type with protobuf's own parser."""
    pool = Reader().pool
    return lambda name, data: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)).FromString(
        data
    )
