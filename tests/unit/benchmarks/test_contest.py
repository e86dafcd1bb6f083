"""Turns alternate, medians are medians, and what a process cost is what it cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contest import METER, Contestant, ContestError, contest


def says(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", text]


def test_turns_alternate_and_a_slow_peer_has_fewer(tmp_path: Path) -> None:
    order = tmp_path / "order"
    order.touch()

    def contestant(title: str, turns_max: int | None = None) -> Contestant:
        write = f"open({str(order)!r}, 'a').write({title!r})"
        return Contestant(title=title, command=says(write), events=10, turns_max=turns_max)

    found = contest([contestant("a"), contestant("b"), contestant("c", turns_max=1)], 3)
    assert order.read_text() == "abc" + "ba" + "ab"
    assert [(each.title, each.turns) for each in found] == [("a", 3), ("b", 3), ("c", 1)]


def test_the_median_of_the_turns_counts(tmp_path: Path) -> None:
    seconds = iter([1.0, 10.0, 2.0])

    def prepare() -> dict[str, str]:
        return {"SECONDS_TAKEN": str(next(seconds))}

    text = (
        "import json, os;"
        "print('noise'); print(json.dumps({'seconds': float(os.environ['SECONDS_TAKEN']), 'cpu_s': 0.5}))"
    )
    [found] = contest([Contestant(title="a", command=says(text), events=100, prepare=prepare)], 3)
    assert (found.rate, found.rate_slowest, found.rate_fastest) == (50.0, 10.0, 100.0)
    assert found.cpu_us == 5_000.0
    assert not list(tmp_path.iterdir())


def test_what_a_process_counted_is_what_counts() -> None:
    text = "import json; print(json.dumps({'seconds': 2.0, 'events': 30, 'note': 'less than asked for'}))"
    [found] = contest([Contestant(title="a", command=says(text), events=100)], 1)
    assert (found.rate, found.note) == (15.0, "less than asked for")


def test_a_contestant_that_fails_ends_the_measurement() -> None:
    with pytest.raises(ContestError, match="'a' ended with 3"):
        contest([Contestant(title="a", command=says("raise SystemExit(3)"), events=1)], 1)


def test_secrets_are_in_no_repr() -> None:
    assert "hunter2" not in repr(Contestant(title="a", command=[], events=1, secrets={"PASSWORD": "hunter2"}))


def metered(text: str) -> dict[str, float]:
    command = [sys.executable, "-I", "-S", str(METER), *says(text)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_the_meter_sees_memory_and_time_of_the_process_alone() -> None:
    """Even if whoever starts it is fat, as this test's process is."""
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    thin, fat = metered("x = 1"), metered("x = b'x' * 200_000_000")
    assert thin["peak_mb"] < 60
    assert 180 < fat["peak_mb"] - thin["peak_mb"] < 210
    assert 0 < thin["cpu_s"] < thin["wall_s"] + 1
    assert thin["exit"] == 0
