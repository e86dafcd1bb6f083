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
    shutil.copytree(root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


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


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        (
            "batch.py",
            "import eventreplay.capture",
            "eventreplay.batch is not allowed to import eventreplay.capture",
        ),
        (
            "sources/rows.py",
            "from eventreplay.sinks import duckdb",
            "eventreplay.sources is not allowed to import eventreplay.sinks",
        ),
        (
            "replay.py",
            "import eventreplay.capture",
            "eventreplay.replay is not allowed to import eventreplay.capture",
        ),
        ("replay.py", "def f() -> None:\n    import duckdb", "eventreplay is not allowed to import duckdb"),
        ("capture.py", "import pika", "eventreplay is not allowed to import pika"),
        ("cli/app.py", "import airflow", "eventreplay is not allowed to import airflow"),
        ("attic.py", "X = 1", "eventreplay.attic"),
    ],
    ids=["upward", "sibling", "verbs", "driver-in-a-function", "driver", "airflow", "no-floor"],
)
def test_a_wrong_import_turns_it_red(copy: Path, module: str, line: str, said: str) -> None:
    with (copy / "src/eventreplay" / module).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode != 0
    assert said in " ".join(done.stdout.split()), done.stdout + done.stderr
