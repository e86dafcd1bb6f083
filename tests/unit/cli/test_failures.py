"""Errors: message and hint, a fixed exit code, no traceback, no secret."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from eventreplay import errors
from eventreplay.cli import main
from eventreplay.cli.failures import explain
from eventreplay.cli.jobs import plugins
from eventreplay.redaction import redacted

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SourceError("Broken."), 1),
        (errors.ConfigError("Wrong."), 2),
        (errors.UnknownPluginError("Unknown."), 2),
        (errors.CorruptLogError("Damaged."), 3),
        (errors.FenceError("Fenced."), 4),
        (errors.CheckpointConflictError("Moved."), 4),
        (KeyboardInterrupt(), 130),
        (ValueError("the payload was 4711"), 1),
    ],
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(error, as_json=False) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_an_unforeseen_error_does_not_tell_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    explain(ValueError("the payload was 4711"), as_json=True)
    said = capsys.readouterr()
    assert "4711" not in said.out + said.err
    assert "ValueError" in said.err
    assert "EVENTREPLAY_DEBUG=1" in said.err


def test_a_missing_file_is_told_by_its_name_only(capsys: pytest.CaptureFixture[str]) -> None:
    explain(PermissionError(13, "Permission denied", "somewhere/private/w.duckdb"), as_json=False)
    assert "error: Permission denied (w.duckdb)." in capsys.readouterr().err


def test_json_carries_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    explain(errors.LogUnavailableError("Not there.", hint="Start again."), as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "kind": "LogUnavailableError",
            "message": "Not there.",
            "hint": "Start again.",
            "retryable": True,
        }
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqps://user:s3cr3t@host/vhost refused", "amqps://***@host/vhost refused"),
        ("no route to s3cr3t@host", "no route to s3cr3t@host"),
        ("password=s3cr3t host=db", "password=*** host=db"),
        ("Token: 's3 cr3t', rest", "Token: ***, rest"),
        ('aws_secret_access_key = "s3 cr3t"', "aws_secret_access_key = ***"),
        ("api-key=s3cr3t&x=1", "api-key=***&x=1"),
        ("the passage of time: slow", "the passage of time: slow"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_hostile_message_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    explain(errors.SourceError("bad \x1b[2J name \u202e"), as_json=False)
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\\x1b[2J name \\u202e" in said


def test_wrong_usage_says_where_help_is(run: Run) -> None:
    code, out, err = run("log", "cat")
    assert code == 2
    assert out == ""
    assert "PARTITION" in err
    assert "hint: See: eventreplay log cat --help" in err


def test_wrong_usage_is_json_too_where_that_was_asked_for(run: Run) -> None:
    code, out, _ = run("log", "cat", "--json")
    assert code == 2
    assert "PARTITION" in json.loads(out)["error"]["message"]


def test_debug_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTREPLAY_DEBUG", "1")
    with pytest.raises(errors.ConfigError):
        main(["log", "ls", "--log", "nowhere"])


def test_ctrl_c_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(**_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(plugins, "run", stopped)
    code, out, err = run("plugins")
    assert (code, out) == (130, "")
    assert "goes on from there" in err


def test_a_missing_part_of_the_demo_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError("No module named 'vl_convert'", name="vl_convert")
    assert explain(error, as_json=False) == 2
    said = capsys.readouterr().err
    assert "vl_convert" in said
    assert "pip install 'eventreplay[demo]'" in said
