"""Settings of an end come from everywhere under one name; none that may be secret is ever shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from attrs import frozen

from eventreplay.config import gather, is_configured, load_settings, plugin_settings
from eventreplay.config import plugin as plugin_module
from eventreplay.config.sections import sections
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret

MARKER = "hunter2-marker"


@frozen(kw_only=True)
class EndSettings:
    """Every type of field that an end may have."""

    ENVIRONMENT: ClassVar[Mapping[str, str]] = {"host": "END_HOST", "password": "END_PASSWORD"}
    PLACE: ClassVar[str] = "table"

    host: str
    port: int = 5432
    timeout_s: float = 10.0
    is_strict: bool = True
    password: Secret | None = None
    table: str = "events"
    columns: tuple[str, ...] = ()
    parameters: Mapping[str, str] = {}
    mode: Literal["fast", "safe"] = "safe"
    schema_name: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.port < 1:
            raise ConfigError("The port is too low.", hint="Ports begin at 1.", setting="port")
        if not self.columns and self.mode == "fast":
            raise ConfigError("Fast needs columns.", hint="Name them.", setting="columns")


File = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Writes a settings file."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return path

    return write


def made(**given: Any) -> EndSettings:
    given.setdefault("environ", {})
    found = plugin_settings("end", EndSettings, **given)
    assert isinstance(found, EndSettings)
    return found


def refused(**given: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        made(**given)
    assert MARKER not in str(caught.value)
    assert MARKER not in repr(caught.value.fields)
    return caught.value


def test_every_type_comes_from_a_file(file: File) -> None:
    path = file(
        '[end]\nhost = "h"\nport = 1\ntimeout_s = 2\nis_strict = false\npassword = "p"\ntable = "t"\n'
        'columns = ["a", "b"]\nparameters = {x = "y"}\nmode = "fast"\nschema_name = "s"\n'
    )
    expected = EndSettings(
        host="h",
        port=1,
        timeout_s=2.0,
        is_strict=False,
        password=Secret("p"),
        table="t",
        columns=("a", "b"),
        parameters={"x": "y"},
        mode="fast",
        schema_name="s",
    )
    assert made(file=path) == expected


def test_every_type_comes_from_variables_and_from_options(file: File) -> None:
    texts = {
        "host": "h",
        "port": "1",
        "timeout_s": "2.5",
        "is_strict": "FALSE",
        "table": "t",
        "columns": "a, b",
        "parameters": "x=y=z, v=w",
        "mode": "fast",
        "schema_name": "s",
    }
    expected = EndSettings(
        host="h",
        port=1,
        timeout_s=2.5,
        is_strict=False,
        table="t",
        columns=("a", "b"),
        parameters={"x": "y=z", "v": "w"},
        mode="fast",
        schema_name="s",
    )
    environ = {f"EVENTREPLAY_END_{name.upper()}": text for name, text in texts.items()}
    assert made(file=file(""), environ=environ) == expected
    assert made(file=file(""), options=[f"{name}={text}" for name, text in texts.items()]) == expected


def test_the_stronger_place_wins_and_is_named(file: File) -> None:
    steps: list[tuple[dict[str, Any], str, str]] = []
    given: dict[str, Any] = {"file": file(""), "environ": {"END_HOST": "usual"}}
    steps.append((dict(given), "usual", "END_HOST in the environment"))
    given["file"] = path = file('[end]\nhost = "section"\n')
    steps.append((dict(given), "section", f"host in [end] of {path}"))
    given["environ"] = {"END_HOST": "usual", "EVENTREPLAY_END_HOST": "ours"}
    steps.append((dict(given), "ours", "EVENTREPLAY_END_HOST in the environment"))
    given["options"] = ["host=option"]
    steps.append((dict(given), "option", "the option host"))
    for step, value, origin in steps[1:]:
        gathered = gather("end", EndSettings, **step)
        assert (gathered.values["host"], gathered.origins["host"]) == (value, origin)
    first = gather("end", EndSettings, file("# nothing\n"), {"END_HOST": "usual"})
    assert (first.values["host"], first.origins["host"]) == ("usual", "END_HOST in the environment")


def test_a_variable_set_to_nothing_is_not_set(file: File) -> None:
    assert refused(file=file(""), environ={"END_HOST": ""}).fields["setting"] == "host"


def test_what_is_missing_is_named_with_where_to_give_it(file: File) -> None:
    error = refused(file=file(""))
    assert "lack host" in str(error)
    assert "EVENTREPLAY_END_HOST, END_HOST" in error.hint
    assert "[end]" in error.hint


def test_the_place_goes_where_the_class_says(file: File) -> None:
    assert made(file=file(""), options=["host=h"], place="orders").table == "orders"
    error = refused(file=file(""), options=["host=h", "table=a", "table=b"])
    assert "given twice" in str(error)


def test_what_the_class_refuses_is_told_with_where_it_came_from(file: File) -> None:
    error = refused(file=file('[end]\nhost = "h"\nport = 0\n'))
    assert error.message.startswith("The port is too low. It comes from port in [end] of ")
    assert error.hint == "Ports begin at 1."
    error = refused(file=file(""), options=["host=h", "mode=fast"])
    assert "EVENTREPLAY_END_COLUMNS" in error.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"options": ["hots=h"]}, "Did you mean host?"),
        ({"environ": {"EVENTREPLAY_END_HOTS": MARKER}}, "Did you mean EVENTREPLAY_END_HOST?"),
        ({"text": f'[end]\nhots = "{MARKER}"\n'}, "Did you mean host?"),
        ({"options": [MARKER]}, "without '='"),
        ({"options": [f"port={MARKER}"]}, "port takes a whole number"),
        ({"options": ["port=1_000"]}, "port takes a whole number"),
        ({"options": [f"is_strict={MARKER}"]}, "is_strict takes true or false"),
        ({"options": [f"mode={MARKER}"]}, "mode takes one of fast, safe"),
        ({"options": [f"timeout_s={MARKER}"]}, "timeout_s takes a number"),
        ({"options": [f"parameters={MARKER}"]}, "parameters takes NAME=TEXT pairs"),
        ({"text": "[end]\nport = true\n"}, "port takes a whole number"),
        ({"text": f'[end]\nport = "{MARKER}"\n'}, "port takes a whole number"),
        ({"text": "[end]\nhost = 7\n"}, "host takes a text"),
        ({"text": "[end]\npassword = 7\n"}, "password takes a text"),
        ({"text": "[end]\npassword_file = 7\n"}, "password takes the path of a file"),
        ({"text": '[end]\ncolumns = "a"\n'}, "columns takes a list of texts"),
        ({"text": "[end]\nparameters = {a = 1}\n"}, "parameters takes a table of texts"),
        ({"text": '[end]\npassword = ""\n'}, "a text that is not empty"),
        ({"environ": {"EVENTREPLAY_END_PASSWORD": ""}}, "a text that is not empty"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_value(file: File, given: dict[str, Any], said: str) -> None:
    text = given.pop("text", "")
    assert said in str(refused(file=file(text), **given))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_secret_in_a_file_that_others_can_open_is_refused(file: File, mode: int) -> None:
    text = f'[end]\nhost = "h"\npassword = "{MARKER}"\n'
    error = refused(file=file(text, mode))
    assert f"chmod 600 {file(text)}" in error.hint
    assert made(file=file(text)).password == Secret(MARKER)
    assert made(file=file('[end]\nhost = "h"\n', mode)).host == "h"


def test_a_secret_on_the_command_line_is_refused(file: File) -> None:
    error = refused(file=file(""), options=["host=h", f"password={MARKER}"])
    assert "everybody on this machine can see a command line" in str(error)
    assert "EVENTREPLAY_END_PASSWORD" in error.hint


@pytest.mark.parametrize("place", ["section", "ours", "usual", "option"])
def test_a_secret_may_stand_in_a_file_of_its_own(file: File, tmp_path: Path, place: str) -> None:
    (tmp_path / "secret").write_text(MARKER + "\n")
    path = tmp_path / "secret"
    text = f'[end]\nhost = "h"\npassword_file = "{path}"\n' if place == "section" else '[end]\nhost = "h"\n'
    variables = {
        "ours": {"EVENTREPLAY_END_PASSWORD_FILE": str(path)},
        "usual": {"END_PASSWORD_FILE": str(path)},
    }
    options = [f"password_file={path}"] if place == "option" else []
    found = made(file=file(text, 0o644), environ=variables.get(place, {}), options=options)
    assert found.password == Secret(MARKER)
    assert MARKER not in repr(found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * (plugin_module.SECRET_FILE_BYTES_MAX + 1), "larger than"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused(
    file: File, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / MARKER
    if content is not None:
        path.write_bytes(content)
    error = refused(file=file(""), options=["host=h", f"password_file={path}"])
    assert said in str(error)
    assert "the option password_file" in error.hint


def test_a_secret_and_its_file_at_once_are_refused(file: File) -> None:
    environ = {"EVENTREPLAY_END_PASSWORD": MARKER, "EVENTREPLAY_END_PASSWORD_FILE": "f"}
    assert "given twice" in str(refused(file=file(""), environ={**environ, "END_HOST": "h"}))


def test_nothing_gathered_shows_a_value(file: File) -> None:
    gathered = gather("end", EndSettings, file(""), {"END_PASSWORD": MARKER, "END_HOST": MARKER})
    assert MARKER not in repr(gathered)
    assert gathered.origins == {
        "host": "END_HOST in the environment",
        "password": "END_PASSWORD in the environment",
    }


def test_whether_an_end_is_configured(file: File) -> None:
    nothing = file("")
    assert not is_configured("end", EndSettings, nothing, {"END_HOST": ""})
    assert is_configured("end", EndSettings, nothing, {"END_HOST": "h"})
    assert is_configured("end", None, nothing, {"EVENTREPLAY_END_X": "h"})
    assert is_configured("end", None, file("[end]\n"), {})


def test_sections_are_the_registered_ends_and_the_store_of_the_log() -> None:
    assert {"postgres", "rabbitmq", "snowflake", "s3", "files", "duckdb"} <= sections()
    assert "json" not in sections()


def test_the_settings_of_a_run_leave_those_of_ends_alone(file: File) -> None:
    environ = {
        "EVENTREPLAY_POSTGRES_HOST": "h",
        "EVENTREPLAY_TEST_POSTGRES_URL": "u",
        "EVENTREPLAY_WORKERS": "3",
    }
    assert load_settings(file('[postgres]\nhost = "h"\n[s3]\n'), environ=environ).workers == 3


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("[postgress]\n", {}, "Unknown section 'postgress' .*Did you mean postgres?"),
        ("[workers]\n", {}, "workers in .* is a dict"),
        ("postgres = 1\n", {}, "Unknown setting 'postgres'"),
        ("", {"EVENTREPLAY_POSTGRES": "x"}, "Unknown setting 'EVENTREPLAY_POSTGRES'"),
        ("", {"EVENTREPLAY_POSTGRESS_HOST": "x"}, "Unknown setting 'EVENTREPLAY_POSTGRESS_HOST'"),
    ],
)
def test_a_misspelt_section_is_an_error(file: File, text: str, environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings(file(text), environ=environ)
