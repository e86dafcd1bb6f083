"""Builds the client in C: librabbitmq of the distribution, unpacked into a private folder, and gcc."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from eventreplay.testing.services import prefix

SOURCE = Path(__file__).with_name("client.c")
PACKAGES = ("librabbitmq-dev", "librabbitmq4")
BUILD_S_MAX = 120.0


class _NotBuiltError(RuntimeError):
    """Why there is no client; the measurement says so and goes on without."""


def build() -> tuple[Path | None, str]:
    """The program, made on first use, or None and the reason why it cannot be made here."""
    try:
        return _made(), ""
    except (_NotBuiltError, prefix.PrefixError, OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)


def _made() -> Path:
    folder = prefix.provide(PACKAGES[0], None, *PACKAGES[1:])
    found = sorted(folder.glob("usr/lib/*/librabbitmq.so"))
    if not found:
        raise _NotBuiltError("the packages hold no librabbitmq.so.")
    key = hashlib.sha256(SOURCE.read_bytes() + str(found[0]).encode()).hexdigest()[:12]
    program = prefix.cache_folder() / f"benchmark-client-{key}"
    if not program.exists():
        _compile(program, folder / "usr" / "include", found[0].parent)
    return program


def _compile(program: Path, include: Path, libraries: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise _NotBuiltError("there is no C compiler.")
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=".") as name:
        made = Path(name) / "client"
        command = [compiler, "-O2", "-Wall", f"-I{include}", "-o", str(made), str(SOURCE)]
        done = subprocess.run(
            [*command, f"-L{libraries}", "-lrabbitmq", f"-Wl,-rpath,{libraries}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=BUILD_S_MAX,
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise _NotBuiltError(f"{Path(compiler).name} failed: {said}")
        made.rename(program)
