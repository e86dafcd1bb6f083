"""Builds the client in C: librabbitmq from Debian's packages, unpacked into a folder of its own, and gcc."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("client.c")
PACKAGES = ("librabbitmq4", "librabbitmq-dev")
BUILD_S_MAX = 120.0


class _NotBuiltError(RuntimeError):
    """Why there is no client; the measurement says so and goes on without."""


def build() -> tuple[Path | None, str]:
    """The program, made on first use, or None and the reason why it cannot be made here."""
    folder = _cache() / f"amqp-client-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    program = folder / "client"
    if program.exists():
        return program, ""
    try:
        _make(folder)
    except (_NotBuiltError, OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return program, ""


def _make(folder: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise _NotBuiltError("there is no C compiler.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as name:
        made = Path(name) / "made"
        made.mkdir()
        include, libraries = _library(Path(name), made)
        # The program looks for its library beside itself, wherever the folder is moved to.
        rpath = f"-Wl,-rpath,$ORIGIN/{libraries.relative_to(made)}" if libraries.is_relative_to(made) else ""
        command = [compiler, "-O2", "-Wall", f"-I{include}", "-o", str(made / "client"), str(SOURCE)]
        _run([*command, f"-L{libraries}", "-lrabbitmq", *([rpath] if rpath else [])], Path(name))
        if not folder.exists():
            made.rename(folder)


def _library(scratch: Path, made: Path) -> tuple[Path, Path]:
    """Folders of the headers and of the library: the system's, or those of the packages, unpacked."""
    system = Path("/usr/include")
    if (system / "amqp_tcp_socket.h").exists():
        return system, Path("/usr/lib")
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise _NotBuiltError("librabbitmq is not installed, and this is no Debian to take its packages from.")
    _run(["apt-get", "download", *PACKAGES], scratch)
    for package in sorted(scratch.glob("librabbitmq*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(made)], scratch)
    found = sorted(made.glob("usr/lib/*/librabbitmq.so"))
    if not found:
        raise _NotBuiltError("the packages hold no librabbitmq.so.")
    return made / "usr" / "include", found[0].parent


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=BUILD_S_MAX,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise _NotBuiltError(f"{Path(command[0]).name} failed: {said}")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "eventreplay" / "benchmarks"
