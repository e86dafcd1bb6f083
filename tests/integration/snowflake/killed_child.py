"""Loads a log and is killed, by the kernel's SIGKILL, just before or after its k-th statement.

    python -m tests.integration.snowflake.killed_child LOG < settings.json

Everything is imported once; every k is a fork of its own, and how it ended goes to standard output.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from eventreplay.log import Log
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sinks.snowflake.session import Session
from tests.integration.snowflake.loading import load


def deadly(k: int, when: str) -> None:
    """From now on this process dies at its k-th statement."""
    count = 0
    for name in ("run", "named"):
        plain = getattr(Session, name)

        def counting(self: Session, *args: Any, plain: Any = plain, **how: Any) -> Any:
            nonlocal count
            count += 1
            if count == k and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = plain(self, *args, **how)
            if count == k:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        setattr(Session, name, counting)


def main() -> None:
    given = json.loads(sys.stdin.readline())
    settings = SnowflakeSettings(**{**given, "password": Secret(given["password"])})
    log = Log.open(Path(sys.argv[1]))
    for line in sys.stdin:
        k, when = line.split()
        child = os.fork()
        if child == 0:
            deadly(int(k), when)
            load(log, settings)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{-os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
