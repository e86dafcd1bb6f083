"""Orders and everything that happens to them, as columns of integers: a function of the order's number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from eventreplay.demo.generator import names
from eventreplay.demo.generator.catalog import Catalog
from eventreplay.demo.generator.columns import numbered
from eventreplay.demo.generator.dice import Dice, Flags, Ints
from eventreplay.demo.generator.layout import PERIOD_ORDERS

LINES_MAX = 4
CUSTOMERS_MAX = 2_000_000
CHANNELS = ("SALES_CHANNEL_UNSPECIFIED", "SALES_CHANNEL_WEB", "SALES_CHANNEL_APP", "SALES_CHANNEL_STORE")

_FX = np.array([100, 92, 79, 137, 15_500], dtype=np.int64)
_TAX5 = np.array([8_875, 21_000, 20_000, 13_000, 10_000], dtype=np.int64)
_CURRENCY_OF = np.array([0] * 58 + [1] * 20 + [2] * 9 + [3] * 8 + [4] * 5, dtype=np.int64)
_LINES_OF = np.array([1] * 55 + [2] * 25 + [3] * 13 + [4] * 7, dtype=np.int64)
_SHIPPING4 = np.array([0, 39_900, 49_500, 75_000, 122_500], dtype=np.int64)
_JPY = names.CURRENCIES.index("JPY")
_INSURED_RANK = 11
# Low numbers buy often, so the first odd names are in every history of some size.
_ODD_EVERY, _ODD_AT = 24, 3
NAMES = len(names.FIRST_NAMES) * len(names.LAST_NAMES) + len(names.ODD_NAMES)


@frozen(eq=False)
class Lines:
    """Order lines, flat. Amounts in 1/10,000, tax in 1/1,000,000,000 of the order's currency."""

    number: Ints
    sku: Ints
    quantity: Ints
    price4: Ints
    discount4: Ints
    has_discount: Flags
    tax9: Ints

    @property
    def net4(self) -> Ints:
        """Quantity times price, less the discount."""
        return self.quantity * self.price4 - self.discount4


@frozen(eq=False)
class Placed:
    """Orders as placed. `offsets` has one more entry than orders: where each order's lines begin.

    `insured` holds the insured value's digits in four columns (10 + 10 before, 9 + 9 after the point),
    since 38 digits fit no integer column; `insured_form` is 0 for none, 1 for two decimals, 2 for all 38.
    """

    order: Ints
    customer: Ints
    name: Ints
    email: Ints
    currency: Ints
    channel: Ints
    second_version: Flags
    shipping4: Ints
    has_shipping: Flags
    insured: tuple[Ints, Ints, Ints, Ints]
    insured_form: Ints
    offsets: Ints
    lines: Lines


