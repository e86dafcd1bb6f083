"""Columns to payload bytes: the one place of the generator that knows the wire format.

Encoding is columnar (ptars); field order is ascending and unset fields are absent, so equal columns give
equal bytes. Nothing here is used to find the truth: the ledger reads the columns, before they come here.
"""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import ptars
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import descriptor_pb2, descriptor_pool

from eventreplay.demo.generator import factory, names, orders
from eventreplay.demo.generator.catalog import CardColumns
from eventreplay.demo.generator.columns import decimal_text, instant_text, instants, unscaled_bytes
from eventreplay.demo.generator.dice import Flags, Ints

DESCRIPTOR_SET = "sportscards.binpb"


class Encoder:
    """Payloads of every message the generator sends; built once, holds no state of a run."""

    def __init__(self) -> None:
        packed = resources.files("eventreplay.demo").joinpath("schemas", DESCRIPTOR_SET).read_bytes()
        files = descriptor_pb2.FileDescriptorSet.FromString(packed).file
        self._pool = descriptor_pool.DescriptorPool()
        for file in files:
            self._pool.Add(file)
        found = [self._pool.FindFileByName(file.name) for file in files]
        self._handlers = ptars.HandlerPool(found, ptars.PtarsConfig(timestamp_unit="us"))

    def message(self, name: str, columns: dict[str, pa.Array | Ints]) -> pa.Array:
        """Encode columns (Arrow arrays or numpy integers) as messages; a name without a field is an error."""
        handler = self._handlers.get_for_message(self._pool.FindMessageTypeByName(name))
        schema = handler.schema()
        arrays = [_fitted(columns.pop(field.name), field.type) for field in schema]
        if columns:
            raise KeyError(f"{name} has no field {', '.join(columns)}")
        return handler.record_batch_to_array(pa.RecordBatch.from_arrays(arrays, schema=schema))

    def _type(self, name: str, field: str) -> pa.DataType:
        return (
            self._handlers.get_for_message(self._pool.FindMessageTypeByName(name)).schema().field(field).type
        )

    def money(self, currency: pa.Array, scaled: Ints, scale: int, mask: Flags | None = None) -> pa.Array:
        """Money from integers of 10^-scale; null where `mask`."""
        kind = self._type("sportscards.orders.v1.OrderPaid", "amount")
        whole, part = np.divmod(scaled, 10**scale)
        nanos = (part * 10 ** (9 - scale)).astype(np.int32)
        return _struct(kind, [currency, pa.array(whole), pa.array(nanos)], mask)

    def decimal(self, text: pa.Array, mask: Flags | None = None) -> pa.Array:
        """google.type.Decimal from text; null where `mask` or where the text is null."""
        kind = self._type("sportscards.manufacturing.v1.BatchFinished", "cost")
        absent = pc.is_null(text).to_numpy(zero_copy_only=False)
        return _struct(kind, [pc.fill_null(text, "")], absent if mask is None else mask | absent)

    def lines(
        self, lines: orders.Lines, sku: pa.Array, currency: pa.Array, name: str, field: str
    ) -> pa.Array:
        """OrderLine structs of the type that `field` of message `name` has."""
        kind = self._type(name, field)
        line_type = kind.value_type if pa.types.is_list(kind) else kind
        return _struct(line_type, [
            pa.array(lines.number.astype(np.uint32)), sku.take(pa.array(lines.sku)), pa.array(lines.quantity),
            self.money(currency, lines.price4, 4),
            self.decimal(decimal_text(lines.discount4, 4), ~lines.has_discount),
            unscaled_bytes(lines.tax9),
        ], None)  # fmt: skip

    def placed(self, placed: orders.Placed, sku: pa.Array, at: Ints, *, second: bool) -> pa.Array:
        """OrderPlaced of version 2 if `second`, else 1, for all of `placed`."""
        name = f"sportscards.orders.v{2 if second else 1}.OrderPlaced"
        currency = _CURRENCIES.take(pa.array(placed.currency))
        line_currency = _CURRENCIES.take(pa.array(np.repeat(placed.currency, np.diff(placed.offsets))))
        lines = pa.ListArray.from_arrays(
            pa.array(placed.offsets.astype(np.int32)),
            self.lines(placed.lines, sku, line_currency, name, "lines"),
            type=self._type(name, "lines"),
        )  # fmt: skip
        person = "customer" if second else "client"
        columns: dict[str, pa.Array | Ints] = {
            "order_id": orders.order_ids(placed.order),
            f"{person}_id": orders.customer_ids(placed.customer),
            f"{person}_name": orders.customer_names(placed.name),
            "currency_code": currency,
            "lines": lines,
            "placed_at": instants(at),
        }
        if second:
            columns["customer_email"] = orders.emails(placed.customer, placed.email)
            columns["channel"] = placed.channel
            columns["shipping_fee"] = self.money(currency, placed.shipping4, 4, ~placed.has_shipping)
            columns["insured_value"] = self.decimal(orders.insured_texts(placed.insured, placed.insured_form))
        return self.message(name, columns)

    def card(self, card: CardColumns, name: str) -> pa.Array:
        """Card structs for the `card` field of message `name`."""
        nothing = np.zeros(len(card.sku), dtype=np.int64)
        unpriced = np.full(len(card.sku), card.price4 is None)
        kind = self._type(name, "card")
        dollars = pa.array(["USD"]).take(pa.array(nothing))
        price = self.money(dollars, nothing if card.price4 is None else card.price4, 4, unpriced)
        columns = {
            "sku": card.sku, "base_sku": card.base_sku, "players": card.players, "team": card.team,
            "sport": card.sport, "release": card.release, "set_name": card.set_name,
            "card_number": card.card_number, "release_year": pa.array(card.release_year.astype(np.uint32)),
            "parallel": card.parallel, "print_run": card.print_run, "attributes": card.attributes,
            "list_price": price,
        }  # fmt: skip
        return _struct(kind, [_fitted(columns[field.name], field.type) for field in kind], None)

    def defects(self, found: factory.Defects) -> pa.Array:
        """Lists of Defect structs."""
        kind = self._type("sportscards.manufacturing.v1.BatchInspected", "defects")
        each = _struct(kind.value_type, [pa.array(found.kind.astype(np.int32)), pa.array(found.count)], None)
        return pa.ListArray.from_arrays(pa.array(found.offsets.astype(np.int32)), each, type=kind)


