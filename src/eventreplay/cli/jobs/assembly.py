"""What the command line adds to `eventreplay.assembly`: settings from files and variables, and the log."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay import assembly
from eventreplay.config import Gathered, Settings, gather, load_settings, plugin_settings
from eventreplay.config.file import read_file
from eventreplay.config.sections import LOG_STORE
from eventreplay.errors import ConfigError
from eventreplay.interfaces import QueueSource, Sink, Source
from eventreplay.log import Log

S3_SCHEME = "s3://"
DUCKDB = "duckdb"
"""The sink whose tables the command line can look into."""


def settings_of(config: Path | None, **arguments: object) -> Settings:
    """The settings that hold, with what was given on the command line over all else."""
    return load_settings(config, arguments=arguments)


def log_of(url: str | None, config: Path | None) -> Log:
    """The log that the command line or the settings name, whether it is there or not."""
    place = settings_of(config, log_url=url).log_url
    if not place.startswith(S3_SCHEME):
        return Log.open(place)
    given: dict[str, Any] = {"s3": s3_gathered(config).make()}
    return Log.open(place, **given)


def s3_gathered(config: Path | None) -> Gathered:
    """What is given for the log's bucket: the section `[s3]`, its variables, and those usual for AWS."""
    store: Any = importlib.import_module("eventreplay.log.s3")  # an optional driver
    return gather(LOG_STORE, store.S3Settings, config)


def existing_log(url: str | None, config: Path | None) -> Log:
    """A log to read.

    Raises:
        ConfigError: there is none; a misspelt place must not look like an empty log.
    """
    log = log_of(url, config)
    if not log.exists():
        raise no_log(log.url)
    return log


def no_log(url: str) -> ConfigError:
    """There is no log at `url`."""
    return ConfigError(
        f"There is no log at {url}.",
        hint="Name it by --log, log_url in eventreplay.toml or EVENTREPLAY_LOG_URL; a capture begins one.",
        log=url,
    )


@frozen
class Typed:
    """Options as typed, and a settings file; variables count too."""

    options: tuple[str, ...]
    config: Path | None

    def settings(self, name: str, cls: type, place: str | None) -> object:
        """From all their places; see `plugin_settings`."""
        return plugin_settings(name, cls, self.config, None, self.options, place)

    def refuse(self, name: str) -> None:
        """A section of an end that takes no settings would be passed over in silence."""
        found = read_file(self.config)
        if found is not None and isinstance(found.values.get(name), dict):
            raise ConfigError(
                f"{name} takes no settings from a section, and {found.path} has [{name}].",
                hint="Remove the section; give its place on the command line and the rest as -o NAME=VALUE.",
                section=name,
            )


def source_of(
    spec: str,
    options: Iterable[str],
    *,
    config: Path | None = None,
    exists: Callable[[str], bool] | None = None,
) -> Source | QueueSource:
    """The source that `spec` means; see `source_maker`."""
    return source_maker(spec, options, config=config, exists=exists).make()


def source_maker(
    spec: str,
    options: Iterable[str],
    *,
    config: Path | None = None,
    exists: Callable[[str], bool] | None = None,
) -> assembly.Maker:
    """What makes the source that `spec` means; see `eventreplay.assembly`."""
    return assembly.source_maker(spec, Typed(tuple(options), config), exists=exists)


def sink_of(settings: Settings, *, config: Path | None = None, options: Iterable[str] = ()) -> Sink:
    """The sink that `sink_url` names, by the wall clock."""
    return assembly.sink_of(settings.sink_url, Typed(tuple(options), config), lambda: datetime.now(UTC))


def warehouse_file(path: Path | None, config: Path | None) -> Path:
    """The DuckDB file to look into: the one given, or the sink of the settings.

    Raises:
        ConfigError: it is not there, or the sink is another kind of warehouse.
    """
    if path is None:
        url = settings_of(config).sink_url
        if not url.startswith(f"{DUCKDB}://"):
            raise ConfigError(
                "The sink of the settings is not a DuckDB file.", hint="Name one with --warehouse PATH."
            )
        path = Path(assembly.place_of(url))
    if not path.is_file():
        raise ConfigError(
            f"There is no warehouse at {path}.",
            hint="Give its place with --warehouse, or sink_url in eventreplay.toml; a replay makes one.",
            path=str(path),
        )
    return path
