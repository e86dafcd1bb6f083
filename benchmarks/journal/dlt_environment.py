"""An environment for dlt, made on first use: locked packages, kept in the user's cache by the lock's hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.report import say

LOCK = Path(__file__).parents[1] / "requirements-dlt.txt"


def python(cache: Path | None = None) -> Path:
    """The interpreter of the environment; makes it if it is not there.

    Args:
        cache: the folder to keep it in; None: `eventreplay/benchmarks` in the user's cache folder.

    Raises:
        RuntimeError: uv is missing, or the packages cannot be installed.
    """
    folder = (_cache() if cache is None else cache) / f"dlt-{_key()}"
    found = folder / "bin" / "python"
    if (folder / "ready").exists():
        return found
    say(f"making an environment for dlt in {folder} (about 550 MB, once)")
    shutil.rmtree(folder, ignore_errors=True)
    uv = _uv()
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    _run([uv, "pip", "install", "--quiet", "--python", str(found), "--require-hashes", "-r", str(LOCK)])
    (folder / "ready").touch()
    return found


def _key() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return hashlib.sha256(LOCK.read_bytes() + version.encode()).hexdigest()[:12]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "eventreplay" / "benchmarks"


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise RuntimeError("dlt's environment is made by uv, and there is none: run `make setup`.")
    return found


def _run(command: list[str]) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    # uv does not read pip's settings; whoever told pip about a certificate meant both.
    if "SSL_CERT_FILE" not in environment and "PIP_CERT" in environment:
        environment["SSL_CERT_FILE"] = environment["PIP_CERT"]
    done = subprocess.run(command, check=False, env=environment, stdout=sys.stderr)
    if done.returncode != 0:
        raise RuntimeError(
            "dlt's environment could not be made; uv's reason stands above. "
            "Measure without it: --only journal --without-dlt."
        )
