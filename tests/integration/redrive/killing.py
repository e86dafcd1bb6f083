"""The child that is killed, over and over; and what must hold after each of its deaths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Killer:
    """Starts redrives that die where they are told."""

    def __init__(self, root: Path, log: Path, given: dict[str, Any]) -> None:
        # numpy's OpenBLAS and Arrow's jemalloc start threads when they are imported, which a fork would lose.
        quiet = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
        command = [sys.executable, "-m", "tests.integration.redrive.killed_child", str(log)]
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(given))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def kill_at(self, k: int, when: str) -> int:
        """The signal that ended the redrive, or 0 if it came to its end."""
        self._say(f"{k} {when}")
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)
