"""The process that stands between a test process and a server, so that nothing outlives the test process.

Run as a program by its path, without eventreplay and without site-packages: it starts in a few milliseconds.
It reads orders (one JSON object a line) from standard input and answers each with a line. When standard input
ends, which a kill -9 of the test process brings about too, it ends every process below it, runs the commands
it was given for the end and removes the folder it was given.

It is a subreaper: what a server starts as a daemon (epmd, for one) becomes its child, not init's, and so is
found and ended. Should the guard itself be killed, the kernel kills what it started directly.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_S = 1.0
KILL_S_MAX = 20.0
QUIT_S_MAX = 2.0
AT_END_S_MAX = 30.0
ORDER_BYTES_MAX = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class Guard:
    """Starts, signals and ends processes as ordered; see `main` for how it is run."""

    def __init__(self, parent: int, folder: str) -> None:
        self._parent = parent
        self._folder = folder
        self._pids: dict[str, int] = {}
        self._status: dict[int, int] = {}
        self._quit: dict[str, int] = {}
        self._at_end: list[list[str]] = []

    def serve(self) -> None:
        """Take orders until the parent closes the pipe or is gone."""
        pending = b""
        while True:
            ready, _, _ = select.select([0], [], [], LOOK_S)
            self._reap()
            if not ready:
                if os.getppid() != self._parent:
                    return
                continue
            data = os.read(0, 65536)
            pending += data
            if not data or len(pending) > ORDER_BYTES_MAX:
                return
            *lines, pending = pending.split(b"\n")
            for line in lines:
                try:
                    answer = self._obey(json.loads(line))
                except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                if not _say(answer):
                    return

    def end(self) -> None:
        """End everything below, in the way each process asked for, then by force; clean up."""
        self._ask_to_quit()
        self._kill_all()
        for command in self._at_end:
            try:
                subprocess.run(command, check=False, timeout=AT_END_S_MAX, capture_output=True)
            except (OSError, subprocess.SubprocessError) as error:
                sys.stderr.write(f"guard: {command[0]}: {error}\n")
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        kind = order["do"]
        if kind == "run":
            return {"pid": self._run(order)}
        if kind == "status":
            return {"status": self._status_of(order["name"])}
        if kind == "signal":
            for pid in [self._pids[order["name"]]] if "name" in order else self._below():
                _send(pid, order["number"])
            return {}
        if kind == "kill":
            self._kill_all()
            return {}
        if kind == "at_end":
            self._at_end.append(order["command"])
            return {}
        raise ValueError(f"no such order: {kind}")

    def _run(self, order: dict[str, Any]) -> int:
        uid, gid = order.get("uid"), order.get("gid")
        groups: list[int] | None = None if uid is None else []
        with open(order["log"], "ab") as log:  # noqa: PTH123 - pathlib would double the start time
            child = subprocess.Popen(
                order["command"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=order["cwd"],
                env=order["env"],
                user=uid,
                group=gid,
                extra_groups=groups,
                start_new_session=True,
                preexec_fn=_before_exec,  # noqa: PLW1509 - this process has one thread
            )
        self._pids[order["name"]] = child.pid
        self._status.pop(child.pid, None)
        self._quit[order["name"]] = order.get("quit", 0)
        # Whoever ends is reaped below, all alike; the object must not try to reap as well.
        child.returncode = 0
        return child.pid

    def _status_of(self, name: str) -> int | None:
        self._reap()
        return self._status.get(self._pids[name])

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._status[pid] = os.waitstatus_to_exitcode(status)

    def _below(self) -> list[int]:
        """Every living process below this one."""
        children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):  # noqa: PTH208 - no pathlib here
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123 - the same
                        # The command's name stands in parentheses and may hold any character.
                        state, parent = stat.read().rpartition(b")")[2].split()[:2]
                except (OSError, ValueError):
                    continue
                if state != b"Z":
                    children.setdefault(int(parent), []).append(int(name))
        found = list(children.get(os.getpid(), []))
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def _ask_to_quit(self) -> None:
        asked = [
            (self._pids[name], number)
            for name, number in self._quit.items()
            if number and self._status_of(name) is None
        ]
        for pid, number in asked:
            _send(pid, number)
        until = time.monotonic() + QUIT_S_MAX
        while any(pid not in self._status for pid, _ in asked) and time.monotonic() < until:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._reap()

    def _kill_all(self) -> None:
        until = time.monotonic() + KILL_S_MAX
        while time.monotonic() < until:
            below = self._below()
            self._reap()
            if not below:
                return
            for pid in below:
                _send(pid, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
            self._reap()


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _before_exec() -> None:
    # After the change of user, which would clear it: the child dies when the guard does.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _say(answer: dict[str, Any]) -> bool:
    try:
        os.write(1, json.dumps(answer).encode() + b"\n")
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """`guard.py PARENT_PID FOLDER`; FOLDER is removed at the end, unless it is empty."""
    # Blocked, so that waiting for it loses none that comes in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        # The end of the pipe is what ends a guard: a server is not lost to a Ctrl-C meant for something else.
        signal.signal(number, signal.SIG_IGN)
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    guard = Guard(int(arguments[0]), arguments[1])
    try:
        guard.serve()
    finally:
        guard.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
