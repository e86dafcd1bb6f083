"""`tools/setup-venv` says what is missing, before it makes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """As much of a clone as the script reads."""
    folder = tmp_path / "a clone"
    plugins = [str(path.relative_to(root)) for path in root.glob("plugins/*/pyproject.toml")]
    locks = [f"requirements/{name}.txt" for name in ("bootstrap", "dev", "plugins")]
    for name in ("tools/setup-venv", "pyproject.toml", *locks, *plugins):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, folder / name)
    return folder


def interpreter(folder: Path, name: str, body: str) -> Path:
    """A command that takes the place of a Python."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return path


def set_up(clone: Path, python: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(clone / "tools/setup-venv")],
        env={**os.environ, "PYTHON": python, **({} if path is None else {"PATH": path})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_python_that_is_not_there(clone: Path) -> None:
    done = set_up(clone, "python-of-nobody")
    assert done.returncode == 2
    assert "setup: PYTHON=python-of-nobody is not a command." in done.stderr
    assert not (clone / ".venv").exists()


def test_a_python_that_is_too_old(clone: Path, tmp_path: Path) -> None:
    old = interpreter(tmp_path, "old", 'case "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    done = set_up(clone, str(old))
    assert done.returncode == 2
    assert f"setup: PYTHON={old} is Python 3.9.2." in done.stderr
    assert "3.11, 3.12 and 3.13" in done.stderr
    assert not (clone / ".venv").exists()


def test_no_python_of_a_supported_version_at_all(clone: Path, tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("bash", "cat", "cksum", "dirname"):
        commands.joinpath(name).symlink_to(shutil.which(name) or name)
    interpreter(commands, "python3", 'case "$1" in --version) echo "Python 3.8.1";; *) exit 1;; esac')
    # A version manager's shim: on PATH, and nothing behind it.
    interpreter(commands, "python3.12", "echo 'command not found'; exit 127")
    done = set_up(clone, "", path=str(commands))
    assert done.returncode == 2
    assert "No Python 3.11, 3.12 or 3.13 found; python3 is Python 3.8.1." in done.stderr
    assert not (clone / ".venv").exists()


def test_a_python_without_venv(clone: Path, tmp_path: Path) -> None:
    real = sys.executable
    body = f'case "$2" in *ensurepip*) exit 1;; *) exec "{real}" "$@";; esac'
    bare = interpreter(tmp_path, "bare", body)
    done = set_up(clone, str(bare))
    assert done.returncode == 2
    assert f"setup: {bare} has no venv module." in done.stderr
    assert "-venv), then run make again." in done.stderr
    assert not (clone / ".venv").exists()
