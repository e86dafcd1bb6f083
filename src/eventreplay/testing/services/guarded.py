"""A folder and the processes of one server, behind a guard that ends them when this process ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from attrs import frozen

from eventreplay.testing.services.errors import ServiceError, ServiceNotReadyError

READY_S_MAX = 90
"""Far above what any of them needs on a quiet machine: a loaded one is not broken."""

CLOSE_S_MAX = 60
LOOK_S = 0.02
STARTS_MAX = 3
TAIL_CHARACTERS = 1500

T = TypeVar("T")


@frozen
class Account:
    """The user a server runs as, where it must not run as this one."""

    uid: int
    gid: int


class Guarded:
    """One server's processes and its temporary folder; both are gone after `close`, and after a kill -9.

    Args:
        service: its name, for messages and for the folder's.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.folder = Path(tempfile.mkdtemp(prefix=f"eventreplay-{service.lower()}-"))
        # Servers that run as another user have to pass through; what is secret below is theirs alone.
        self.folder.chmod(0o711)
        self._lock = threading.Lock()
        self._started: set[str] = set()
        program = Path(__file__).with_name("guard.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(program), str(os.getpid()), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )

    @property
    def guard_pid(self) -> int:
        """The process that all of this server's processes are below of."""
        return self._process.pid

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        account: Account | None = None,
        quit_signal: int = 0,
    ) -> int:
        """Start a process in a session of its own; its output goes to `log(name)`. Returns its pid.

        Args:
            name: what it is called in later orders; a later one may take the place of one that ended.
            command: its words.
            env: its whole environment.
            account: as whom it runs; None: as this process.
            quit_signal: what asks it to end, before it is killed when this process is gone; 0: nothing.
        """
        order = {
            "do": "run",
            "name": name,
            "command": list(command),
            "env": dict(env),
            "cwd": str(self.folder),
            "log": str(self.log(name)),
            "quit": int(quit_signal),
        }
        if account is not None:
            order |= {"uid": account.uid, "gid": account.gid}
        pid = int(self._ask(order)["pid"])
        self._started.add(name)
        return pid

    def started(self, name: str) -> bool:
        """Whether a process of that name was ever started."""
        return name in self._started

    def status(self, name: str) -> int | None:
        """The exit code of a process that ended (negative: the signal that killed it), or None."""
        status = self._ask({"do": "status", "name": name})["status"]
        return None if status is None else int(status)

    def alive(self, name: str) -> bool:
        """Whether a process of that name was started and has not ended."""
        return self.started(name) and self.status(name) is None

    def signal(self, number: int, name: str | None = None) -> None:
        """Send a signal to one process, or to every process of this server."""
        self._ask({"do": "signal", "number": int(number)} | ({} if name is None else {"name": name}))

    def kill(self) -> None:
        """SIGKILL to every process of this server, also to its daemons; returns when all are gone."""
        self._ask({"do": "kill"})

    def at_end(self, command: Sequence[str]) -> None:
        """Run a command when everything has ended, also after a kill -9 of this process."""
        self._ask({"do": "at_end", "command": list(command)})

    def finish(self, name: str, seconds: float = READY_S_MAX) -> None:
        """Wait for a process that ends by itself.

        Raises:
            ServiceNotReadyError: it failed, or took longer.
        """
        status = self.wait_for(lambda: self.status(name), f"{name} did not end", seconds)
        if status != 0:
            raise self.failed(f"{name} ended with {status}", name, status=status)

    def wait_ready(self, name: str, probe: Callable[[], T | None], seconds: float = READY_S_MAX) -> T:
        """Ask `probe` until it answers something, as long as the process lives.

        Args:
            name: the process that has to answer.
            probe: None while there is no answer yet.
            seconds: how long at most.

        Raises:
            ServiceNotReadyError: the process ended, or the time is over.
        """
        until = time.monotonic() + seconds
        while True:
            found = probe()
            if found is not None:
                return found
            status = self.status(name)
            if status is not None:
                raise self.failed(f"{name} ended with {status} before it was ready", name, status=status)
            if time.monotonic() > until:
                raise self.failed(f"{name} was not ready within {seconds:.0f} s", name, status=None)
            threading.Event().wait(LOOK_S)

    def wait_for(self, probe: Callable[[], T | None], otherwise: str, seconds: float) -> T:
        """Ask `probe` until it answers something; `otherwise` is the sentence if it does not."""
        until = time.monotonic() + seconds
        while True:
            found = probe()
            if found is not None:
                return found
            if time.monotonic() > until:
                raise ServiceNotReadyError(
                    f"{self.service}: {otherwise} within {seconds:.0f} s.", service=self.service, status=None
                )
            threading.Event().wait(LOOK_S)

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / f"{name}.out"

    def tail(self, name: str) -> str:
        """The end of a process's output."""
        try:
            return self.log(name).read_text("utf-8", "replace")[-TAIL_CHARACTERS:]
        except OSError:
            return ""

    def failed(self, what: str, name: str, *, status: int | None) -> ServiceNotReadyError:
        """The error for a process that did not do what it was started for."""
        return ServiceNotReadyError(
            f"{self.service}: {what}. Its last words: {self.tail(name).strip() or '(none)'}",
            hint="Read its output above; a newer or older version may not know a setting.",
            service=self.service,
            status=status,
        )

    def close(self) -> None:
        """End all processes and remove the folder; again is nothing."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with self._lock:
            self._process.stdin.close()
            try:
                self._process.wait(CLOSE_S_MAX)
            finally:
                if self._process.stdout is not None:
                    self._process.stdout.close()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None or stdin.closed:
            raise ServiceError(f"{self.service} was closed.", hint="Start another one.")
        with self._lock:
            try:
                stdin.write(json.dumps(order).encode() + b"\n")
                stdin.flush()
                line = stdout.readline()
            except BrokenPipeError:
                line = b""
        if not line:
            raise ServiceError(f"The guard of {self.service} is gone, and its processes with it.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ServiceError(f"{self.service}: {order['do']} failed: {answer['error']}")
        return answer


@contextmanager
def beginning(service: str) -> Iterator[Guarded]:
    """A folder and a guard for a server that is being started; both are gone again if the block fails."""
    guarded = Guarded(service)
    try:
        yield guarded
    except BaseException:  # Ctrl-C too: nothing else knows of them yet
        guarded.close()
        raise


class Starting(Protocol):
    """A server that was begun to start."""

    def wait_ready(self) -> None:
        """Wait until it answers."""

    def close(self) -> None:
        """End it."""


S = TypeVar("S", bound=Starting)


def started(start: Callable[[], S], port_taken: str) -> S:
    """Start a server and wait until it answers; again, if another process took its port meanwhile.

    Args:
        start: begins to start a new one, with new ports.
        port_taken: what it says when it cannot listen.

    Raises:
        ServiceNotReadyError: it did not answer, or lost `STARTS_MAX` ports in a row.
    """
    left = STARTS_MAX
    while True:
        left -= 1
        server = start()
        try:
            server.wait_ready()
        except ServiceNotReadyError as error:
            server.close()
            if left == 0 or port_taken.lower() not in str(error).lower():
                raise
        except BaseException:  # Ctrl-C too: the caller never gets the server, so nobody else could end it
            server.close()
            raise
        else:
            return server
