"""A digest of what a function does: every change of its code or of what it uses shows, and nothing else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from eventreplay.codecs.function_digest import function_digest
from eventreplay.codecs.schema import Upcaster

_NUMBERS = count()

BASE = '''
import re
from decimal import Decimal
from functools import partial
import numpy as np
import pyarrow.compute as pc
import attrs

RATE = Decimal("1.20")
NAMES = {"b": 1, "a": 2}
WORDS = frozenset({"x", "y", "z"})
FORM = re.compile("a+")
TABLE = np.array([1, 2, 3])

@attrs.frozen
class Rule:
    factor: int = 2
    def apply(self, value):
        return pc.multiply(value, self.factor)

RULE = Rule(3)

def twice(value, times=2):
    """Doc."""
    return pc.multiply(value, times)

def deeper(value):
    return twice(value)

half = partial(twice, times=5)

def convert(columns):
    """What it is for."""
    # a comment
    return deeper(columns), RATE, NAMES["a"], WORDS, FORM, TABLE, RULE.apply, half
'''


def digest(folder: Path, text: str, name: str = "acme_made") -> str:
    """That of `convert` in a module with this text, always called the same."""
    path = folder / f"module_{next(_NUMBERS)}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        return function_digest(module.convert)
    finally:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return deeper(columns)", "return deeper(columns[0])"),
        ("return twice(value)", "return twice(value, 3)"),
        ("pc.multiply(value, times)", "pc.add(value, times)"),
        ("times=2", "times=4"),
        ('Decimal("1.20")', 'Decimal("1.2")'),
        ('"a": 2', '"a": 3'),
        ('{"x", "y", "z"}', '{"x", "y"}'),
        ('re.compile("a+")', 're.compile("a*")'),
        ('re.compile("a+")', 're.compile("a+", re.I)'),
        ("np.array([1, 2, 3])", "np.array([1, 2, 4])"),
        ("RULE = Rule(3)", "RULE = Rule(4)"),
        ("pc.multiply(value, self.factor)", "pc.divide(value, self.factor)"),
        ("times=5", "times=6"),
    ],
)
def test_every_change_of_what_it_does_shows(tmp_path: Path, old: str, new: str) -> None:
    assert old in BASE
    assert digest(tmp_path, BASE) != digest(tmp_path, BASE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ('"""What it is for."""', '"""Something else."""'),
        ('"""Doc."""', ""),
        ("def twice(value, times=2):", "def twice(value: object, times: int = 2) -> object:"),
        ("return twice(value)", "return (\n        twice(\n            value\n        )\n    )"),
        ('{"b": 1, "a": 2}', '{"a": 2, "b": 1}'),
        ("import attrs\n", "import attrs\n\nUNUSED = 1\n\ndef unused():\n    return 2\n"),
    ],
)
def test_what_changes_nothing_does_not_show(tmp_path: Path, old: str, new: str) -> None:
    assert old in BASE
    assert digest(tmp_path, BASE) == digest(tmp_path, BASE.replace(old, new))


def test_it_is_the_same_whatever_the_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(BASE)
    program = (
        "import acme; from eventreplay.codecs.function_digest import function_digest as d;"
        " print(d(acme.convert))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


DECORATED = """
import functools

def doubled(run):
    @functools.wraps(run)
    def inner(columns):
        return run(columns) * 2
    return inner

@doubled
def convert(columns):
    return columns + 1
"""


def test_a_decorator_and_what_it_wraps_both_count(tmp_path: Path) -> None:
    first = digest(tmp_path, DECORATED)
    assert first == digest(tmp_path, DECORATED)
    assert first != digest(tmp_path, DECORATED.replace("* 2", "* 3"))
    assert first != digest(tmp_path, DECORATED.replace("columns + 1", "columns + 2"))


def test_without_source_its_instructions_count() -> None:
    made = {}
    for text in ("columns + 1", "columns + 2"):
        space: dict[str, object] = {"__name__": "made"}
        exec(f"def convert(columns):\n    return {text}\n", space)  # noqa: S102 - code without a file
        made[text] = function_digest(space["convert"])
    assert len(set(made.values())) == 2


def test_what_calls_itself_comes_to_an_end(tmp_path: Path) -> None:
    text = "LIST = []\nLIST.append(LIST)\n\ndef convert(n):\n    return convert(n - 1) if n else LIST\n"
    assert digest(tmp_path, text) == digest(tmp_path, text)


def _convert(columns: object) -> object:
    return columns


def test_an_upcaster_is_its_types_its_version_and_its_code() -> None:
    made = Upcaster(from_type="a", to_type="b", version=1, convert=_convert)
    assert made.identity.startswith(f"a>b#1:{__name__}._convert=")
    assert made.identity.endswith(function_digest(_convert))
