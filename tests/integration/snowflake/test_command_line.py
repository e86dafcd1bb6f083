"""The commands a reader types: init, check, replay, status; the first of each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventreplay.cli import main
from tests.integration.snowflake.server import StandIn

COMMAND = Path(sys.executable).with_name("eventreplay")
RUN_S_MAX = 120
Here = Callable[[list[str], dict[str, Any]], tuple[int, str, str]]


class Shell:
    """Runs `eventreplay` in a folder, with the account in Snowflake's own variables.

    A command's first run is a process, as a reader's is; later ones are calls of the same function.
    """

    def __init__(self, folder: Path, account: dict[str, Any], here: Here) -> None:
        self._here = here
        self._seen: set[str] = set()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SNOWFLAKE_")}
        given = {f"SNOWFLAKE_{name.upper()}": str(value) for name, value in account.items()}
        self.secret = str(account["password"])
        self._how: dict[str, Any] = {"cwd": folder, "env": {**kept, **given}}

    def run(self, *words: str) -> tuple[int, Any]:
        """Exit code and what `--json` printed; the password is nowhere in it."""
        command = " ".join(words[:2]) if words[0] == "snowflake" else words[0]
        if command in self._seen:
            code, out, err = self._here([*words, "--json"], self._how)
        else:
            self._seen.add(command)
            done = subprocess.run(
                [str(COMMAND), *words, "--json"], **self._how, capture_output=True, text=True, check=False,
                timeout=RUN_S_MAX,
            )  # fmt: skip
            code, out, err = done.returncode, done.stdout, done.stderr
        assert self.secret not in out + err
        return code, json.loads(out) if out.strip() else err


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command in this process."""

    def run(words: list[str], how: dict[str, Any]) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            patch.chdir(how["cwd"])
            for name, value in how["env"].items():
                patch.setenv(name, value)
            code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def shell(standin: StandIn, tmp_path: Path, here: Here) -> Shell:
    (tmp_path / "orders.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "event_id": str(number),
                    "event_type": "order.placed",
                    "occurred_at": "2026-01-31T23:59:59Z",
                    "payload": {"total": f"{number}.10"},
                }
            )
            + "\n"
            for number in range(100)
        )
    )
    return Shell(tmp_path, standin.server.connect_args(), here)


def test_from_an_empty_database_to_an_exact_table_and_its_status(
    standin: StandIn, database: str, shell: Shell
) -> None:
    sink = ("--sink", f"snowflake://{database}")
    assert shell.run("capture", "orders.jsonl", "--log", "log", "--partition", "orders")[0] == 0
    code, said = shell.run("status", "--log", "log", *sink)
    assert code not in (0, None)
    assert "init" in str(said), "before init it says what to do"
    assert shell.run("snowflake", "init", database)[0] == 0
    assert shell.run("snowflake", "init", database)[0] == 0
    code, found = shell.run("snowflake", "check", database)
    assert (code, found["ok"]) == (0, True)
    code, before = shell.run("status", "--log", "log", *sink)
    (partition,) = before["partitions"]
    assert (code, partition["state"], partition["position"], partition["lag_rows"]) == (
        0, "behind", None, 100,
    )  # fmt: skip
    code, receipt = shell.run("replay", "--log", "log", *sink)
    assert (code, receipt["read"], receipt["loaded"]) == (0, 100, 100)
    assert shell.run("replay", "--log", "log", *sink)[1]["read"] == 0
    code, after = shell.run("status", "--log", "log", *sink)
    (partition,) = after["partitions"]
    assert (code, partition["state"], partition["position"], partition["lag_rows"]) == (
        0, "up to date", 1, 0,
    )  # fmt: skip
    assert (after["quarantined"], partition["updated_at"][-1]) == (0, "Z")
    total = standin.run(
        f'SELECT SUM("PAYLOAD":total::VARCHAR::NUMBER(38,2)) FROM "{database}"."RAW"."EVENTS"'
    )
    assert str(total[0][0]) == "4960.00"
    standin.run(f'UPDATE "{database}"."RAW"."CHECKPOINTS" SET "DIGEST" = \'0\'')
    code, other = shell.run("status", "--log", "log", *sink)
    assert (code, other["partitions"][0]["state"]) == (1, "another log")
