"""Help is complete and loads nothing heavy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version

import pytest

Run = Callable[..., tuple[int, str, str]]

COMMANDS = (
    ("demo",),
    ("capture",),
    ("replay",),
    ("live",),
    ("prove",),
    ("verify",),
    ("log", "ls"),
    ("log", "check"),
    ("log", "gc"),
    ("log", "cat"),
    ("gaps", "ls"),
    ("gaps", "repair"),
    ("quarantine", "ls"),
    ("quarantine", "show"),
    ("quarantine", "explain"),
    ("quarantine", "redrive"),
    ("quarantine", "drop"),
    ("receipts", "ls"),
    ("receipts", "show"),
    ("receipts", "again"),
    ("dbt",),
    ("rebuild", "plan"),
    ("rebuild", "run"),
    ("rebuild", "diff"),
    ("rebuild", "promote"),
    ("rebuild", "rollback"),
    ("rebuild", "ls"),
    ("rebuild", "show"),
    ("rebuild", "drop"),
    ("status",),
    ("plugins",),
    ("doctor",),
    ("postgres", "check"),
    ("rabbitmq", "declare"),
    ("rabbitmq", "check"),
    ("snowflake", "init"),
    ("snowflake", "check"),
)
HEAVY = {
    "boto3",
    "pika",
    "psycopg2",
    "adbc_driver_postgresql",
    "snowflake",
    "pyarrow",
    "duckdb",
    "numpy",
    "datafusion",
    "ptars",
    "obstore",
    "google",
    "dbt",
    "jinja2",
    "vl_convert",
}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["replay", "--help"], ["--version"], ["log", "cat", "--help"]]
)
def test_help_and_version_load_neither_arrow_nor_a_driver(arguments: list[str]) -> None:
    code = (
        "import sys; from eventreplay.cli import main; code = main(sys.argv[1:]);"
        "print(chr(10) + ' '.join(sorted({name.split('.')[0] for name in sys.modules}))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert HEAVY & set(done.stdout.splitlines()[-1].split()) == set()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_examples_and_json(run: Run, command: tuple[str, ...]) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert re.search(rf"\$ eventreplay {' '.join(command)}\b", out)
    assert "--json" in out


def test_no_command_is_forgotten_here(run: Run) -> None:
    listed = {name for name, *_ in COMMANDS}
    out = run("--help")[1]
    shown = set(re.findall(r"^│ ([a-z]+) ", out, re.MULTILINE))
    assert shown == listed


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"eventreplay {version('eventreplay')}\n", "")


def test_a_group_without_a_command_shows_its_help_and_no_error(run: Run) -> None:
    code, out, err = run("log")
    assert code == 2
    assert "check" in out
    assert err == ""
