from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from eventreplay import registry
from eventreplay.errors import ConfigError, UnknownPluginError
from eventreplay.registry import KINDS, Plugin, load, plugins


def distribution(
    folder: Path, name: str, entry_points: str, requires: str = "", version: str = "1.2"
) -> None:
    """An installed distribution, as far as its metadata goes."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}", "utf-8"
    )
    (info / "entry_points.txt").write_text(entry_points, "utf-8")


def points(folder: Path) -> list[metadata.EntryPoint]:
    return [point for each in metadata.distributions(path=[str(folder)]) for point in each.entry_points]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for distributions and modules that can be imported during this test."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def module(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("kind", "name", "target"),
    [
        ("source", "files", "eventreplay.sources.files:FileSource"),
        ("sink", "duckdb", "eventreplay.sinks.duckdb:DuckDBSink"),
        ("codec", "json", "eventreplay.codecs.json:JsonCodec"),
        ("codec", "protobuf", "eventreplay.codecs.protobuf:ProtobufCodec"),
        ("schema", "sportscards", "eventreplay.demo.schemas:load"),
    ],
)
def test_the_built_in_ends_are_registered_and_can_be_imported(
    kind: registry.Kind, name: str, target: str
) -> None:
    found = [plugin for plugin in plugins() if (plugin.kind, plugin.name) == (kind, name)]
    assert found == [
        Plugin(
            kind=kind,
            name=name,
            target=target,
            distribution="eventreplay",
            version=metadata.version("eventreplay"),
            problem=None,
        )
    ]
    assert callable(load(kind, name))


def test_a_name_is_imported_only_when_it_is_asked_for(folder: Path) -> None:
    module(folder, "acme_plugin", "class AcmeSink: ...\n")
    distribution(folder, "acme", "[eventreplay.sinks]\nacme = acme_plugin:AcmeSink\n")
    listed = plugins(points(folder), probe=False)
    assert [plugin.name for plugin in listed] == ["acme"]
    assert "acme_plugin" not in sys.modules
    assert load("sink", "acme", points(folder)).__name__ == "AcmeSink"
    assert "acme_plugin" in sys.modules
    del sys.modules["acme_plugin"]


def test_an_unknown_name_says_what_there_is(folder: Path) -> None:
    distribution(
        folder, "acme", "[eventreplay.sinks]\nduckdb = a:B\nacme = a:B\n[eventreplay.codecs]\navro = a:B\n"
    )
    with pytest.raises(UnknownPluginError) as caught:
        load("sink", "duckbd", points(folder))
    assert str(caught.value) == (
        "No sink is called 'duckbd'; installed: acme, duckdb. Did you mean 'duckdb'? "
        "A distribution adds one by an entry point in the group eventreplay.sinks."
    )
    assert caught.value.fields["installed"] == ["acme", "duckdb"]
    with pytest.raises(UnknownPluginError, match="No schema is called 'acme'; installed: none"):
        load("schema", "acme", points(folder))


def test_a_missing_driver_is_told_before_anything_is_imported(folder: Path) -> None:
    module(folder, "acme_ends", "raise SystemExit('imported')\n")
    requires = "Provides-Extra: queue\nRequires-Dist: acme-no-such-driver>=2 ; extra == 'queue'\n"
    distribution(folder, "acme", "[eventreplay.sources]\nqueue = acme_ends:Queue\n", requires)
    with pytest.raises(UnknownPluginError) as caught:
        load("source", "queue", points(folder))
    assert str(caught.value) == (
        "The source 'queue' needs acme-no-such-driver, which is not installed. "
        "Install it with: pip install 'acme[queue]'."
    )


def test_a_driver_that_a_platform_does_not_need_is_not_missed(folder: Path) -> None:
    module(folder, "acme_other", "class Queue: ...\n")
    requires = "Requires-Dist: acme-no-such-driver ; sys_platform == 'win32' and extra == 'queue'\n"
    distribution(folder, "acme", "[eventreplay.sources]\nqueue = acme_other:Queue\n", requires)
    assert load("source", "queue", points(folder)).__name__ == "Queue"


def test_a_module_that_is_missing_is_traced_to_the_extra_that_brings_it(folder: Path) -> None:
    module(folder, "acme_pg", "import psycopg2_of_acme.extras\n")
    requires = 'Requires-Dist: psycopg2_of.acme (>=2.9) ; extra == "postgres"\n'
    distribution(folder, "acme", "[eventreplay.sources]\njournal = acme_pg:Journal\n", requires)
    with pytest.raises(UnknownPluginError, match=r"needs the module psycopg2_of_acme.*acme\[postgres\]"):
        load("source", "journal", points(folder))


def test_the_names_of_drivers_lead_to_our_own_extras() -> None:
    sink = next(point for point in metadata.entry_points(group="eventreplay.sinks", name="duckdb"))
    for name, extra in [
        ("duckdb", "duckdb"),
        ("pika", "amqp"),
        ("psycopg2.extras", "postgres"),
        ("boto3", "s3"),
        ("snowflake.connector", "snowflake"),
        ("vl_convert", "demo"),
    ]:
        assert registry._installing(sink, name) == f"Install it with: pip install 'eventreplay[{extra}]'."
    assert "install it again" in registry._installing(sink, "pyarrow")


def test_one_name_from_two_distributions_is_refused(folder: Path) -> None:
    for name in ("acme", "zenith"):
        distribution(folder, name, "[eventreplay.sinks]\nlake = lake:Lake\n")
    with pytest.raises(ConfigError, match="The sink 'lake' is registered by acme and by zenith"):
        load("sink", "lake", points(folder))


def test_one_distribution_met_twice_counts_once(folder: Path) -> None:
    module(folder, "lake_of_acme", "class Lake: ...\n")
    distribution(folder, "acme", "[eventreplay.sinks]\nlake = lake_of_acme:Lake\n")
    assert load("sink", "lake", points(folder) * 2).__name__ == "Lake"
    assert len(plugins(points(folder) * 2)) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise ValueError('broken ' + 'x' * 1000)\n", "cannot be imported: ValueError: broken xxx"),
        ("Lake = 5\n", "is not a class or function"),
        ("Sea = 5\n", "cannot be imported: AttributeError"),
        ("import acme_no_such_module\n", "needs the module acme_no_such_module"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_problem_and_spoils_no_other(
    folder: Path, text: str, problem: str, request: pytest.FixtureRequest
) -> None:
    broken = f"broken_{abs(hash(request.node.name))}"
    module(folder, broken, text)
    module(folder, f"good_{broken}", "class Lake: ...\n")
    distribution(folder, "acme", f"[eventreplay.sinks]\nlake = {broken}:Lake\ngood = good_{broken}:Lake\n")
    good, bad = plugins(points(folder))
    assert good.problem is None
    assert bad.problem is not None
    assert problem in bad.problem
    assert len(bad.problem) < 600
    with pytest.raises(ConfigError):
        load("sink", "lake", points(folder))


def test_plugins_are_sorted_by_kind_and_name(folder: Path) -> None:
    lines = [f"[eventreplay.{kind}s]\nb = m:B\na = m:A\n" for kind in reversed(KINDS)]
    distribution(folder, "acme", "".join(lines) + "[console_scripts]\nacme = m:main\n")
    listed = [(plugin.kind, plugin.name) for plugin in plugins(points(folder), probe=False)]
    assert listed == [(kind, name) for kind in KINDS for name in ("a", "b")]
    assert plugins(points(folder), probe=False)[0].version == "1.2"


def test_entry_points_may_come_from_an_iterator(folder: Path) -> None:
    distribution(folder, "acme", "[eventreplay.sinks]\nlake = m:L\n[eventreplay.codecs]\navro = m:A\n")
    assert len(plugins(iter(points(folder)), probe=False)) == 2
