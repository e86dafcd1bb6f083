"""`eventreplay live` as a process: started, looked at by its status file, killed, ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import duckdb

from eventreplay.log import Log
from tests.live_run import events

WAIT_S_MAX = 90.0
QUEUE = "orders"


def until(condition: Callable[[], Any], why: Callable[[], str] = lambda: "") -> Any:
    """Wait for a condition and give what it found; fails when the time is over."""
    end_s = time.monotonic() + WAIT_S_MAX
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < end_s, f"It did not happen in time. {why()}"
        pause.wait(0.05)
    return found


class Service:
    """One process of `eventreplay live`.

    Args:
        folder: where it runs; its log, warehouse and status file are there.
        broker: URL of the broker.
        arguments: more of the command line.
        environment: more variables.
        sink: where it loads to.
    """

    def __init__(
        self,
        folder: Path,
        broker: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        sink: str = "duckdb:///w.duckdb",
    ) -> None:
        self.folder = folder
        self.status_path = folder / f"status-{os.urandom(4).hex()}.json"
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = folder / f"n-{os.urandom(4).hex()}"
        self.notified.bind(str(address))
        self.told: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        program = str(Path(sys.executable).with_name("eventreplay"))
        command = [program, "live", f"rabbitmq:{QUEUE}", "--json"]
        command += ["--log", "log", "--sink", sink, "--age", "100ms", "--load-every", "100ms"]
        command += ["--poll", "1s", "--status-file", str(self.status_path), *arguments]
        variables = {"EVENTREPLAY_RABBITMQ_URL": broker, "NOTIFY_SOCKET": str(address), **(environment or {})}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables, "WATCHDOG_USEC": "1000000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self) -> dict[str, Any]:
        """What the status file says; empty before there is one."""
        if not self.status_path.exists():
            assert self.process.poll() is None, self.said()
            return {}
        found: dict[str, Any] = json.loads(self.status_path.read_text())
        return found

    def until(self, condition: Callable[[dict[str, Any]], Any]) -> Any:
        """Wait for something that the status file says."""
        return until(
            lambda: (status := self.status()) and condition(status),
            lambda: f"{self.status()} {self.process.poll()}",
        )

    def until_captured(self, rows: int) -> None:
        """Wait until consumers of this process have committed so many rows."""
        self.until(lambda status: sum(part["rows"] for part in captures(status)) >= rows)

    def until_loaded(self, rows: int) -> None:
        """Wait until this process has loaded so many rows, and knows of no others."""
        self.until(lambda status: status["loaded"]["read"] >= rows and status["lag"]["rows"] == 0)

    def until_part(self, name: str, condition: Callable[[dict[str, Any]], Any]) -> None:
        """Wait for something that the status file says of one part."""
        self.until(lambda _: condition(self.part(name)))

    def part(self, name: str) -> dict[str, Any]:
        """What one part is at."""
        found: dict[str, Any] = next(part for part in self.status()["parts"] if part["name"] == name)
        return found

    def heard(self, line: str) -> None:
        """Wait until the service manager was told `line`."""
        until(lambda: line in self.told, lambda: f"{self.told[-5:]} {self.process.poll()}")

    def _listen(self) -> None:
        with suppress(OSError):
            while line := self.notified.recv(4096):
                self.told.append(line.decode())

    def kill(self) -> None:
        """The process is gone, between two instructions."""
        self.process.kill()
        self.process.communicate(timeout=WAIT_S_MAX)

    def end(self, number: signal.Signals = signal.SIGTERM) -> dict[str, Any]:
        """Ask it to end; its receipt."""
        self.process.send_signal(number)
        out, said = self.process.communicate(timeout=WAIT_S_MAX)
        assert self.process.returncode == 0, f"{self.process.returncode}: {said}"
        found: dict[str, Any] = json.loads(out)
        return found

    def said(self) -> str:
        """What a process that has ended said on stderr, and on stdout."""
        out, said = self.process.communicate(timeout=WAIT_S_MAX)
        return said + out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        with suppress(OSError):
            self.notified.shutdown(socket.SHUT_RDWR)
        self.notified.close()


def captures(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in status["parts"] if part["name"].startswith("capture")]


def in_log(folder: Path) -> Counter[tuple[str, int]]:
    """Where each event of the log is."""
    log = Log.open(folder / "log")
    found: Counter[tuple[str, int]] = Counter()
    for name in log.partitions():
        head = log.reader(name).head()
        found.update((name, offset) for offset in range(0 if head is None else head.next_offset))
    return found


def ids_in_log(folder: Path) -> set[str]:
    """Ids of the events in the log."""
    log = Log.open(folder / "log")
    return {
        event_id
        for name in log.partitions()
        for ref in log.reader(name).segments()
        for event_id in log.read(ref).column("event_id").to_pylist()
    }


def in_raw(folder: Path) -> list[tuple[str, int, str, str]]:
    """Partition, offset, id and payload of each row of RAW."""
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        return connection.execute(
            "SELECT log_partition, log_offset, event_id, CAST(payload AS VARCHAR) FROM RAW.EVENTS"
        ).fetchall()


def holds_exactly(folder: Path, count: int) -> None:
    """RAW has each published event with its payload, and mirrors the log row for row."""
    rows = in_raw(folder)
    assert {row[2]: row[3] for row in rows} == {
        event.event_id: event.payload.decode() for event in events(count)
    }
    assert Counter((row[0], row[1]) for row in rows) == in_log(folder)
    assert Log.open(folder / "log").check().ok
