"""Would the tests notice? Each known bug is planted into a copy of the project, and named tests must turn
red.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.planted.bug import Bug
from tests.integration.planted.bugs import BUGS
from tests.tiers import tiered

COPIED = ("src", "tests", "dbt", "proto")
RUN_S_MAX = 240
EVERY = 5
"""Each takes seconds: every fifth is planted each time, all of them in the long tier."""
NOT_A_FINDING = re.compile(
    r"^E +(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError)", re.MULTILINE
)


@pytest.fixture(scope="module")
def copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without what tools have made of it; each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("planted") / "copy"
    for name in COPIED:
        shutil.copytree(
            root / name, folder / name, ignore=shutil.ignore_patterns("target", "logs", ".hypothesis")
        )
    shutil.copy(root / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def zygote() -> Iterator[subprocess.Popen[str]]:
    """Runs pytest in children; see its file."""
    # OpenBLAS of numpy and jemalloc of Arrow start threads when they are loaded, which a fork would lose.
    quiet = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    program = str(Path(__file__).with_name("zygote.py"))
    with subprocess.Popen(
        [sys.executable, "-P", "-B", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**outside(), **quiet},
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            # A run that hangs is a child of it.
            os.killpg(process.pid, signal.SIGKILL)


def outside() -> dict[str, str]:
    """The environment of this run, without what pytest keeps in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def test_the_list_is_long_and_each_bug_is_another() -> None:
    assert len(BUGS) >= 14
    assert len({bug.name for bug in BUGS}) == len({bug.edits for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", tiered(BUGS, short=lambda at, _: at % EVERY == 0, name=lambda bug: bug.name))
def test_a_planted_bug_turns_its_tests_red(bug: Bug, copy: Path, zygote: subprocess.Popen[str]) -> None:
    with planted(bug, copy):
        code, said = run_tests(copy, zygote, bug.tests)
    assert code == 1, f"{bug.name}: pytest ended with {code}, nobody noticed or nothing ran:\n{said[-3000:]}"
    assert re.search(r"\d+ failed", said), said[-3000:]
    assert not re.search(r"\d+ errors?\b", said.splitlines()[-1]), said[-3000:]
    assert not NOT_A_FINDING.search(said), f"{bug.name}: the plant does not even run:\n{said[-3000:]}"


def test_without_a_bug_a_copy_is_green(copy: Path, zygote: subprocess.Popen[str]) -> None:
    """A copy that does not work turns every test red, whatever was planted."""
    code, said = run_tests(copy, zygote, ("tests/unit/test_capture.py", "tests/unit/log/test_storage.py"))
    assert code == 0, said[-3000:]


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_without_a_bug_the_same_tests_are_green(copy: Path, zygote: subprocess.Popen[str], part: int) -> None:
    tests = sorted({test for bug in BUGS for test in bug.tests})[part::2]
    code, said = run_tests(copy, zygote, tuple(tests))
    assert code == 0, said[-3000:]


@contextmanager
def planted(bug: Bug, copy: Path) -> Iterator[None]:
    """The bug is in the copy as long as the block runs."""
    file = copy / bug.file
    before = file.read_bytes()
    text = before.decode("utf-8")
    for old, new in bug.edits:
        found = text.count(old)
        assert found == 1, (
            f"{bug.name}: the text to be replaced stands {found} times in {bug.file}. The code has"
            f" changed: plant the bug into it as it is now, in bugs.py. Looked for:\n{old}"
        )
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    try:
        yield
    finally:
        file.write_bytes(before)


def run_tests(copy: Path, zygote: subprocess.Popen[str], tests: tuple[str, ...]) -> tuple[int, str]:
    """Tests of the copy on the package of the copy: exit code and output."""
    witness = copy / "imported.txt"
    witness.unlink(missing_ok=True)
    environment = {
        **outside(),
        "PYTHONPATH": str(copy / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "planted",
        "PLANTED_WITNESS": str(witness),
    }
    words = ["-q", "-x", "--tb=short", "-p", "no:cacheprovider", "-p", "tests.integration.planted.plugin"]
    words += ["--basetemp", str(copy / "basetemp"), *tests]
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    zygote.stdin.write(json.dumps({"folder": str(copy), "words": words, "environment": environment}) + "\n")
    zygote.stdin.flush()
    ready, _, _ = select.select([zygote.stdout], [], [], RUN_S_MAX)
    assert ready, f"{tests} did not end within {RUN_S_MAX} s."
    answer = zygote.stdout.readline()
    assert answer, f"The zygote ended with {zygote.wait()}; see its message above."
    said = (copy / "said.txt").read_text("utf-8", "replace")
    assert witness.is_file(), said[-3000:]
    assert Path(witness.read_text("utf-8")).is_relative_to(copy), (
        "The installed package was tested, not the copy."
    )
    return os.waitstatus_to_exitcode(json.loads(answer)["status"]), said
