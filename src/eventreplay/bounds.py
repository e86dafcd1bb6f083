"""Bounds of numbers that somebody sets: refused by what was given and what is allowed, in the same words."""

from __future__ import annotations

import math
from typing import Any

from eventreplay.errors import ConfigError

PORT_MAX = 65_535


def whole(settings: object, name: str, least: int, most: int | None = None) -> None:
    """See that an attribute is a whole number within its bounds, both inclusive; most None: any above.

    Raises:
        ConfigError: it is not; field `setting`.
    """
    value: Any = getattr(settings, name)
    fits = isinstance(value, int) and not isinstance(value, bool)
    if not (fits and least <= value and (most is None or value <= most)):
        kind = f"at least {least}" if most is None else f"a whole number from {least} to {most}"
        raise _refusal(name, value, kind)


def number(settings: object, name: str, least: float, most: float = math.inf, *, above: bool = False) -> None:
    """See that an attribute is a number within its bounds.

    Args:
        settings: whose attribute it is.
        name: of the attribute.
        least: the smallest allowed; with `above`, only what is larger.
        most: the largest allowed.
        above: leave `least` itself out.

    Raises:
        ConfigError: it is not; field `setting`.
    """
    value: Any = getattr(settings, name)
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    # Not a number (NaN) is neither below nor above: it has to be inside to pass.
    if not (fits and (least < value if above else least <= value) and value <= most):
        kind = f"{'above' if above else 'at least'} {least:g}"
        raise _refusal(name, value, kind if most == math.inf else f"{kind} and at most {most:g}")


def port(settings: object, name: str = "port") -> None:
    """See that an attribute is a TCP port, or None.

    Raises:
        ConfigError: it is neither; field `setting`.
    """
    if getattr(settings, name) is not None:
        whole(settings, name, 1, PORT_MAX)


def _refusal(name: str, value: object, allowed: str) -> ConfigError:
    # What is no number may be anything, a secret in the wrong place too.
    given = str(value) if isinstance(value, int | float) else f"of type {type(value).__name__}"
    return ConfigError(f"{name} is {given}.", hint=f"{name} is {allowed}.", setting=name)
