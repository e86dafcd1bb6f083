"""The contracts of import-linter bite: each kind of wrong import, planted in a copy, turns the check red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """The package and its contracts, free to be spoilt."""
    copy_to(root, tmp_path)
    return tmp_path


def copy_to(root: Path, folder: Path) -> None:
    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", folder)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, "--config", str(folder / "pyproject.toml"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_package_keeps_its_contracts(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 2 kept, 0 broken." in done.stdout


WRONG = {
    "upward": (
        "batch.py",
        "import eventreplay.capture",
        "eventreplay.batch is not allowed to import eventreplay.capture",
    ),
    "sibling": (
        "sources/rows.py",
        "from eventreplay.sinks import duckdb",
        "eventreplay.sources is not allowed to import eventreplay.sinks",
    ),
    "verbs": (
        "replay.py",
        "import eventreplay.capture",
        "eventreplay.replay is not allowed to import eventreplay.capture",
    ),
    "driver-in-a-function": (
        "hashing.py",
        "def f() -> None:\n    import duckdb",
        "eventreplay.hashing -> duckdb",
    ),
    "driver": ("capture.py", "import pika", "eventreplay.capture -> pika"),
    "airflow": ("cli/app.py", "import airflow", "eventreplay.cli.app -> airflow"),
}


def append(folder: Path, module: str, line: str) -> None:
    with (folder / "src/eventreplay" / module).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}\n")


@pytest.fixture(scope="module")
def said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the check says of all wrong imports at once; each is named apart, and none is in the package."""
    folder = tmp_path_factory.mktemp("wrong")
    copy_to(root, folder)
    for module, line, _ in WRONG.values():
        append(folder, module, line)
    done = lint(folder)
    assert done.returncode != 0
    assert "Contracts: 0 kept, 2 broken." in done.stdout
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_import_turns_it_red(said: str, name: str) -> None:
    assert WRONG[name][2] in said, said


def test_a_module_without_a_floor_turns_it_red(copy: Path) -> None:
    append(copy, "attic.py", "X = 1")
    done = lint(copy)
    assert done.returncode != 0
    assert "eventreplay.attic" in done.stdout, done.stdout + done.stderr
