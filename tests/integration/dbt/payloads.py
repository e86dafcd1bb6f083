"""Hand-made events with canonical payloads, as a replay would have put them into RAW.EVENTS."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

ORDERS = "sportscards.orders.v1."
PLACED_V1 = "sportscards.orders.v1.OrderPlaced"
PLACED_V2 = "sportscards.orders.v2.OrderPlaced"
FACTORY = "sportscards.manufacturing.v1."
CATALOG = "sportscards.catalog.v1."
PAGE_VIEWED = "sportscards.web.v1.PageViewed"

Json = dict[str, Any]


@frozen(kw_only=True)
class RawEvent:
    """One delivery: what it says, and where it stands in the log."""

    event_id: str
    payload_type: str
    payload: Json
    occurred_at: datetime
    event_type: str = ""
    partition: str = "journal"
    offset: int = -1

    def at(self, partition: str, offset: int) -> RawEvent:
        """The same event delivered at another place in the log."""
        return evolve(self, partition=partition, offset=offset)

    def text(self) -> str:
        """The payload as RAW holds it."""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"))

    def sha256(self) -> bytes:
        """Hash of the payload; canonical text stands in for the original bytes."""
        return hashlib.sha256(self.text().encode()).digest()


def moment(text: str) -> datetime:
    """`2026-03-01 10:00` or `2026-03-01` as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def instant(at: datetime) -> str:
    """A Timestamp in canonical JSON."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def money(amount: str | None, currency: str = "USD") -> Json | None:
    """A Money in canonical JSON; `amount` has the declared scale already."""
    return None if amount is None else {"currency_code": currency, "amount": amount}


def card(sku: str, **said: Any) -> Json:
    """A Card in canonical JSON."""
    known: Json = {
        "sku": sku, "base_sku": sku, "players": ["Ada Aces"], "team": "Owls", "sport": "Baseball",
        "release": "2026 Owl Series", "set_name": "Base", "card_number": "1", "release_year": 2026,
        "parallel": "", "print_run": None, "attributes": [], "list_price": money("3.5000"),
    }  # fmt: skip
    assert not said.keys() - known.keys()
    return known | said


def card_released(sku: str, at: str = "2026-01-01 00:00", **said: Any) -> RawEvent:
    """A card becomes available."""
    when = moment(at)
    return RawEvent(
        event_id=f"rel-{sku}", payload_type=CATALOG + "CardReleased", occurred_at=when,
        payload={"card": card(sku, **said), "released_at": instant(when)},
    )  # fmt: skip


def card_corrected(sku: str, at: str, **said: Any) -> RawEvent:
    """Everything known of a card is replaced."""
    when = moment(at)
    return RawEvent(
        event_id=f"cor-{sku}-{at}", payload_type=CATALOG + "CardCorrected", occurred_at=when,
        payload={"card": card(sku, **said), "reason": "typo", "corrected_at": instant(when)},
    )  # fmt: skip


def card_retired(sku: str, at: str) -> RawEvent:
    """A card is no longer made."""
    when = moment(at)
    return RawEvent(
        event_id=f"ret-{sku}-{at}", payload_type=CATALOG + "CardRetired", occurred_at=when,
        payload={"sku": sku, "reason": "sold out", "retired_at": instant(when)},
    )  # fmt: skip


def line(number: int, sku: str, quantity: int, price: str, currency: str = "USD", **said: Any) -> Json:
    """An OrderLine in canonical JSON."""
    return {
        "line_number": number, "sku": sku, "quantity": str(quantity), "unit_price": money(price, currency),
        "discount": said.get("discount"), "tax": said.get("tax", "0.000000000"),
    }  # fmt: skip


def order_placed(order: str, customer: str, at: str, lines: list[Json], **said: Any) -> RawEvent:
    """An order; with `v1=True` as an old producer sends it, upcast at decode."""
    when, v1 = moment(at), said.pop("v1", False)
    payload: Json = {
        "order_id": order, "customer_id": customer, "customer_name": said.get("name", "Zoë \"Z\" O'Neil 🃏"),
        "customer_email": "" if v1 else said.get("email", "z@example.com"),
        "currency_code": said.get("currency", "USD"),
        "channel": "SALES_CHANNEL_UNSPECIFIED" if v1 else "SALES_CHANNEL_WEB", "lines": lines,
        "shipping_fee": None if v1 else money(said.get("shipping", "4.9900")),
        "insured_value": None if v1 else said.get("insured"), "placed_at": instant(when),
    }  # fmt: skip
    return RawEvent(
        event_id=said.get("event_id", f"placed-{order}"), event_type=PLACED_V1 if v1 else PLACED_V2,
        payload_type=PLACED_V2, occurred_at=when, payload=payload,
    )  # fmt: skip


def item_changed(order: str, at: str, changed: Json) -> RawEvent:
    """A line as it is from now on."""
    when = moment(at)
    return RawEvent(
        event_id=f"changed-{order}-{changed['line_number']}-{at}", payload_type=ORDERS + "OrderItemChanged",
        occurred_at=when, payload={"order_id": order, "line": changed, "changed_at": instant(when)},
    )  # fmt: skip


def order_paid(order: str, at: str, amount: str) -> RawEvent:
    """Money came in; `amount` has scale 9."""
    when = moment(at)
    return RawEvent(
        event_id=f"paid-{order}", payload_type=ORDERS + "OrderPaid", occurred_at=when,
        payload={
            "order_id": order, "amount": money(amount), "method": "PAYMENT_METHOD_CARD",
            "paid_at": instant(when),
        },
    )  # fmt: skip


def order_shipped(order: str, at: str) -> RawEvent:
    """The parcel left."""
    when = moment(at)
    return RawEvent(
        event_id=f"shipped-{order}", payload_type=ORDERS + "OrderShipped", occurred_at=when,
        payload={"order_id": order, "carrier": "Owl Post", "tracking_code": "T1",
        "shipped_at": instant(when)},
    )  # fmt: skip


def order_cancelled(order: str, at: str) -> RawEvent:
    """The order is void."""
    when = moment(at)
    return RawEvent(
        event_id=f"cancelled-{order}", payload_type=ORDERS + "OrderCancelled", occurred_at=when,
        payload={"order_id": order, "reason": "changed mind", "cancelled_at": instant(when)},
    )  # fmt: skip


def order_refunded(order: str, refund: str, at: str, amount: str) -> RawEvent:
    """Money went back; `amount` has scale 4."""
    when = moment(at)
    return RawEvent(
        event_id=f"refund-{refund}", payload_type=ORDERS + "OrderRefunded", occurred_at=when,
        payload={
            "order_id": order, "refund_id": refund, "amount": money(amount), "reason": "damaged",
            "refunded_at": instant(when),
        },
    )  # fmt: skip


def batch_started(batch: str, sku: str, at: str, planned: int, line_name: str = "L1") -> RawEvent:
    """A batch begins."""
    when = moment(at)
    return RawEvent(
        event_id=f"started-{batch}", payload_type=FACTORY + "BatchStarted", occurred_at=when,
        payload={
            "batch_id": batch, "sku": sku, "line": line_name, "machine": f"{line_name}-M1",
            "shift": "SHIFT_EARLY",
            "planned": str(planned), "started_at": instant(when),
        },
    )  # fmt: skip


def batch_finished(batch: str, at: str, produced: int, cost: str) -> RawEvent:
    """A batch ends; `cost` has scale 9."""
    when = moment(at)
    return RawEvent(
        event_id=f"finished-{batch}", payload_type=FACTORY + "BatchFinished", occurred_at=when,
        payload={
            "batch_id": batch, "produced": str(produced), "cost": cost, "currency_code": "USD",
            "finished_at": instant(when),
        },
    )  # fmt: skip


def batch_inspected(batch: str, at: str, **defects: int) -> RawEvent:
    """What an inspection found, by kind in lower case."""
    when = moment(at)
    return RawEvent(
        event_id=f"inspected-{batch}-{at}", payload_type=FACTORY + "BatchInspected", occurred_at=when,
        payload={
            "batch_id": batch, "inspector": "Ines",
            "defects": [{"kind": f"DEFECT_KIND_{kind.upper()}", "count": str(n)} for kind,
            n in defects.items()],
            "inspected_at": instant(when),
        },
    )  # fmt: skip


def page_viewed(page: str, sku: str, at: str, seconds: str) -> RawEvent:
    """A visit; `seconds` is any JSON number's text."""
    when = moment(at)
    return RawEvent(
        event_id=f"view-{page}", payload_type=PAGE_VIEWED, occurred_at=when + timedelta(seconds=1),
        payload={"page_id": page, "sku": sku, "seconds_on_page": json.loads(seconds),
        "viewed_at": instant(when)},
    )  # fmt: skip
