"""Plans to payloads: one maker for each message, columns in, bytes out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen

from eventreplay.demo.generator import dirt, names
from eventreplay.demo.generator.columns import decimal_text, hexadecimal, instants, numbered
from eventreplay.demo.generator.dice import Ints
from eventreplay.demo.generator.factory import CURRENCY, batch_ids, machines
from eventreplay.demo.generator.history import Fate, History, Plan
from eventreplay.demo.generator.layout import PERIOD_ORDERS, PERIOD_SLOTS, Kind
from eventreplay.demo.generator.orders import order_ids
from eventreplay.demo.generator.wire import Encoder, json_texts, page_view, repeated

_ORDERS = "sportscards.orders.v1."
_FACTORY = "sportscards.manufacturing.v1."
_CATALOG = "sportscards.catalog.v1."
PAGE_VIEWED = "sportscards.web.v1.PageViewed"

_STEPS = ("OrderItemChanged", "OrderPaid", "OrderShipped", "OrderCancelled", "OrderRefunded")
EVENT_TYPES = (
    dirt.PLACED_1,
    dirt.PLACED_2,
    *(_ORDERS + name for name in _STEPS),
    *(_FACTORY + name for name in ("BatchStarted", "BatchFinished", "BatchInspected")),
    *(_CATALOG + name for name in ("CardReleased", "CardCorrected", "CardRetired")),
    PAGE_VIEWED,
    dirt.UNKNOWN_TYPE,
)
TYPE_NUMBER = {name: number for number, name in enumerate(EVENT_TYPES)}

_UNKNOWN_FIELD_RANK = 33


@frozen(eq=False)
class Part:
    """Encoded rows of one block: their row numbers, and for each its event type, stream and payload."""

    rows: Ints
    event_type: Ints
    stream: pa.Array
    payload: pa.Array


def event_types(history: History, plan: Plan) -> Ints:
    """Number of each row's event type in `EVENT_TYPES`, found without encoding anything."""
    types = _TYPE_OF_KIND[plan.kind]
    placed = plan.rows(Kind.PLACED)
    types[placed] = history.orders.second_version(plan.subject[placed])
    for kind, bad in ((Kind.MALFORMED, dirt.MALFORMED), (Kind.BAD_DECIMAL, dirt.BAD_DECIMALS)):
        rows = plan.rows(kind)
        claimed = np.array([TYPE_NUMBER[each.event_type] for each in bad], dtype=np.int64)
        types[rows] = claimed[dirt.variant(history.dice, plan.identity[rows], len(bad))]
    return types


