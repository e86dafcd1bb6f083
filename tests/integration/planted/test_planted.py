"""Would the tests notice? Each known bug is planted into a copy of the project, and named tests must turn
red.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.planted.bugs import BUGS, Bug

COPIED = ("src", "tests", "dbt", "proto")
RUN_S_MAX = 240
NOT_A_FINDING = re.compile(
    r"^E +(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError)", re.MULTILINE
)


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Iterator[Path]:
    """The project without what tools have made of it."""
    folder = tmp_path / "copy"
    for name in COPIED:
        shutil.copytree(
            root / name, folder / name, ignore=shutil.ignore_patterns("target", "logs", ".hypothesis")
        )
    shutil.copy(root / "pyproject.toml", folder)
    yield folder
    shutil.rmtree(folder)


def test_the_list_is_long_and_each_bug_is_another() -> None:
    assert len(BUGS) >= 14
    assert len({bug.name for bug in BUGS}) == len({bug.edits for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_turns_its_tests_red(bug: Bug, copy: Path) -> None:
    plant(bug, copy)
    code, said = run_tests(copy, bug.tests)
    assert code == 1, f"{bug.name}: pytest ended with {code}, nobody noticed or nothing ran:\n{said[-3000:]}"
    assert re.search(r"\d+ failed", said), said[-3000:]
    assert not re.search(r"\d+ errors?\b", said.splitlines()[-1]), said[-3000:]
    assert not NOT_A_FINDING.search(said), f"{bug.name}: the plant does not even run:\n{said[-3000:]}"


def test_without_a_bug_a_copy_is_green(copy: Path) -> None:
    """A copy that does not work turns every test red, whatever was planted."""
    code, said = run_tests(copy, ("tests/unit/test_capture.py", "tests/unit/log/test_storage.py"))
    assert code == 0, said[-3000:]


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_without_a_bug_the_same_tests_are_green(copy: Path, part: int) -> None:
    tests = sorted({test for bug in BUGS for test in bug.tests})[part::2]
    code, said = run_tests(copy, tuple(tests))
    assert code == 0, said[-3000:]


def plant(bug: Bug, copy: Path) -> None:
    file = copy / bug.file
    text = file.read_text("utf-8")
    for old, new in bug.edits:
        found = text.count(old)
        assert found == 1, (
            f"{bug.name}: the text to be replaced stands {found} times in {bug.file}. The code has"
            f" changed: plant the bug into it as it is now, in bugs.py. Looked for:\n{old}"
        )
        text = text.replace(old, new)
    file.write_text(text, "utf-8")


def run_tests(copy: Path, tests: tuple[str, ...]) -> tuple[int, str]:
    """Tests of the copy on the package of the copy: exit code and output."""
    witness = copy / "imported.txt"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": str(copy / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "planted",
        "PLANTED_WITNESS": str(witness),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider"]
    command += ["-p", "tests.integration.planted.plugin", "--basetemp", str(copy / "basetemp"), *tests]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=RUN_S_MAX, check=False
    )
    said = done.stdout + done.stderr
    assert witness.is_file(), said[-3000:]
    assert Path(witness.read_text("utf-8")).is_relative_to(copy), (
        "The installed package was tested, not the copy."
    )
    return done.returncode, said
