"""The front door: few names, loaded when asked for, and the verbs are functions whatever came before."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import eventreplay

HEAVY = (
    "pyarrow",
    "numpy",
    "datafusion",
    "ptars",
    "obstore",
    "duckdb",
    "dbt",
    "attrs",
    "rich",
    "google.protobuf",
)


def python(code: str) -> str:
    """What `code` prints in an interpreter of its own, where nothing has been imported yet."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by(code: str) -> list[str]:
    return python(f"{code}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))").split()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import eventreplay; eventreplay.__version__; dir(eventreplay)") == []


def test_the_help_loads_neither_arrow_nor_a_driver() -> None:
    code = "import sys\nfrom eventreplay.cli import main\nprint(main(['--help']), file=sys.stderr)"
    loaded = python(
        f"{code}\nprint('loaded', *(name for name in {HEAVY!r} if name in sys.modules))"
    ).splitlines()[-1]
    assert set(loaded.split()) <= {"loaded", "rich", "attrs"}


def test_settings_and_the_registry_load_neither_arrow_nor_a_driver() -> None:
    code = "from eventreplay import config, registry\nconfig.load_settings()\nregistry.plugins(probe=False)"
    assert set(loaded_by(code)) <= {"attrs"}


@pytest.mark.parametrize("name", eventreplay.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(eventreplay, name) is not None
    assert name in dir(eventreplay)


def test_about_ten_names() -> None:
    assert sorted(eventreplay.__all__) == eventreplay.__all__
    assert len(set(eventreplay.__all__)) == 10


def test_the_version_is_that_of_the_distribution() -> None:
    assert eventreplay.__version__ == version("eventreplay")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'captured'"):
        eventreplay.captured  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize("verb", ["capture", "replay"])
@pytest.mark.parametrize(
    "before",
    [
        "",
        "import eventreplay.{verb}",
        "from eventreplay.{verb} import Progress",
        "from importlib import import_module; import_module('eventreplay.{verb}')",
        "from eventreplay import capture, replay",
        "from eventreplay.replay import replay; from eventreplay.capture import capture",
    ],
)
def test_a_verb_is_a_function_whatever_was_imported_before(verb: str, before: str) -> None:
    code = before.format(verb=verb) + f"\nfrom eventreplay import {verb}\nimport eventreplay, inspect"
    assert python(f"{code}\nprint(inspect.isfunction({verb}), eventreplay.{verb} is {verb})") == "True True"


@pytest.mark.parametrize("verb", ["capture", "replay"])
def test_the_module_of_a_verb_is_still_there(verb: str) -> None:
    module = importlib.import_module(f"eventreplay.{verb}")
    assert inspect.ismodule(module)
    assert getattr(module, verb) is getattr(eventreplay, verb)


def test_a_verb_can_be_sent_to_a_worker() -> None:
    code = "import pickle\nfrom eventreplay import capture\nsent = pickle.dumps(capture)"
    assert python(f"{code}\nprint(pickle.loads(sent) is capture)") == "True"
