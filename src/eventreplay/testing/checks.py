"""Assertions that hold under `python -O` too: a suite that was optimised away would pass everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def check(condition: object, message: str) -> None:
    """Raise AssertionError with `message` unless `condition` is true."""
    if not condition:
        raise AssertionError(message)


def check_equal(found: Any, expected: Any, what: str) -> None:
    """Raise AssertionError naming the first difference unless both are equal."""
    if found == expected:
        return
    if isinstance(found, list) and isinstance(expected, list):
        at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
        at = min(len(found), len(expected)) if at is None else at
        got = found[at] if at < len(found) else "nothing"
        due = expected[at] if at < len(expected) else "nothing"
        counts = f"{len(found)} found, {len(expected)} expected"
        check(False, f"{what}: {counts}; first difference at {at}: {got!r}, not {due!r}.")  # noqa: FBT003
    check(False, f"{what}: {found!r}, not {expected!r}.")  # noqa: FBT003 - the condition, known by now


@contextmanager
def expect_error(kind: type[BaseException], what: str) -> Iterator[None]:
    """Raise AssertionError unless the block raises `kind`; other errors pass through."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{what}: {kind.__name__} was due, and nothing was raised.")
