"""Same log, same output (promise P3), whatever batch size, workers, hash seed, time zone, locale, decimal
context.

Not the full product: every pair of values of any two of these meets in some combination, which is shown
below. Crash points are swept in `crash`, versions of Python as far as there are any on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

import pytest
from attrs import asdict, frozen

from tests.integration import determinism_child
from tests.integration.determinism_child import EVENTS, Combination, Result, run
from tests.tiers import tiered

CHILD_S_MAX = 120

SEEDS = ("0", "1", "4294967295")
ZONES = ("UTC", "America/St_Johns", "Pacific/Apia")
LOCALES = ("C", "C.UTF-8", "tr_TR.UTF-8")

ENCODERS = (1, 3)
DECODERS = (1, 2)
PRECISIONS = (28, 6)
SOURCE_ROWS = (3, 37, 100_000)
DECODE_ROWS = (13, 150, 65_536)


@frozen
class Environment:
    """What has to be set before an interpreter starts."""

    hash_seed: str
    zone: str
    locale: str

    def variables(self) -> dict[str, str]:
        return {**os.environ, "PYTHONHASHSEED": self.hash_seed, "TZ": self.zone, "LC_ALL": self.locale}


# A Latin square: each pair of seed, zone and locale meets once.
ENVIRONMENTS = [
    Environment(seed, zone, LOCALES[(a + b) % 3])
    for a, seed in enumerate(SEEDS)
    for b, zone in enumerate(ZONES)
]


def ways(at: int) -> list[Combination]:
    """Three combinations for the environment with number `at`; rotated, so that pairs meet across all of
    them.
    """
    a, b = divmod(at, 3)
    return [
        Combination(
            source_rows=SOURCE_ROWS[(a + turn) % 3],
            decode_rows=DECODE_ROWS[(a + b + turn * 2) % 3],
            encoders=ENCODERS[(at + turn) % 2],
            decoders=DECODERS[1 if turn == b else 0],
            precision=PRECISIONS[(a + turn // 2 + b) % 2],
        )
        for turn in range(3)
    ]


ALL = [(environment, way) for at, environment in enumerate(ENVIRONMENTS) for way in ways(at)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run, in this process, in the plainest way."""
    return run(tmp_path_factory.mktemp("plain") / "run", Combination(500, 500, 1, 1, 28))


def test_the_history_is_worth_comparing(expected: Result) -> None:
    assert expected.rows == EVENTS + 1


def test_each_two_values_meet_in_some_combination() -> None:
    factors: dict[str, tuple[object, ...]] = {
        "hash_seed": SEEDS, "zone": ZONES, "locale": LOCALES, "source_rows": SOURCE_ROWS,
        "decode_rows": DECODE_ROWS,
        "encoders": ENCODERS, "decoders": DECODERS, "precision": PRECISIONS,
    }  # fmt: skip
    flat = [{**asdict(environment), **asdict(way)} for environment, way in ALL]
    assert len(flat) >= 24
    missing = [
        f"{first}={one} with {second}={other}"
        for first, second in combinations(factors, 2)
        for one, other in product(factors[first], factors[second])
        if not any(row[first] == one and row[second] == other for row in flat)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "at",
    tiered(
        range(len(ENVIRONMENTS)),
        short=lambda _, at: at % 2 == 0,
        name=lambda at: "-".join(asdict(ENVIRONMENTS[at]).values()),
    ),
)
def test_the_same_log_and_the_same_rows_in_every_way(expected: Result, tmp_path: Path, at: int) -> None:
    found = left(sys.executable, ENVIRONMENTS[at], ways(at), tmp_path)
    assert found == [expected] * len(ways(at))


def test_other_versions_of_python_on_this_machine_make_the_same(expected: Result, tmp_path: Path) -> None:
    """Those that have the package installed; the one that runs this test is always among them."""
    pythons = [sys.executable, *filter(None, map(shutil.which, ("python3.11", "python3.12", "python3.13")))]
    able = [python for python in pythons if imports_the_package(python)]
    assert able[0] == sys.executable
    for number, python in enumerate(able):
        assert left(python, ENVIRONMENTS[5], ways(5)[:1], tmp_path / str(number)) == [expected], python


def imports_the_package(python: str) -> bool:
    done = subprocess.run(
        [python, "-c", "import eventreplay.replay, duckdb, ptars"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0


def left(python: str, environment: Environment, how: list[Combination], folder: Path) -> list[Result]:
    """What a child with this interpreter and environment makes of the history, in each way."""
    program = Path(determinism_child.__file__)
    done = subprocess.run(
        [python, str(program), str(folder), json.dumps([asdict(way) for way in how])],
        env=environment.variables(),
        capture_output=True,
        text=True,
        timeout=CHILD_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [Result(**found) for found in json.loads(done.stdout)]