def page_view(page: pa.Array, json_sku: pa.Array, tenths: Ints, at: Ints) -> pa.Array:
    """JSON payloads of page views; the numbers have fractions, which a float would keep only by luck."""
    return pc.binary_join_element_wise(
        pa.scalar('{"page_id":"'), page, pa.scalar('","sku":'), json_sku,
        pa.scalar(',"seconds_on_page":'), decimal_text(tenths, 1), pa.scalar(',"viewed_at":"'),
        instant_text(at), pa.scalar('"}'), pa.scalar(""),
    ).cast(pa.binary())  # fmt: skip


def json_texts(text: pa.Array) -> pa.Array:
    """Each text as a JSON string with its quotes; for a catalog's SKUs, once, not for events."""
    return pa.array([json.dumps(each, ensure_ascii=False) for each in text.to_pylist()], pa.string())


def repeated(choices: tuple[str, ...], index: Ints) -> pa.Array:
    """The chosen text for each index."""
    return pa.array(choices).take(pa.array(index))


def _fitted(column: pa.Array | Ints, kind: pa.DataType) -> pa.Array:
    array = pa.array(column) if isinstance(column, np.ndarray) else column
    return array if array.type.equals(kind) else array.cast(kind)


def _struct(kind: pa.DataType, children: list[pa.Array], mask: Flags | None) -> pa.Array:
    absent = None if mask is None else pa.array(mask)
    return pa.StructArray.from_arrays(children, fields=list(kind), mask=absent)


_CURRENCIES = pa.array(names.CURRENCIES)
