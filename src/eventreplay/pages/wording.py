"""Numbers and names as a reader wants them: exact text, thousands separators, no trick characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

_WIDE = Context(prec=76, rounding=ROUND_HALF_UP)
"""Wider than any product or quotient of two 38-digit figures, and nobody's ambient context."""

_FRACTION_MIN = {"JPY": 0, "KRW": 0}
"""Digits after the point that an amount has at least; 2 where nothing is said."""

_REPLACED = dict.fromkeys((*range(32), *range(127, 160), 65534, 65535), "�")
_REPLACED |= dict.fromkeys((*range(8234, 8239), *range(8294, 8298), *range(55296, 57344)), "�")
_COLUMN_FRACTION_MIN = 2
NOT_THERE = "–"


def safe(text: object) -> str:
    """Text for HTML and SVG: what XML forbids and what turns the writing direction becomes U+FFFD.

    Escaping is left to the template; this is only about characters that no escaping can make harmless.
    """
    return NOT_THERE if text is None else str(text).translate(_REPLACED)


def whole(count: int | None) -> str:
    """1,234,567."""
    return NOT_THERE if count is None else f"{count:,}"


def amount(value: Decimal | None, currency: str) -> str:
    """An amount without its currency, exact: zeros at the end go, down to the currency's own digits."""
    if value is None:
        return NOT_THERE
    text = f"{value:,f}"
    head, point, tail = text.partition(".")
    if not point:
        tail = ""
    tail = tail.rstrip("0").ljust(_FRACTION_MIN.get(currency, 2), "0")
    return f"{head}.{tail}" if tail else head


def aligned(values: Sequence[Decimal | None]) -> list[str]:
    """Amounts of one column, exact, all with as many digits after the point as the longest needs."""
    digits = max((_fraction_digits(value) for value in values if value is not None), default=0)
    return [
        NOT_THERE if value is None else _padded(value, max(digits, _COLUMN_FRACTION_MIN)) for value in values
    ]


def _fraction_digits(value: Decimal) -> int:
    return len(f"{value:f}".partition(".")[2].rstrip("0"))


def _padded(value: Decimal, digits: int) -> str:
    head, _, tail = f"{value:,f}".partition(".")
    return f"{head}.{tail.rstrip('0').ljust(digits, '0')}"


def money(value: Decimal | None, currency: str) -> str:
    """1,234.50 USD."""
    return NOT_THERE if value is None else f"{amount(value, currency)} {safe(currency)}"


def quotient(top: Decimal | int, bottom: Decimal | int, digits: int) -> Decimal | None:
    """`top / bottom` rounded half away from zero to `digits`; None if there is nothing to divide by."""
    if not bottom:
        return None
    exact = _WIDE.divide(Decimal(top), Decimal(bottom))
    return exact.quantize(Decimal(1).scaleb(-digits), context=_WIDE)


def percent(part: Decimal | int, of: Decimal | int) -> str:
    """A share with two digits: 2.35 %."""
    share = quotient(Decimal(part) * 100, of, 2)
    return NOT_THERE if share is None else f"{share:,f} %"


def day(moment: date) -> str:
    """2 Jan 2026, in English whatever the locale."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def enum_name(name: str | None, prefix: str) -> str:
    """SALES_CHANNEL_WEB as Web; a number the schemas do not know stays one."""
    if name is None:
        return "Not stated"
    short = safe(name).removeprefix(prefix)
    if short == "UNSPECIFIED":
        return "Not stated"
    return short.replace("_", " ").capitalize() if name.startswith(prefix) else short


def short_names(names: Iterable[str], characters_max: int) -> dict[str, str]:
    """A short form of each name that fits a chart; two names never share one."""
    short: dict[str, str] = {}
    for name in names:
        text = safe(name)
        form = text if len(text) <= characters_max else text[: characters_max - 1] + "…"
        count = 1
        while form in short.values():
            count += 1
            tail = f"… {count}"
            form = text[: characters_max - len(tail)] + tail
        short[name] = form
    return short


def size(count_bytes: int) -> str:
    """Bytes for people, in units of 1000."""
    amount_left = Decimal(count_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount_left < 1000:
            return f"{amount_left} {unit}" if unit == "B" else f"{amount_left:.1f} {unit}"
        amount_left /= 1000
    return f"{amount_left:,.1f} TB"
