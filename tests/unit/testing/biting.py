"""Running a suite by hand, to see it fail."""

from __future__ import annotations

from typing import Any


def failing(suite: type[Any]) -> set[str]:
    """Names of the suite's tests that do not pass, each run on a new instance, as pytest would."""
    failed = set()
    names = sorted(name for name in dir(suite) if name.startswith("test_"))
    assert names, "The suite has no tests."
    for name in names:
        instance = suite()
        instance.prepare()
        try:
            getattr(instance, name)()
        except Exception:  # noqa: BLE001 - a suite may fail by any error
            failed.add(name)
    return failed
