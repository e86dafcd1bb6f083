"""The sweep dies where it says, finds a writer that leaves halves, and passes one that does not."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import pytest

from eventreplay.errors import ConfigError
from eventreplay.testing.faults.kill_sweep import KillSweep, Point, SweepError

SAVER = Path(__file__).with_name("saver.py")
CALLS = ("write", "fsync", "rename")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


def sweep(how: str, folder: Path, fault: str = "SIGKILL") -> KillSweep:
    command = [sys.executable, "-I", "-S", str(SAVER), how, str(folder)]
    return KillSweep(command, calls=CALLS, within=folder, fault=fault)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def number(folder: Path) -> str | None:
    path = folder / "number"
    return path.read_text("ascii") if path.exists() else None


def test_every_call_is_a_point_and_each_run_dies_before_its_own(folder: Path) -> None:
    made = sweep("carefully", folder)
    left = []
    runs = []
    for run in made.runs(before=lambda _: empty(folder)):
        runs.append(run)
        left.append((folder / "number.new").read_text("ascii"))
    assert [run.point.call for run in runs] == ["write", "write", "write", "fsync", "rename"]
    assert [run.point.number for run in runs] == [1, 2, 3, 4, 5]
    assert all(run.reached and run.killed and run.status == -signal.SIGKILL for run in runs)
    # Killed at the call, before it: the N-th write has not happened.
    assert left == ["", "1", "12", "123", "123"]


def test_paths_may_be_relative(folder: Path) -> None:
    command = [sys.executable, "-I", "-S", str(SAVER), "carefully", folder.name]
    found = KillSweep(command, calls=CALLS, within=folder, cwd=folder.parent).points()
    assert [point.call for point in found] == ["write", "write", "write", "fsync", "rename"]
    elsewhere = folder.parent / "stat"
    with pytest.raises(SweepError, match="none of the calls"):
        KillSweep(command, calls=CALLS, within=elsewhere, cwd=folder.parent).points()


def test_a_careful_writer_passes(folder: Path) -> None:
    for run in sweep("carefully", folder).runs(before=lambda _: empty(folder)):
        assert number(folder) is None, str(run.point)


def test_a_careless_writer_is_found(folder: Path) -> None:
    halves = [
        run.point.number
        for run in sweep("carelessly", folder).runs(before=lambda _: empty(folder))
        if number(folder) not in {None, "123"}
    ]
    assert halves == [1, 2, 3]


def test_a_call_may_fail_instead(folder: Path) -> None:
    runs = list(sweep("carefully", folder, fault="ENOSPC").runs(before=lambda _: empty(folder)))
    assert all(run.reached and not run.killed and run.status == 1 for run in runs)
    assert all("No space left" in run.output for run in runs)


def test_a_sample_has_the_first_and_the_last(folder: Path) -> None:
    runs = sweep("carefully", folder).runs(before=lambda _: empty(folder), every=3)
    assert [run.point.number for run in runs] == [1, 4, 5]


def test_hooks_run_around_each_run(folder: Path) -> None:
    said: list[str] = []

    def before(point: Point) -> None:
        said.append(f"before {point.number}")
        empty(folder)

    runs = sweep("carefully", folder).runs(
        before=before, after=lambda p: said.append(f"after {p.number}"), every=4
    )
    said.extend(f"check {run.point.number}" for run in runs)
    assert said == ["before 0", "before 1", "check 1", "after 1", "before 5", "check 5", "after 5"]


def test_a_second_kill_falls_into_the_recovery(folder: Path) -> None:
    made, recovery = sweep("carefully", folder), sweep("carefully", folder)
    seen = []
    for first, second in made.twice(recovery, before=lambda _: empty(folder), every=2, every_second=2):
        assert first.reached
        assert second.reached
        assert number(folder) is None
        seen.append((first.point.number, second.point.number))
    assert seen == [(a, b) for a in (1, 3, 5) for b in (1, 3, 5)]


def test_calls_elsewhere_are_no_points(folder: Path) -> None:
    found = KillSweep(
        [sys.executable, "-c", "import os; os.write(1, b'x'); os.write(1, b'y')"],
        calls=("write",),
        within=folder,
    )
    with pytest.raises(SweepError, match="none of the calls"):
        found.points()
    assert found.points(may_be_none=True) == []


def test_a_command_that_fails_by_itself_is_an_error() -> None:
    with pytest.raises(SweepError, match="ended with 3: why"):
        KillSweep(["sh", "-c", "echo why; exit 3"]).points()


def test_no_calls_is_an_error() -> None:
    with pytest.raises(ConfigError):
        KillSweep(["true"], calls=())
