"""What surroundings a run's process really has, in the process itself, in a new thread, and in a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import evolve

from eventreplay.prove import child
from eventreplay.prove.combinations import DECIMALS, Combination
from tests.integration.prove.material import BASE

PROGRAM = """
import json, runpy, sys
found = runpy.run_path(sys.argv[1], run_name="__mp_main__")
heavy = sorted({"eventreplay", "pyarrow", "duckdb"} & set(sys.modules))
print(json.dumps({**found["effects"](), "heavy": heavy}))
"""


def effects(how: Combination) -> dict[str, Any]:
    """As a worker process finds them, which imports the program under another name."""
    environment = {
        **os.environ,
        **how.environment(ascii_only=True),
        child.AMBIENCE: json.dumps({"decimals": DECIMALS[how.decimals]}),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(Path(child.__file__))],
        env=environment, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_decimal_contexts_reach_new_threads_with_precision_rounding_and_traps() -> None:
    narrow = effects(evolve(BASE, decimals="narrow"))
    assert narrow["decimals"] == [6, "ROUND_UP"]
    assert effects(evolve(BASE, decimals="wide"))["decimals"] == [
        60, "ROUND_DOWN", "DivisionByZero", "FloatOperation", "InvalidOperation", "Overflow",
    ]  # fmt: skip


def test_zone_hash_seed_and_locale_are_in_effect() -> None:
    one = effects(evolve(BASE, zone="<+14>-14", hash_seed=1, locale="C"))
    other = effects(evolve(BASE, zone="NST3:30NDT,M3.2.0,M11.1.0", hash_seed=2, locale="C.UTF-8"))
    assert (one["zone"][2], other["zone"][2], other["zone"][3]) == (-50_400, 12_600, 9_000)
    assert one["hash_seed"] != other["hash_seed"]
    assert one["locale"][0] == "C"
    assert one["locale"][2].upper() != other["locale"][2].upper() == "UTF-8"


def test_nothing_is_imported_before_the_surroundings_are_changed() -> None:
    assert effects(BASE)["heavy"] == []
