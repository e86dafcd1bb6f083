"""Where strace is, or how it is brought here: the tests that kill at system calls cannot do without it.

A machine that has it, uses it. Otherwise the distribution's package is downloaded once into a folder of the
user's cache and unpacked there, which needs no rights. Where that fails, or where the kernel forbids
tracing, the tests fail and say why: a sweep that silently did not happen would be taken for one that
passed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PACKAGE = "strace"
_DOWNLOAD_S_MAX = 240
_PROBE_S_MAX = 20


class StraceMissingError(RuntimeError):
    """No strace, and none could be fetched; or it may not trace here."""


def provide() -> list[str]:
    """The words a strace command starts with.

    Raises:
        StraceMissingError: it cannot be had, or the kernel forbids tracing.
    """
    found = shutil.which(_PACKAGE)
    command = [found] if found is not None else _unpacked(_cache())
    _see_that_it_traces(command)
    return command


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path.home() / ".cache" if not home else Path(home)) / "eventreplay-tests" / _PACKAGE


def _unpacked(prefix: Path) -> list[str]:
    """strace from a private prefix, filled on first use; several test processes may ask at once."""
    if not (prefix / "usr/bin" / _PACKAGE).is_file():
        prefix.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=prefix.parent) as folder:
            _download(Path(folder))
            ready = Path(folder) / "ready"
            for package in sorted(Path(folder).glob("*.deb")):
                _run(["dpkg-deb", "-x", str(package), str(ready)], Path(folder))
            try:
                ready.rename(prefix)
            except OSError:
                # Another process was first; its copy is as good, if it is one.
                if not (prefix / "usr/bin" / _PACKAGE).is_file():
                    raise
    libraries = ":".join(str(path) for path in sorted((prefix / "usr/lib").glob("*-linux-gnu*")))
    # Through env, so that the path reaches strace itself and nothing that it traces.
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(prefix / "usr/bin" / _PACKAGE)]


def _download(folder: Path) -> None:
    try:
        _run(["apt-get", "download", _PACKAGE], folder)
        private: list[str] = []
    except StraceMissingError:
        # Without rights and without package lists: fetch the lists into the folder as well.
        private = [
            "-o",
            f"Dir::State={folder}/state",
            "-o",
            f"Dir::Cache={folder}/cache",
            "-o",
            "Debug::NoLocking=1",
        ]
        (folder / "state/lists/partial").mkdir(parents=True)
        (folder / "cache/archives/partial").mkdir(parents=True)
        _run(["apt-get", *private, "update"], folder)
        _run(["apt-get", *private, "download", _PACKAGE], folder)
    package = next(folder.glob(f"{_PACKAGE}_*.deb"))
    depends = _run(["dpkg-deb", "-f", str(package), "Depends"], folder)
    names = [part.split("(")[0].split("|")[0].strip() for part in depends.split(",")]
    wanted = [name for name in names if name and name != "libc6"]
    if wanted:
        _run(["apt-get", *private, "download", *wanted], folder)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_DOWNLOAD_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StraceMissingError(
            f"{command[0]} could not run: {error}. Install strace, then test again."
        ) from error
    if done.returncode != 0:
        raise StraceMissingError(
            f"{' '.join(command)} failed: {done.stderr[-500:]} Install strace, then test again."
        )
    return done.stdout


def _see_that_it_traces(command: list[str]) -> None:
    """Attach to a process and kill it at a call, as the sweep will: allowed to run is not yet allowed to
    trace.
    """
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as victim:
        try:
            with attached(command, victim.pid, ["-e", "trace=read", "-e", "inject=read:signal=KILL"]):
                victim.communicate(
                    b"one line ends the read it waits in; the next one is its last\n", _PROBE_S_MAX
                )
        finally:
            victim.kill()
    if victim.returncode != -signal.SIGKILL:
        raise StraceMissingError(
            f"strace {command} cannot inject a signal here; the kernel or a sandbox forbids it."
        )


@contextmanager
def attached(command: list[str], pid: int, arguments: list[str]) -> Iterator[None]:
    """strace on a living process and its threads; yields once it is attached, ends when the process has
    ended.

    Raises:
        StraceMissingError: it could not attach, or refused the arguments.
    """
    whole = [*command, "-f", *arguments, "-p", str(pid)]
    with subprocess.Popen(whole, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as tracer:
        assert tracer.stderr is not None
        said = ""
        try:
            for line in tracer.stderr:
                said += line
                if "attached" in line and "ptrace" not in line:
                    break
            else:
                raise StraceMissingError(f"strace cannot trace here: {said.strip()}")
            yield
            tracer.communicate(timeout=_PROBE_S_MAX)
        finally:
            tracer.kill()
