"""Where strace is, or how it is brought here: what kills at system calls cannot do without it.

A machine that has it, uses it; otherwise the distribution's package is unpacked into the user's cache, which
needs no rights. Where that fails, or where the kernel forbids tracing, it is an error that says why: a sweep
that silently did not happen would be taken for one that passed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from eventreplay.testing.services import prefix
from eventreplay.testing.services.errors import ServiceMissingError, missing

PACKAGE = "strace"
PROBE_S_MAX = 20


class StraceMissingError(ServiceMissingError):
    """No strace, and none could be fetched; or it may not trace here."""


def provide_strace() -> list[str]:
    """The words a strace command starts with, seen to trace and to inject.

    Raises:
        StraceMissingError: it cannot be had, or the kernel forbids tracing.
    """
    found = shutil.which(PACKAGE)
    command = [found] if found is not None else _unpacked()
    _see_that_it_traces(command)
    return command


def _unpacked() -> list[str]:
    try:
        folder = prefix.provide(PACKAGE)
    except prefix.PrefixError as error:
        problem = missing(
            "strace", ["none on PATH.", f"packages: {error}"], "Install strace, then test again."
        )
        raise StraceMissingError(problem.message, hint=problem.hint, **problem.fields) from error
    # Through env, so that the path reaches strace itself and nothing that it traces.
    return ["env", f"LD_LIBRARY_PATH={prefix.libraries(folder)}", str(folder / "usr/bin" / PACKAGE)]


def _see_that_it_traces(command: list[str]) -> None:
    """Attach to a process and kill it at a call, as a sweep will: allowed to run is not allowed to trace."""
    with subprocess.Popen(
        [shutil.which("cat") or "/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as victim:
        try:
            with attached(command, victim.pid, ["-e", "trace=read", "-e", "inject=read:signal=KILL"]):
                victim.communicate(
                    b"one line ends the read it waits in; the next one is its last\n", PROBE_S_MAX
                )
        finally:
            victim.kill()
    if victim.returncode != -signal.SIGKILL:
        raise StraceMissingError(
            f"strace {command} cannot inject a signal here; the kernel or a sandbox forbids it.",
            hint="Allow ptrace (a container needs the capability SYS_PTRACE).",
        )


@contextmanager
def attached(command: list[str], pid: int, arguments: list[str]) -> Iterator[None]:
    """strace on a living process and its threads, from when it is attached until the process has ended.

    Raises:
        StraceMissingError: it could not attach, or refused the arguments.
    """
    whole = [*command, "-f", *arguments, "-p", str(pid)]
    with subprocess.Popen(whole, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as tracer:
        try:
            _until_attached(tracer.stderr)
            yield
            tracer.communicate(timeout=PROBE_S_MAX)
        finally:
            tracer.kill()


def _until_attached(lines: IO[str] | None) -> None:
    said = ""
    for line in lines or ():
        said += line
        if "attached" in line and "ptrace" not in line:
            return
    raise StraceMissingError(f"strace cannot trace here: {said.strip()}")
