"""The unit of the live service: systemd takes it, and what it says fits the command line and the settings."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer

from eventreplay.cli.app import app
from eventreplay.config import plugin_settings
from eventreplay.errors import CheckpointConflictError, ConfigError, CorruptLogError, FenceError, SinkError
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sources.rabbitmq import RabbitSettings


@pytest.fixture(scope="module")
def unit(root: Path) -> Path:
    return root / "deploy/systemd/eventreplay-live.service"


@pytest.fixture(scope="module")
def lines(unit: Path) -> dict[str, list[str]]:
    """Values by name, in order; a name may come several times."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    """By its own check where it is installed; everywhere, by its sections."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    parser.read_string(unit.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        copy = tmp_path / unit.name
        program = str(Path(sys.executable).with_name("eventreplay"))
        copy.write_text(unit.read_text().replace("/usr/local/bin/eventreplay", program))
        done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_its_command_is_one_of_ours(lines: dict[str, list[str]]) -> None:
    (command,) = lines["ExecStart"]
    words = shlex.split(command)[1:]
    group = typer.main.get_command(app)
    assert words[0] == "live"
    # Parses the options, and runs nothing.
    context = group.get_command(None, words[0]).make_context("live", words[1:])  # type: ignore[attr-defined]
    assert context.params["finish_s"] == 60
    assert context.params["status_file"] == Path("%t/eventreplay/live.json")
    # Time for the end, and for the commit that it may have to wait for, before it is killed.
    assert float(lines["TimeoutStopSec"][0]) > context.params["finish_s"]


def test_what_starting_again_does_not_mend_is_not_started_again(lines: dict[str, list[str]]) -> None:
    never = {int(code) for code in lines["RestartPreventExitStatus"][0].split()}
    final = (ConfigError, CorruptLogError, FenceError, CheckpointConflictError)
    assert never == {error.exit_code for error in final}
    assert SinkError.exit_code not in never
    assert lines["Restart"] == ["on-failure"]


def test_secrets_reach_the_settings_as_files(
    lines: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for credential in lines["LoadCredential"]:
        (tmp_path / credential.partition(":")[0]).write_text("hunter2\n")
    for setting in lines["Environment"]:
        name, _, value = setting.partition("=")
        assert value.startswith("%d/")
        monkeypatch.setenv(name, value.replace("%d", str(tmp_path)))
    monkeypatch.setenv("EVENTREPLAY_SNOWFLAKE_ACCOUNT", "a")
    monkeypatch.setenv("EVENTREPLAY_SNOWFLAKE_USER", "u")
    rabbit = plugin_settings("rabbitmq", RabbitSettings, None, None, (), "orders")
    assert isinstance(rabbit, RabbitSettings)
    assert rabbit.password is not None
    assert rabbit.password.reveal() == "hunter2"
    snowflake = plugin_settings("snowflake", SnowflakeSettings, None, None, (), "DB")
    assert isinstance(snowflake, SnowflakeSettings)
    assert snowflake.private_key_file == str(tmp_path / "snowflake-key")
    # No secret itself stands in the unit.
    assert all(":" in each and "/" in each for each in lines["LoadCredential"])
