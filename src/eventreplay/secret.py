"""A value that must not be seen: a password, a token, a private key (promise P9)."""

from __future__ import annotations

import hmac
import sys
from typing import NoReturn

from eventreplay.errors import ConfigError

MASK = "***"


class Secret:
    """Holds a text and shows it to nobody who does not ask for it by `reveal()`.

    Logs, tracebacks with local variables, f-strings, containers and receipts print `***`. It does not
    pickle: what is pickled ends in queues, files and return values. The one exception is a child process of
    ours that is just being started: its arguments go through a pipe and nowhere else (`multiprocessing`
    keeps its locks by the same rule). Give a pool its secrets by `initargs`, never by its tasks.

    Raises:
        ConfigError: the text is empty, which is never what was meant.
    """

    __slots__ = ("_text",)

    _text: str

    def __init__(self, text: str) -> None:
        if not text:
            raise ConfigError("A secret is empty.", hint="Check the variable or file that it comes from.")
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The text itself. Call this in the argument list of the driver, and keep no copy."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A secret does not change; make another one.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A secret does not change; make another one.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[Secret], tuple[str]]:
        if _is_starting_a_child():
            return Secret, (self._text,)
        raise TypeError(
            "A secret does not pickle: what is pickled is stored and sent. Read it where it is used."
        )

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            "A secret does not pickle: what is pickled is stored and sent. Read it where it is used."
        )


def _is_starting_a_child() -> bool:
    """Whether this thread is just starting a process; whoever does has loaded the module."""
    context = sys.modules.get("multiprocessing.context")
    return context is not None and context.get_spawning_popen() is not None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
