"""Capture events into an immutable log of original bytes; replay it into a warehouse, exactly.

The names below are all that most programs need. They are imported when they are first used, so that
`import eventreplay` and `eventreplay --help` load neither pyarrow nor a driver.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventreplay.batch import Batch
    from eventreplay.capture import capture
    from eventreplay.config import Settings
    from eventreplay.errors import EventReplayError
    from eventreplay.event import Checkpoint, Event, Position
    from eventreplay.log import Log
    from eventreplay.replay import replay

    __version__: str

__all__ = [
    "Batch",
    "Checkpoint",
    "Event",
    "EventReplayError",
    "Log",
    "Position",
    "Settings",
    "__version__",
    "capture",
    "replay",
]

_HOME = {
    "Batch": "eventreplay.batch",
    "Checkpoint": "eventreplay.event",
    "Event": "eventreplay.event",
    "EventReplayError": "eventreplay.errors",
    "Log": "eventreplay.log",
    "Position": "eventreplay.event",
    "Settings": "eventreplay.config",
    "capture": "eventreplay.capture",
    "replay": "eventreplay.replay",
}


class _Package(ModuleType):
    """This package, in which the verbs stay functions.

    `eventreplay.capture` is a module and the function in it. Importing a submodule, by whomever, sets it
    as an attribute of its package; here the function takes that place, so that `from eventreplay import
    capture` means the same whatever was imported before. The module is reached by importing from it.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _HOME.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - reads files; few programs ask

        value: object = version("eventreplay")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
