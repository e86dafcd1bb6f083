"""What a command names becomes an object; a secret in an option is never shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from eventreplay import registry
from eventreplay.assembly import codec_of, place_of
from eventreplay.cli.jobs import assembly
from eventreplay.config import Settings
from eventreplay.errors import ConfigError


@frozen(kw_only=True)
class _Journal:
    """A source by its arguments only."""

    dsn: str = ""
    table: str = "events"
    rows_max: int | None = None
    ratio: float = 1.0
    is_strict: bool = False
    folder: Path | None = None


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered source called `journal`."""
    plugin = registry.Plugin(kind="source", name="journal", target="x:y", distribution="d", version="1")
    monkeypatch.setattr(registry, "plugins", lambda **_: [plugin])
    monkeypatch.setattr(registry, "load", lambda _kind, _name: _Journal)


@pytest.mark.usefixtures("journal")
def test_options_take_the_types_of_the_class() -> None:
    options = ["dsn=a=b", "rows_max=12", "ratio=0.5", "is_strict=TRUE"]
    made: object = assembly.source_of("journal", options)
    assert made == _Journal(dsn="a=b", rows_max=12, ratio=0.5, is_strict=True)


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    "option",
    ["rows_max=s3cr3t", "ratio=s3cr3t", "is_strict=s3cr3t", "password=s3cr3t", "s3cr3t", "rows_max=1_0"],
)
def test_a_wrong_option_is_refused_without_its_value(option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assembly.source_of("journal", [option])
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.usefixtures("journal")
def test_a_place_that_the_class_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"It takes: dsn, table"):
        assembly.source_of("journal:somewhere", [])


def test_a_path_wins_over_the_name_of_a_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, tuple[object, ...]]] = []

    def load(_kind: str, name: str) -> Callable[..., object]:
        def make(*places: object) -> None:
            made.append((name, places))

        return make

    monkeypatch.setattr(registry, "load", load)
    (folder / "files").mkdir()
    for spec in ("files", "files:elsewhere", "a/*.jsonl"):
        assembly.source_of(spec, [])
    assert made == [("files", ("files",)), ("files", ("elsewhere",)), ("files", ("a/*.jsonl",))]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("duckdb:///w.duckdb", "w.duckdb"),
        ("duckdb:///a/w.duckdb", "a/w.duckdb"),
        ("duckdb:////a/w.duckdb", "/a/w.duckdb"),
    ],
)
def test_places_of_sinks(url: str, place: str) -> None:
    assert place_of(url) == place


def test_schemas_are_not_guessed_among_several(monkeypatch: pytest.MonkeyPatch) -> None:
    several = [
        registry.Plugin(kind="schema", name=name, target="x:y", distribution="d", version="1")
        for name in ("a", "b")
    ]
    monkeypatch.setattr(registry, "plugins", lambda **_: several)
    with pytest.raises(ConfigError, match="--schemas: a, b"):
        codec_of(None, Settings())


def test_limits_of_the_settings_reach_the_codec() -> None:
    few = codec_of("sportscards", Settings(decode_elements_max=7))
    assert few.fingerprint != codec_of("sportscards", Settings()).fingerprint
