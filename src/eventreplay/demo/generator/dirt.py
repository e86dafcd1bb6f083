"""What goes wrong in real feeds: payloads that must not decode, and amounts that must not be believed.

Each is certain to fail by its construction, not by trying it on a decoder: a length that points past the
end, an unterminated varint, a wire type that does not exist, text that is no decimal of the declared size.
"""

from __future__ import annotations

from attrs import frozen

from eventreplay.demo.generator.dice import Dice, Ints

_ORDERS = "sportscards.orders.v1."
PLACED_1 = _ORDERS + "OrderPlaced"
PLACED_2 = "sportscards.orders.v2.OrderPlaced"
PAID = _ORDERS + "OrderPaid"
REFUNDED = _ORDERS + "OrderRefunded"
FINISHED = "sportscards.manufacturing.v1.BatchFinished"
UNKNOWN_TYPE = "sportscards.loyalty.v1.PointsGranted"

_VARINT, _LENGTH = 0, 2


@frozen
class Bad:
    """A payload that must be quarantined: a name for the ledger, the type it claims to be, its bytes."""

    name: str
    event_type: str
    payload: bytes


def variant(dice: Dice, identity: Ints, count: int) -> Ints:
    """Which of `count` variants each bad event is."""
    return dice.below("variant", identity, count)


def _varint(value: int) -> bytes:
    out = bytearray()
    remaining = value & 0xFFFF_FFFF_FFFF_FFFF
    while remaining > 0x7F:
        out.append(remaining & 0x7F | 0x80)
        remaining >>= 7
    return bytes(out) + bytes([remaining])


def _field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _LENGTH) + _varint(len(data)) + data


def _money(units: int, nanos: int) -> bytes:
    return _field(1, "USD") + _field(2, units) + _field(3, nanos)


def _order(name: str, *, discount: str = "0.5000", price: bytes = b"", insured: str = "25.00") -> bytes:
    line = _field(1, 1) + _field(2, "NS0000-01-B") + _field(3, 2) + _field(4, price or _money(3, 500_000_000))
    line += _field(5, _field(1, discount)) + _field(6, b"\x7f")
    head = _field(1, f"O-bad-{name}") + _field(2, "C-bad") + _field(3, "Nobody") + _field(5, "USD")
    return head + _field(7, line) + _field(9, _field(1, insured))


def _bad_order(name: str, **wrong: str | bytes) -> Bad:
    return Bad(name, PLACED_2, _order(name, **wrong))  # type: ignore[arg-type]


MALFORMED = (
    Bad("truncated_field", PLACED_2, _field(1, "O-cut") + b"\x12\x20only twelve"),
    Bad("random_bytes", PAID, b"\x0a\xff\xff\x03" + bytes((index * 89 + 41) % 256 for index in range(60))),
    Bad("wrong_wire_type", REFUNDED, _field(1, "O-wire") + b"\x16\x01\x02"),
    Bad("unterminated_varint", FINISHED, _field(1, "B-varint") + b"\x10" + b"\xff" * 12),
    Bad("stray_group_end", PAID, _field(1, "O-group") + b"\x0c"),
    Bad("truncated_message", PLACED_1, _order("cut")[:-3] + b"\x2a\x7f"),
)

BAD_DECIMALS = (
    _bad_order("too_many_fraction_digits", discount="0.12345"),
    _bad_order("too_many_digits", insured="123456789012345678901.000000000000000000"),
    _bad_order("not_a_number", discount="NaN"),
    _bad_order("infinity", insured="-Infinity"),
    _bad_order("underscore", discount="1_000"),
    _bad_order("full_width_digits", discount="１２.５"),
    _bad_order("blank", discount=" 1.5"),
    _bad_order("huge_exponent", insured="1E+999999999"),
    _bad_order("sign_conflict", price=_money(5, -250_000_000)),
    _bad_order("nanos_out_of_range", price=_money(5, 1_500_000_000)),
    Bad(
        "refund_sign_conflict",
        REFUNDED,
        _field(1, "O-bad-r") + _field(2, "R-1") + _field(3, _money(-5, 250_000_000)),
    ),
    Bad(
        "cost_empty_text",
        FINISHED,
        _field(1, "B-bad") + _field(2, 10) + _field(3, _field(1, "")) + _field(4, "USD"),
    ),
)

UNKNOWN = Bad("unknown_type", UNKNOWN_TYPE, _field(1, "C-0000001") + _field(2, 250))

UNKNOWN_FIELDS = _field(1_000, 7) + _field(1_001, "beta")
"""Fields of a schema newer than ours, appended to a good payload: it stays good."""
