from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventreplay.admission import AdmissionLimits
from eventreplay.capture import CaptureOptions
from eventreplay.codecs.limits import Limits
from eventreplay.config.core import _RULES, Settings, load_settings
from eventreplay.config.file import FILE_BYTES_MAX
from eventreplay.errors import ConfigError
from eventreplay.log.layout import valid_partition
from eventreplay.replay import replay

PASSWORD = "hunter2"  # noqa: S105 - it must not show up anywhere


def file_of(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, "utf-8")
    return path


def test_nothing_given_means_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()


def test_every_setting_has_a_rule_and_a_word_of_explanation() -> None:
    names = [field.name for field in attrs.fields(Settings)]
    assert list(_RULES) == names
    assert all(f"\n    {name}: " in inspect.cleandoc(Settings.__doc__ or "") for name in names)


def test_the_defaults_are_those_of_what_they_set() -> None:
    settings = Settings()
    options, limits = CaptureOptions(), Limits()
    assert settings.segment_positions == options.segment_positions
    assert settings.segment_bytes_max == options.segment_bytes_max
    assert settings.workers == options.workers
    assert settings.payload_bytes_max == AdmissionLimits().payload_bytes_max
    # Limits are part of the codec's fingerprint: a load begun in Python goes on by the command line.
    assert settings.decode_payload_bytes_max == limits.payload_bytes_max
    assert settings.decode_nesting_levels_max == limits.nesting_levels_max
    assert settings.decode_elements_max == limits.elements_max
    assert settings.decode_number_digits_max == limits.number_digits_max
    defaults = {name: each.default for name, each in inspect.signature(replay).parameters.items()}
    assert settings.replay_id == defaults["replay_id"]
    assert settings.batch_rows_max == defaults["batch_rows_max"]


# Which of the three places give a value, and what comes of it.
@given(
    file=st.none() | st.integers(1, 256),
    variable=st.none() | st.integers(1, 256),
    argument=st.none() | st.integers(1, 256),
)
def test_arguments_win_over_the_environment_over_the_file(
    tmp_path_factory: pytest.TempPathFactory, file: int | None, variable: int | None, argument: int | None
) -> None:
    path = file_of(tmp_path_factory.getbasetemp(), "" if file is None else f"workers = {file}\n")
    environ = {} if variable is None else {"EVENTREPLAY_WORKERS": str(variable)}
    settings = load_settings(path, environ=environ, arguments={"workers": argument})
    given_values = [value for value in (argument, variable, file) if value is not None]
    assert settings.workers == (given_values[0] if given_values else 1)


def test_each_place_can_set_everything(tmp_path: Path) -> None:
    changed: dict[str, Any] = {
        "log_url": "s3://bucket/prefix",
        "sink_url": "duckdb:///other.duckdb",
        "partition": "live-0",
        "replay_id": "Try.2",
    }
    for field in attrs.fields(Settings):
        changed.setdefault(field.name, 77)
    changed["segment_bytes_max"] = 4096
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in changed.items()]
    path = file_of(tmp_path, "\n".join(lines))
    environ = {f"EVENTREPLAY_{name.upper()}": str(value) for name, value in changed.items()}
    assert load_settings(path, environ={}) == Settings(**changed)
    assert load_settings(file_of(tmp_path, ""), environ=environ) == Settings(**changed)
    assert load_settings(path, environ={}, arguments=changed) == Settings(**changed)


def test_the_file_of_the_working_directory_is_read_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eventreplay.toml").write_text('partition = "history"\n', "utf-8")
    assert load_settings(environ={}).partition == "history"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        load_settings(tmp_path / "none.toml", environ={})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, environ={})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"workers = \n", r"is not TOML: .*line 1"),
        (b"workers = 1\nworkers = 2\n", "is not TOML"),
        (b"log_url = '\xff'\n", r"is not UTF-8 \(byte 11\)"),
        (b"#" * (FILE_BYTES_MAX + 1), "is larger than"),
        (b"workers = " + b"[" * 100_000, "is not TOML"),
        (b"workers = " + b"9" * 10_000, "is not TOML"),
    ],
)
def test_an_unreadable_file_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_settings(path, environ={})