class Payloads:
    """Makes the payloads of a history's plans."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._orders = history.orders
        self._factory = history.factory
        self._sku = history.catalog.sku
        self._json_sku = json_texts(history.catalog.sku)
        self._encoder = Encoder()

    def parts(self, plan: Plan) -> list[Part]:
        """All rows of a plan, each in exactly one part."""
        parts = [make(plan) for make in self._makers()]
        return [part for part in parts if len(part.rows)]

    def _makers(self) -> list[Callable[[Plan], Part]]:
        makers: list[Callable[[Plan], Part]] = [
            self._placed_1, self._placed_2, self._changed, self._paid, self._shipped, self._cancelled,
            self._refunded, self._started, self._finished, self._inspected, self._viewed, self._malformed,
            self._bad_decimal, self._unknown,
        ]  # fmt: skip
        if self._history.cards is not None:
            makers += [self._released, self._corrected, self._retired]
        return makers

    def _placed_1(self, plan: Plan) -> Part:
        return self._placed(plan, second=False)

    def _placed_2(self, plan: Plan) -> Part:
        return self._placed(plan, second=True)

    def _placed(self, plan: Plan, *, second: bool) -> Part:
        rows = plan.rows(Kind.PLACED)
        rows = rows[self._orders.second_version(plan.subject[rows]) == second]
        subject = plan.subject[rows]
        placed = self._orders.placed(subject)
        # A conflict is the same order with every price one unit higher: certainly other bytes.
        raised = np.repeat((plan.fate[rows] == Fate.CONFLICT) * 10_000, np.diff(placed.offsets))
        placed = evolve(placed, lines=evolve(placed.lines, price4=placed.lines.price4 + raised))
        payload = self._encoder.placed(placed, self._sku, plan.occurred[rows], second=second)
        newer = pa.array(subject % PERIOD_ORDERS % 64 == _UNKNOWN_FIELD_RANK)
        suffix = pc.if_else(newer, pa.scalar(dirt.UNKNOWN_FIELDS), pa.scalar(b""))
        payload = pc.binary_join_element_wise(payload, suffix, pa.scalar(b""))
        return _encoded(rows, dirt.PLACED_2 if second else dirt.PLACED_1, order_ids(subject), payload)

    def _changed(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.CHANGED, Kind.CHANGED_AGAIN)
        order, name = plan.subject[rows], _ORDERS + "OrderItemChanged"
        lines = self._orders.changed(order, (plan.kind[rows] == Kind.CHANGED_AGAIN).astype(np.int64))
        currency = repeated(names.CURRENCIES, self._orders.currency(order))
        return self._part(rows, name, order_ids(order), {
            "order_id": order_ids(order), "changed_at": instants(plan.occurred[rows]),
            "line": self._encoder.lines(lines, self._sku, currency, name, "line"),
        })  # fmt: skip

    def _paid(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.PAID)
        order = plan.subject[rows]
        currency = repeated(names.CURRENCIES, self._orders.currency(order))
        amount = self._encoder.money(currency, self._orders.due9(order), 9)
        return self._part(rows, _ORDERS + "OrderPaid", order_ids(order), {
            "order_id": order_ids(order), "amount": amount, "method": self._orders.method(order),
            "paid_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _shipped(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.SHIPPED)
        order, dice = plan.subject[rows], self._history.dice
        return self._part(rows, _ORDERS + "OrderShipped", order_ids(order), {
            "order_id": order_ids(order), "shipped_at": instants(plan.occurred[rows]),
            "carrier": repeated(names.CARRIERS, self._orders.currency(order)),
            "tracking_code": hexadecimal(dice.words("tracking", order)),
        })  # fmt: skip

    def _cancelled(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.CANCELLED)
        order = plan.subject[rows]
        return self._part(rows, _ORDERS + "OrderCancelled", order_ids(order), {
            "order_id": order_ids(order), "cancelled_at": instants(plan.occurred[rows]),
            "reason": self._pick("cancel reason", names.CANCEL_REASONS, order),
        })  # fmt: skip

    def _refunded(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.REFUNDED)
        order = plan.subject[rows]
        currency = repeated(names.CURRENCIES, self._orders.currency(order))
        return self._part(rows, _ORDERS + "OrderRefunded", order_ids(order), {
            "order_id": order_ids(order), "refund_id": numbered("R-", order, 9),
            "amount": self._encoder.money(currency, self._orders.refund4(order), 4),
            "reason": self._pick("refund reason", names.REFUND_REASONS, order),
            "refunded_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _started(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.STARTED)
        started = self._factory.started(plan.subject[rows])
        return self._part(rows, _FACTORY + "BatchStarted", batch_ids(started.batch), {
            "batch_id": batch_ids(started.batch), "sku": self._sku.take(pa.array(started.sku)),
            "line": repeated(names.LINES, started.line), "machine": machines(started.line, started.machine),
            "shift": started.shift, "planned": started.planned, "started_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _finished(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.FINISHED)
        batch = plan.subject[rows]
        return self._part(rows, _FACTORY + "BatchFinished", batch_ids(batch), {
            "batch_id": batch_ids(batch), "produced": self._factory.produced(batch),
            "cost": self._encoder.decimal(decimal_text(self._factory.cost9(batch), 9)),
            "currency_code": _constant(CURRENCY, len(rows)),
            "finished_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _inspected(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.INSPECTED, Kind.REINSPECTED)
        batch = plan.subject[rows]
        found = self._factory.defects(batch, (plan.kind[rows] == Kind.REINSPECTED).astype(np.int64))
        return self._part(rows, _FACTORY + "BatchInspected", batch_ids(batch), {
            "batch_id": batch_ids(batch), "inspector": self._pick("inspector", names.INSPECTORS, batch),
            "defects": self._encoder.defects(found), "inspected_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _released(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.RELEASED)
        sku, name = plan.subject[rows], _CATALOG + "CardReleased"
        return self._part(rows, name, self._sku.take(pa.array(sku)), {
            "card": self._card(sku, np.zeros(len(sku), dtype=np.int64), name),
            "released_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _corrected(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.CORRECTED)
        sku, name = plan.subject[rows], _CATALOG + "CardCorrected"
        version = self._history.version_of(plan.identity[rows])
        return self._part(rows, name, self._sku.take(pa.array(sku)), {
            "card": self._card(sku, version, name), "corrected_at": instants(plan.occurred[rows]),
            "reason": repeated(names.CORRECTION_REASONS, version % len(names.CORRECTION_REASONS)),
        })  # fmt: skip

    def _retired(self, plan: Plan) -> Part:
        rows = plan.rows(Kind.RETIRED)
        sku = self._sku.take(pa.array(plan.subject[rows]))
        return self._part(rows, _CATALOG + "CardRetired", sku, {
            "sku": sku, "reason": _constant("end of the run", len(rows)),
            "retired_at": instants(plan.occurred[rows]),
        })  # fmt: skip

    def _viewed(self, plan: Plan) -> Part:
        # Records without a usable id carry a page view, so that nothing but the envelope is wrong.
        rows = plan.rows(Kind.VIEWED, Kind.NULL_ID, Kind.EMPTY_ID)
        slot, dice = plan.identity[rows], self._history.dice
        none = np.zeros(len(rows), dtype=np.int64)
        sku = self._history.catalog.choose(
            dice.below("viewed", slot, 1 << 31), self._history.catalog.released(slot // PERIOD_SLOTS), none
        )
        page = numbered("P-", slot, 10)
        payload = page_view(
            page,
            self._json_sku.take(pa.array(sku)),
            1 + dice.below("tenths", slot, 3_000),
            plan.occurred[rows],
        )
        return _encoded(rows, PAGE_VIEWED, page, payload)

    def _malformed(self, plan: Plan) -> Part:
        return self._bad(plan, Kind.MALFORMED, dirt.MALFORMED)

    def _bad_decimal(self, plan: Plan) -> Part:
        return self._bad(plan, Kind.BAD_DECIMAL, dirt.BAD_DECIMALS)

    def _unknown(self, plan: Plan) -> Part:
        return self._bad(plan, Kind.UNKNOWN, (dirt.UNKNOWN,))

    def _bad(self, plan: Plan, kind: Kind, bad: tuple[dirt.Bad, ...]) -> Part:
        rows = plan.rows(kind)
        chosen = dirt.variant(self._history.dice, plan.identity[rows], len(bad))
        claimed = np.array([TYPE_NUMBER[each.event_type] for each in bad], dtype=np.int64)
        payload = pa.array([each.payload for each in bad], pa.binary()).take(pa.array(chosen))
        return Part(rows, claimed[chosen], numbered("X-", plan.identity[rows], 10), payload)

    def _card(self, sku: Ints, version: Ints, name: str) -> pa.Array:
        if self._history.cards is None:
            raise AssertionError("a history with a given catalog releases no cards")
        return self._encoder.card(self._history.cards.columns(sku, version), name)

    def _pick(self, draw: str, choices: tuple[str, ...], index: Ints) -> pa.Array:
        return repeated(choices, self._history.dice.below(draw, index, len(choices)))

    def _part(self, rows: Ints, name: str, stream: pa.Array, columns: dict[str, pa.Array | Ints]) -> Part:
        return _encoded(rows, name, stream, self._encoder.message(name, columns))


def _encoded(rows: Ints, name: str, stream: pa.Array, payload: pa.Array) -> Part:
    return Part(rows, np.full(len(rows), TYPE_NUMBER[name], dtype=np.int64), stream, payload)


def _constant(text: str, rows: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(rows, dtype=np.int64)))


_TYPE_OF_KIND = np.zeros(len(Kind), dtype=np.int64)
for _kind, _name in {
    Kind.CHANGED: "OrderItemChanged", Kind.CHANGED_AGAIN: "OrderItemChanged", Kind.PAID: "OrderPaid",
    Kind.SHIPPED: "OrderShipped", Kind.CANCELLED: "OrderCancelled", Kind.REFUNDED: "OrderRefunded",
    Kind.STARTED: "BatchStarted", Kind.FINISHED: "BatchFinished", Kind.INSPECTED: "BatchInspected",
    Kind.REINSPECTED: "BatchInspected", Kind.RELEASED: "CardReleased", Kind.CORRECTED: "CardCorrected",
    Kind.RETIRED: "CardRetired", Kind.VIEWED: "PageViewed", Kind.NULL_ID: "PageViewed",
    Kind.EMPTY_ID: "PageViewed",
    Kind.UNKNOWN: "PointsGranted",
}.items():  # fmt: skip
    _TYPE_OF_KIND[_kind] = next(
        number for number, name in enumerate(EVENT_TYPES) if name.endswith("." + _name)
    )
