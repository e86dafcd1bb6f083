"""What one comparison of `verify` gives to the screen, to a program and to the receipt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class Outcome:
    """One comparison.

    Attributes:
        ok: whether nothing differs.
        facts: everything, as JSON.
        brief: what a receipt keeps of it: counts, sums, few names.
        say: shows it to a person.
        captured: partitions that a repair captured into.
    """

    ok: bool
    facts: Mapping[str, Any]
    brief: Mapping[str, Any]
    say: Callable[[], None]
    captured: tuple[str, ...] = ()