@pytest.mark.parametrize(
    ("content", "environ", "arguments", "said"),
    [
        ("workers = 0", {}, {}, "workers in {path} is 0."),
        ("", {"EVENTREPLAY_WORKERS": "many"}, {}, "EVENTREPLAY_WORKERS in the environment is 'many'."),
        ("", {}, {"workers": 257}, "The argument workers is 257."),
        ("workers = true", {}, {}, "workers in {path} is true."),
        ("workers = [1]", {}, {}, "workers in {path} is a list."),
    ],
)
def test_the_message_says_where_the_value_stands_and_what_is_allowed(
    tmp_path: Path, content: str, environ: dict[str, str], arguments: dict[str, object], said: str
) -> None:
    path = file_of(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ=environ, arguments=arguments)
    assert str(caught.value) == f"{said.format(path=path)} It must be a whole number from 1 to 256."
    assert caught.value.fields["setting"] == "workers"
    assert caught.value.exit_code == 2


def test_a_wrong_value_is_an_error_although_another_one_wins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workers in"):
        load_settings(file_of(tmp_path, "workers = -1"), environ={"EVENTREPLAY_WORKERS": "2"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", "2"),
        ("workers", 2.0),
        ("workers", True),
        ("batch_rows_max", 0),
        ("segment_positions", -5),
        ("decode_nesting_levels_max", 101),
        ("decode_number_digits_max", 37),
        ("partition", "Journal"),
        ("partition", "a..b"),
        ("partition", ""),
        ("partition", "a/b"),
        ("partition", "journal\n"),
        ("replay_id", "x" * 129),
        ("replay_id", "../live"),
        ("log_url", ""),
        ("log_url", "a\0b"),
        ("log_url", 7),
        ("sink_url", "warehouse.duckdb"),
        ("sink_url", "duckdb://"),
        ("sink_url", "postgres://[bad"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize("text", ["1_000", " 5", "+5", "٥", "5.0", "0x10", "", "1e3", "9" * 30])
def test_a_variable_is_a_number_only_in_plain_digits(text: str) -> None:
    with pytest.raises(ConfigError, match="EVENTREPLAY_BATCH_ROWS_MAX in the environment"):
        load_settings(environ={"EVENTREPLAY_BATCH_ROWS_MAX": text})


def test_an_unknown_name_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown setting 'wrokers' in .*Did you mean workers\?"):
        load_settings(file_of(tmp_path, "wrokers = 2"), environ={})
    with pytest.raises(
        ConfigError, match=r"'EVENTREPLAY_LOGURL' in the environment.*Did you mean EVENTREPLAY_LOG_URL\?"
    ):
        load_settings(environ={"EVENTREPLAY_LOGURL": "log"})
    with pytest.raises(
        ConfigError, match=r"Unknown setting 'zzz' among the arguments\. There are: batch_rows_max"
    ):
        load_settings(environ={}, arguments={"zzz": 1})


def test_variables_of_others_are_let_be(tmp_path: Path) -> None:
    others = {
        "EVENTREPLAY_DEBUG": "1",
        "EVENTREPLAY_DUCKDB_PATH": "x.duckdb",
        "PATH": "/bin",
        "eventreplay_workers": "x",
    }
    assert load_settings(file_of(tmp_path, ""), environ=others) == Settings()


@pytest.mark.parametrize(
    "url",
    [
        f"postgres://ada:{PASSWORD}@db/journal",
        f"snowflake://account/db?user=ada&password={PASSWORD}",
        f"s3://{PASSWORD}@bucket/prefix",
        f"snowflake://account/db?Token={PASSWORD}",
    ],
)
@pytest.mark.parametrize("name", ["log_url", "sink_url"])
def test_a_url_with_a_password_is_refused_and_not_shown(name: str, url: str) -> None:
    with pytest.raises(ConfigError, match="without a user name or password") as caught:
        load_settings(environ={f"EVENTREPLAY_{name.upper()}": url})
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in str(caught.value.fields)


def test_a_text_that_may_be_a_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError, match="not shown") as caught:
        load_settings(environ={"EVENTREPLAY_PARTITION": f"amqp://ada:{PASSWORD}@broker"})
    assert PASSWORD not in repr(caught.value.fields) + str(caught.value)


@given(st.text(st.sampled_from("abz019._-A/é "), max_size=66))
def test_a_partition_is_allowed_here_exactly_when_the_log_allows_it(name: str) -> None:
    assert _RULES["partition"].fits(name) == valid_partition(name)


def test_settings_do_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().workers = 2  # type: ignore[misc] # that is the point
