"""kill -9 at every statement of a load: after another run RAW equals the log row for row."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake.loading import due, empty, held, load, position, small_log
from tests.integration.snowflake.server import StandIn

OPENING = 9
"""Statements before the first transaction: context, five layouts, stage, twice the checkpoint."""
TRANSACTION = 9
"""Two uploads, BEGIN, two COPYs, the lock, the checkpoint, COMMIT, and cleaning up."""


class Killer:
    """The child that is killed, over and over."""

    def __init__(
        self,
        root: Path,
        log: Path,
        server: StandInServer,
        settings: SnowflakeSettings,
        module: str = "tests.integration.snowflake.killed_child",
    ) -> None:
        command = [sys.executable, "-m", module, str(log)]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say({**server.connect_args(), "database": settings.database, "network_timeout_s": 20})

    def _say(self, line: dict[str, Any] | str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        self._process.stdin.flush()

    def kill_at(self, k: int | str, when: str) -> int:
        """The signal that ended the load, or 0 if it came to its end."""
        self._say(f"{k} {when}")
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)


def sweep(root: Path, folder: Path, calls: range, when: str) -> None:
    """Kill at each of the calls; a server of its own, since the dead leave transactions open."""
    log = small_log(folder / "log", records=16)
    with StandInServer.start() as server:
        standin = StandIn(server)
        settings = standin.settings(server.database())
        SnowflakeSink.init(settings)
        expected = due(log)
        killer = Killer(root, folder / "log", server, settings)
        try:
            for k in calls:
                assert killer.kill_at(k, when) == signal.SIGKILL, f"nobody died at statement {k}"
                # What the dead left open holds the lock until Snowflake ends it, after minutes; a restart
                # of the stand-in ends it now, and shows besides that what was committed is durable.
                server.restart()
                done = held(standin, settings.database)
                known = position(standin, settings.database)
                whole = sum(map(len, expected)) // 2 * (known[0][1] if known else 0)
                assert sum(map(len, done)) == whole, f"checkpoint {known} does not fit the rows after {k}"
                load(log, settings)
                assert held(standin, settings.database) == expected, f"after a kill {when} statement {k}"
                assert position(standin, settings.database) == [("live/journal", 2)]
                empty(standin, settings.database)
            assert killer.kill_at(1000, when) == 0
        finally:
            killer.close()


def test_kill_9_around_the_commit_of_a_load(root: Path, tmp_path: Path) -> None:
    """After the checkpoint, and after COMMIT, of the second transaction."""
    commit = OPENING + 2 * TRANSACTION - 1
    sweep(root, tmp_path, range(commit - 1, commit + 1), "after")


@pytest.mark.long
@pytest.mark.timeout(900)  # 26 times a load that dies, a restart and a load: four minutes on a busy core
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_at_every_statement_of_a_load(root: Path, tmp_path: Path, when: str) -> None:
    sweep(root, tmp_path, range(1, OPENING + 2 * TRANSACTION + 1), when)