class Orders:
    """Makes orders, payments, changes and refunds from order numbers."""

    def __init__(self, dice: Dice, catalog: Catalog, periods: int) -> None:
        self._dice = dice
        self._catalog = catalog
        self._periods = max(periods, 1)

    def currency(self, order: Ints) -> Ints:
        """Index into `names.CURRENCIES`, a habit of the customer."""
        return _CURRENCY_OF[self._dice.below("currency", self.customer(order), 100)]

    def customer(self, order: Ints) -> Ints:
        """Number of the customer: few buy often, and there are ever more of them."""
        return self._dice.skewed("customer", order, np.minimum(40 + order // 3, CUSTOMERS_MAX))

    def second_version(self, order: Ints) -> Flags:
        """Whether an order was placed by a producer of version 2; most of them are, by the end."""
        return self._dice.below("version", order, 100) < 35 + 60 * (order // PERIOD_ORDERS) // self._periods

    def placed(self, order: Ints) -> Placed:
        """Orders as they were placed."""
        dice, customer, second = self._dice, self.customer(order), self.second_version(order)
        currency, offsets, lines = self._bill(order)
        shipping4, has_shipping = self._shipping(order, currency, second)
        odd = customer % _ODD_EVERY == _ODD_AT
        regular = dice.below("name", customer, NAMES - len(names.ODD_NAMES))
        name = np.where(
            odd, NAMES - len(names.ODD_NAMES) + customer // _ODD_EVERY % len(names.ODD_NAMES), regular
        )
        form = np.where(order % PERIOD_ORDERS % 24 == _INSURED_RANK, 2, dice.chance("insured", order, 60) * 1)
        return Placed(
            order=order,
            customer=customer,
            name=name + NAMES * dice.chance("renamed", order, 20),
            email=np.where(
                second, (1 + dice.chance("moved", order, 30)) * ~dice.chance("no mail", customer, 90), 0
            ),
            currency=currency,
            channel=np.where(second, np.array([1, 1, 1, 2, 2, 2, 3, 0])[dice.below("channel", order, 8)], 0),
            second_version=second,
            shipping4=shipping4,
            has_shipping=has_shipping,
            insured=self._insured(order, form),
            insured_form=np.where(second, form, 0),
            offsets=offsets,
            lines=lines,
        )

    def due9(self, order: Ints) -> Ints:
        """What is to be paid in 1/1,000,000,000: lines less discounts, tax and shipping."""
        currency, offsets, lines = self._bill(order)
        shipping4, charged = self._shipping(order, currency, self.second_version(order))
        due: Ints = (
            _sums(lines.net4 * 100_000 + lines.tax9, offsets) + np.where(charged, shipping4, 0) * 100_000
        )
        return due

    def changed(self, order: Ints, again: Ints) -> Lines:
        """The line that a change leaves; `again` is 1 for an order's second change of the same line."""
        dice, change = self._dice, order * 2 + again
        at = np.where(dice.chance("adds a line", order, 350), _LINES_OF[dice.below("lines", order, 100)], 0)
        lines = self._lines(order, at, self.currency(order))
        removed = dice.chance("removed", change, 220)
        quantity = np.where(removed, 0, 1 + dice.below("new quantity", change, 6))
        discount = np.where(
            removed, 0, quantity * lines.price4 * dice.below("new discount", change, 20) // 100
        )
        tax = (quantity * lines.price4 - discount) * _TAX5[self.currency(order)]
        return Lines(
            number=lines.number, sku=lines.sku, quantity=quantity, price4=lines.price4, discount4=discount,
            has_discount=np.ones(len(order), dtype=bool), tax9=tax,
        )  # fmt: skip

    def refund4(self, order: Ints) -> Ints:
        """Refunded in 1/10,000: at times all of the order, else a part; never nothing."""
        _, offsets, lines = self._bill(order)
        net = _sums(lines.net4, offsets)
        share = np.where(
            self._dice.chance("all back", order, 400), 100, 10 + self._dice.below("share", order, 80)
        )
        return np.maximum(net * share // 100, 1)

    def method(self, order: Ints) -> Ints:
        """Number of the PaymentMethod."""
        return 1 + self._dice.below("method", order, 3)

    def cancelled(self, order: Ints) -> Flags:
        """Whether an order that could be cancelled is: more in some weeks than in others."""
        season = self._dice.below("cancel season", order // (PERIOD_ORDERS * 8), 500)
        return self._dice.chance("cancelled", order, 350 + season)

    def refunded(self, order: Ints) -> Flags:
        """Whether an order that could be refunded is."""
        return self._dice.chance("refunded", order, 700)

    def _bill(self, order: Ints) -> tuple[Ints, Ints, Lines]:
        """Currency of each order, where its lines begin and end, and the lines."""
        currency = self.currency(order)
        counts = _LINES_OF[self._dice.below("lines", order, 100)]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        at = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        return currency, offsets, self._lines(np.repeat(order, counts), at, np.repeat(currency, counts))

    def _shipping(self, order: Ints, currency: Ints, second: Flags) -> tuple[Ints, Flags]:
        """Fee in 1/10,000, and whether the order states one: only version 2 has the field."""
        rate = _SHIPPING4[self._dice.below("shipping", order, len(_SHIPPING4))] * _FX[currency]
        return rate // 10_000 * 100, second & ~self._dice.chance("no shipping", order, 300)

    def _lines(self, order: Ints, at: Ints, currency: Ints) -> Lines:
        dice, line = self._dice, order * 8 + at
        available = self._catalog.released(order // PERIOD_ORDERS)
        hyped = dice.chance("hype", line, 220).astype(np.int64)
        sku = self._catalog.choose(dice.below("sku", line, 1 << 31), available, hyped)
        roll = dice.below("quantity", line, 1_000)
        quantity = np.where(
            roll < 700, 1, np.where(roll < 880, 2, np.where(roll < 985, 3 + roll % 4, 10 + roll % 40))
        )
        price4 = (
            self._catalog.price4[sku] * _FX[currency] // 100 * (900 + dice.below("price", line, 200)) // 1_000
        )
        price4 = np.maximum(np.where(currency == _JPY, price4 // 10_000 * 10_000, price4), 1)
        has_discount = dice.chance("discount", line, 400)
        discount4 = np.where(has_discount, quantity * price4 * dice.below("percent", line, 31) // 100, 0)
        return Lines(
            number=at + 1, sku=sku, quantity=quantity, price4=price4, discount4=discount4,
            has_discount=has_discount, tax9=(quantity * price4 - discount4) * _TAX5[currency],
        )  # fmt: skip

    def _insured(self, order: Ints, form: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        dice, whole = self._dice, form == 2
        high = np.where(whole, 1_000_000_000 + dice.below("i1", order, 1 << 31) * 4, 0)
        low = np.where(whole, dice.below("i2", order, 1 << 31) * 4, 5 + dice.below("i2", order, 900))
        cents = np.where(whole, 0, dice.below("i3", order, 100) * 10_000_000)
        part = np.where(whole, dice.below("i3", order, 1_000_000_000), cents)
        rest = np.where(whole, dice.below("i4", order, 1_000_000_000), 0)
        return high % 10_000_000_000, low, part, rest


def _sums(values: Ints, offsets: Ints) -> Ints:
    """Sums of the values between each offset and the next."""
    reached = np.concatenate([[0], np.cumsum(values)])
    sums: Ints = reached[offsets[1:]] - reached[offsets[:-1]]
    return sums


def order_ids(order: Ints) -> pa.Array:
    """`O-000000001`."""
    return numbered("O-", order, 9)


def customer_ids(customer: Ints) -> pa.Array:
    """`C-0000001`."""
    return numbered("C-", customer, 7)


def customer_names(name: Ints) -> pa.Array:
    """Names by their number in `Placed.name`."""
    return _ALL_NAMES.take(pa.array(name))


def emails(customer: Ints, email: Ints) -> pa.Array:
    """Addresses; empty where `email` is 0."""
    domain = pa.array(["", "@example.com", "@example.org"]).take(pa.array(email))
    local = pc.if_else(pa.array(email > 0), numbered("fan.", customer, 1), pa.scalar(""))
    return pc.binary_join_element_wise(local, domain, pa.scalar(""))


def insured_texts(parts: tuple[Ints, Ints, Ints, Ints], form: Ints) -> pa.Array:
    """Text of insured values: two decimals for form 1, all 38 digits for form 2, null for form 0."""
    high, low, part, rest = parts
    long = pc.binary_join_element_wise(
        numbered("", high, 10), numbered("", low, 10), pa.scalar("."), numbered("", part, 9),
        numbered("", rest, 9), pa.scalar(""),
    )  # fmt: skip
    short = pc.binary_join_element_wise(
        numbered("", low, 1), numbered("", part // 10_000_000, 2), pa.scalar(".")
    )
    return pc.if_else(
        pa.array(form == 2), long, pc.if_else(pa.array(form == 1), short, pa.scalar(None, pa.string()))
    )


_REGULAR_NAMES = [f"{first} {last}" for first in names.FIRST_NAMES for last in names.LAST_NAMES]
_ALL_NAMES = pa.array(
    [*_REGULAR_NAMES, *names.ODD_NAMES, *(f"{name} Jr." for name in (*_REGULAR_NAMES, *names.ODD_NAMES))]
)
