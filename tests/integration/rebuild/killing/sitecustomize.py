"""Python imports this when it starts: the command line then counts its steps, and dies at one of them.

A step is a call that changes something outside (a statement to a warehouse, a file that is renamed, linked,
removed, synced), or a line that dbt has said. It is counted before it is done, so a kill falls between two.
`REBUILD_STEPS` names a file for the count; `REBUILD_KILL_AT` the step that is not reached. dbt's own process
is left alone: it ends when its parent is gone.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

BUILTINS = frozenset(
    {"execute", "executemany", "rename", "replace", "link", "unlink", "fsync", "mkdir", "rmdir"}
)
"""Functions written in C: DuckDB's statements, and the operating system's calls."""
FUNCTIONS = {"loads": "json/__init__.py", "execute": "snowflake/connector/cursor.py"}
"""Functions written in Python, by the end of their file: a line of dbt's log, a statement to Snowflake."""


class Steps:
    """Counts."""

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self._kill_at = kill_at

    def look(self, frame: FrameType, event: str, argument: Any) -> None:
        """As `sys.setprofile` calls it."""
        if event == "c_call":
            if argument.__name__ in BUILTINS:
                self.take()
        elif event == "call":
            end = FUNCTIONS.get(frame.f_code.co_name)
            if end is not None and frame.f_code.co_filename.endswith(end):
                self.take()

    def take(self) -> None:
        """One step is about to be done."""
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def _is_the_command_line() -> bool:
    words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
    return any(word.endswith(b"/eventreplay") for word in words[:2])


if "REBUILD_STEPS" in os.environ and _is_the_command_line():
    _steps = Steps(int(os.environ.get("REBUILD_KILL_AT", "0")))
    atexit.register(lambda: Path(os.environ["REBUILD_STEPS"]).write_text(str(_steps.count), "utf-8"))
    threading.setprofile(_steps.look)
    sys.setprofile(_steps.look)
