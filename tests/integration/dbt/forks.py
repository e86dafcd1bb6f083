"""dbt, imported once and forked for every run: importing it costs more than many of the runs do.

The program below reads one order a line, runs it in a child of its own and answers with the exit code. It
ends when its input ends, so it does not outlive the tests. What the project's users run is a process of its
own each time; `Warehouse.transform` does that.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path


@cache
def _server() -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(_end, started)
    return started


def _end(server: subprocess.Popen[str]) -> None:
    for stream in (server.stdin, server.stdout):
        if stream is not None:
            stream.close()
    server.wait(30)


def run(arguments: Sequence[str], environment: Mapping[str, str], said: Path) -> int:
    """Run dbt; its exit code. What it prints goes to a file."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    order = {"arguments": [*arguments], "environment": dict(environment), "said": str(said)}
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


def _serve() -> None:
    import dbt.cli.main  # noqa: PLC0415 - only the program imports it, not the tests

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order["environment"], Path(order["said"]))
            sys.argv = ["dbt", *order["arguments"]]
            dbt.cli.main.cli()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(environment: Mapping[str, str], said: Path) -> None:
    """Give a fresh child its environment, time zone and output."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    to = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(to, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    _serve()
