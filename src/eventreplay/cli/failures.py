"""How an error is told: what happened, what to do; no traceback, no secret."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from typer import Abort
from typer.exceptions import TyperException

from eventreplay.cli.screen import print_json, tell, visible
from eventreplay.errors import EventReplayError
from eventreplay.redaction import redacted

DEBUG_VARIABLE = "EVENTREPLAY_DEBUG"
USAGE = 2
INTERRUPTED = 130

EXTRA_OF = {"duckdb": "duckdb", "jinja2": "demo", "markupsafe": "demo", "vl_convert": "demo", "dbt": "demo"}
"""Modules that an extra brings, where a command imports them itself; plugins' own are the registry's."""


def is_debug() -> bool:
    """Whether errors are to be raised with their tracebacks."""
    return os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}


def explain(error: BaseException, *, as_json: bool) -> int:
    """Tell the error on stderr (as JSON on stdout too, if asked) and give the exit code.

    An error without a message is a group that was called without a command: its help was shown.
    """
    message, hint, code = _told(error)
    if not message:
        return code
    message, hint = redacted(message), redacted(hint)
    print(f"error: {visible(message)}", file=sys.stderr)  # noqa: T201 - this is the program's output
    if hint:
        print(f" hint: {visible(hint)}", file=sys.stderr)  # noqa: T201 - likewise
    if as_json:
        retryable = isinstance(error, EventReplayError) and error.retryable
        facts = {"kind": type(error).__name__, "message": message, "hint": hint, "retryable": retryable}
        print_json({"error": facts})
    return code


def _told(error: BaseException) -> tuple[str, str, int]:
    if isinstance(error, EventReplayError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, TyperException):
        return _usage(error)
    if isinstance(error, (KeyboardInterrupt, Abort)):
        return "Stopped.", "What was committed is kept; the same command goes on from there.", INTERRUPTED
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRA_OF:
        extra = EXTRA_OF[error.name]
        return (
            f"This needs {error.name}, which is not installed.",
            f"pip install 'eventreplay[{extra}]'",
            USAGE,
        )
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f" ({Path(str(error.filename)).name})"
        return f"{error.strerror}{name}.", "Check the path, its rights and the free space.", 1
    # The text of an unforeseen error may quote data or a connection string, so only its kind is told.
    return (
        f"An unexpected {type(error).__name__} ended the run.",
        f"What was committed is kept. Set {DEBUG_VARIABLE}=1 to see the traceback, and please report it.",
        1,
    )


def _usage(error: TyperException) -> tuple[str, str, int]:
    context = getattr(error, "ctx", None)
    hint = "" if context is None else f"See: {context.command_path} --help"
    return error.format_message(), hint, error.exit_code or USAGE


def warn_of_retry(error: EventReplayError, attempt: int) -> None:
    """Say on stderr that a run failed and starts again from its last checkpoint."""
    tell(f"attempt {attempt} failed, trying again from the last checkpoint: {redacted(error.message)}")
