"""Which cases of a long list run each time, and which only in the long tier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

Case = TypeVar("Case")


def tiered(
    cases: Iterable[Case], *, short: Callable[[int, Case], bool], name: Callable[[Case], str] = str
) -> list[Any]:
    """All cases for `parametrize`; those that `short` does not take, by place and value, are `long`."""
    return [
        pytest.param(case, id=name(case), marks=() if short(at, case) else pytest.mark.long)
        for at, case in enumerate(cases)
    ]
