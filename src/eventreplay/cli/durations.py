"""Spans of time as people type them: 500ms, 30s, 10m, 2h, 1d."""

from __future__ import annotations

import re

from typer import BadParameter

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")


def seconds(text: str) -> float:
    """What a span means, in seconds.

    Raises:
        BadParameter: it has no unit, or is not above zero. A bare number is not guessed at.
    """
    found = _FORM.fullmatch(text.strip())
    span_s = 0.0 if found is None else float(found[1]) * _UNITS_S[found[2]]
    if span_s <= 0:
        raise BadParameter("write a number and its unit, above zero: 500ms, 30s, 10m, 2h or 1d.")
    return span_s
