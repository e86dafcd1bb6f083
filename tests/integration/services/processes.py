"""What runs below a process, as /proc tells it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

GONE_S_MAX = 30


def below(pid: int) -> set[int]:
    """Every process that descends from `pid`, itself included."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(words[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found and child not in found}:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that are there and not waiting to be reaped."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.add(pid)
    return found


def eventually(condition: Callable[[], bool], seconds: float = GONE_S_MAX) -> bool:
    """Whether a condition comes true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        threading.Event().wait(0.02)
    return True
