"""`doctor` and the commands of single ends: what is found is told, side by side, and no secret with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import frozen

from eventreplay import registry
from eventreplay.cli.jobs import folder_check
from eventreplay.errors import ConfigError, SourceUnavailableError, UnknownPluginError
from eventreplay.finding import Finding
from eventreplay.secret import Secret

Run = Callable[..., tuple[int, str, str]]
MARKER = "hunter2-marker"
GOOD = Finding(name="reachable", ok=True, detail="It answers.")
BAD = Finding(
    name="SELECT on events", ok=False, detail="It is not granted.", hint="GRANT SELECT ON events TO x;"
)
ADVICE = Finding(name="version", ok=False, detail="It is old.", hint="Update it.", required=False)


@frozen(kw_only=True)
class EndSettings:
    """Settings of an end."""

    ENVIRONMENT: ClassVar[Mapping[str, str]] = {"host": "END_HOST", "password": "END_PASSWORD"}
    PLACE: ClassVar[str] = "table"

    host: str = "localhost"
    password: Secret | None = None
    table: str = "events"

    def __attrs_post_init__(self) -> None:
        if self.host == "wrong":
            raise ConfigError("The host is wrong.", hint="Give another.", setting="host")


Checks = dict[str, Callable[[EndSettings], list[Finding]]]


@pytest.fixture
def checks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Checks:
    """What the check of each end does; ends `alpha` and `beta` are registered, `gone` lacks its driver."""
    assert folder.is_dir()
    found: Checks = {"alpha": lambda _: [GOOD], "beta": lambda _: [GOOD]}
    registered: tuple[tuple[registry.Kind, str], ...] = (
        ("source", "alpha"),
        ("sink", "beta"),
        ("source", "gone"),
        ("sink", "duckdb"),
    )
    plugins = [
        registry.Plugin(kind=kind, name=name, target="x:y", distribution="d", version="1")
        for kind, name in registered
    ]
    monkeypatch.setattr(registry, "plugins", lambda **_: plugins)

    def load(_kind: str, name: str) -> Any:
        if name == "gone":
            raise UnknownPluginError(
                "The source 'gone' needs x, which is not installed.", hint="pip install x"
            )
        if name == "duckdb":
            return lambda *_: None
        return type(name, (), {"Settings": EndSettings, "check": staticmethod(found[name])})

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr("eventreplay.config.core.sections", lambda: {"alpha", "beta", "gone"})
    return found


def ends(out: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(out)["ends"]}


@pytest.mark.usefixtures("checks")
def test_without_any_end_the_log_and_the_sink_are_looked_at(run: Run, folder: Path) -> None:
    code, out, _ = run("doctor", "--json")
    assert code == 0
    assert list(ends(out)) == ["python", "log", "duckdb"]
    assert json.loads(out)["ok"] is True
    assert list(folder.iterdir()) == []


def test_every_end_with_settings_is_looked_at(
    run: Run, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks["beta"] = lambda _: [GOOD, BAD, ADVICE]
    Path("eventreplay.toml").write_text('[alpha]\ntable = "orders"\n')
    monkeypatch.setenv("EVENTREPLAY_BETA_PASSWORD", MARKER)
    code, out, err = run("doctor", "--json")
    found = ends(out)
    assert code == 1
    assert MARKER not in out + err
    assert found["alpha"]["ok"] is True
    assert found["alpha"]["settings"] == {"table": "table in [alpha] of eventreplay.toml"}
    assert [each["state"] for each in found["beta"]["findings"]] == ["ok", "missing", "advice"]
    assert "gone" not in found
    code, out, err = run("doctor")
    assert code == 1
    assert "GRANT SELECT ON events TO x;" in out
    assert "password from EVENTREPLAY_BETA_PASSWORD in the environment" in out
    assert MARKER not in out + err


def test_advice_alone_is_no_failure(run: Run, checks: Checks) -> None:
    checks["alpha"] = lambda _: [ADVICE]
    code, out, _ = run("doctor", "alpha")
    assert code == 0
    assert "advice" in out


def test_a_usual_variable_makes_an_end_configured(
    run: Run, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(checks) == {"alpha", "beta"}
    monkeypatch.setenv("END_HOST", "h")
    assert {"alpha", "beta"} <= set(ends(run("doctor", "--json")[1]))


def test_a_place_reaches_the_settings(run: Run, checks: Checks) -> None:
    seen: list[str] = []

    def look(settings: EndSettings) -> list[Finding]:
        seen.append(settings.table)
        return [GOOD]

    checks["alpha"] = checks["beta"] = look
    assert run("doctor", "alpha:orders", "beta://SHOP")[0] == 0
    assert sorted(seen) == ["SHOP", "orders"]


def test_errors_of_ends_are_findings(run: Run, checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: EndSettings) -> list[Finding]:
        raise SourceUnavailableError("It is away.", hint="Start it.")

    def broken(_: EndSettings) -> list[Finding]:
        raise RuntimeError(MARKER)

    checks |= {"alpha": unreachable, "beta": broken}
    code, out, err = run("doctor", "alpha", "beta", "gone", "--json")
    found = {name: each["findings"][-1] for name, each in ends(out).items()}
    assert code == 1
    assert (found["alpha"]["detail"], found["alpha"]["hint"]) == ("It is away.", "Start it.")
    assert found["beta"]["detail"] == "ended with an unexpected RuntimeError"
    assert found["gone"]["hint"] == "pip install x"
    assert MARKER not in out + err
    monkeypatch.setenv("END_HOST", "wrong")
    code, out, _ = run("doctor", "alpha", "--json")
    assert code == 1
    assert "It comes from END_HOST in the environment." in ends(out)["alpha"]["findings"][0]["detail"]


def test_ends_that_do_not_answer_take_bounded_time_together(run: Run, checks: Checks) -> None:
    over = threading.Event()

    def hang(_: EndSettings) -> list[Finding]:
        over.wait(30)
        return [GOOD]

    checks["alpha"] = checks["beta"] = hang
    try:
        code, out, _ = run("doctor", "alpha", "beta", "--within", "200ms", "--json")
    finally:
        over.set()
    assert code == 1
    assert [ends(out)[name]["findings"][0]["detail"] for name in ("alpha", "beta")] == [
        "no answer within 0.2 s"
    ] * 2


def test_both_are_looked_at_side_by_side(run: Run, checks: Checks) -> None:
    met = threading.Barrier(2, timeout=20)

    def look(_: EndSettings) -> list[Finding]:
        met.wait()
        return [GOOD]

    checks["alpha"] = checks["beta"] = look
    assert run("doctor", "alpha", "beta")[0] == 0


@pytest.mark.usefixtures("checks")
def test_an_unknown_end_is_named(run: Run) -> None:
    code, _, err = run("doctor", "alhpa")
    assert code == 2
    assert "alpha, beta" in err


@pytest.mark.usefixtures("checks")
def test_a_log_that_cannot_be_written_is_found(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("")
    code, out, _ = run("doctor", "log", "--log", "file", "--json")
    assert code == 1
    assert any(not each["ok"] for each in ends(out)["log"]["findings"])
    monkeypatch.setattr(folder_check, "FREE_BYTES_MIN", 1 << 80)
    code, out, _ = run("doctor", "log", "--json")
    assert code == 0
    assert [each["state"] for each in ends(out)["log"]["findings"]] == ["ok", "ok", "advice"]


def test_the_commands_of_ends_use_their_classes(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[EndSettings] = []
    target = type("End", (), {"Settings": EndSettings, "check": lambda _: [BAD], "init": made.append})
    monkeypatch.setattr(registry, "load", lambda _kind, _name: target)
    assert folder.is_dir()
    assert run("snowflake", "init", "SHOP", "-o", "host=h")[0] == 0
    assert made == [EndSettings(host="h", table="SHOP")]
    code, out, _ = run("postgres", "check", "--json")
    assert code == 1
    assert list(ends(out)) == ["postgres"]
    assert run("snowflake", "check")[0] == 1
    assert run("snowflake", "init", "-o", "password=x")[0] == 2
