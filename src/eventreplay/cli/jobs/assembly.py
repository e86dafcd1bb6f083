"""Puts the parts together that a command names: settings, log, source, sink, codec."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay import registry
from eventreplay.config import Gathered, Settings, gather, has_settings, load_settings, plugin_settings
from eventreplay.config.file import read_file
from eventreplay.config.sections import LOG_STORE
from eventreplay.errors import ConfigError
from eventreplay.interfaces import QueueSource, Sink, Source
from eventreplay.log import Log

S3_SCHEME = "s3://"
FILES, DUCKDB = "files", "duckdb"
"""The source that a plain path means; the sink whose tables the command line can look into."""


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
class Maker:
    """How a source is made; `make` may be called again, after an error."""

    name: str
    target: Callable[..., Source | QueueSource]
    make: Callable[[], Source | QueueSource]

    def is_queue(self) -> bool:
        """Whether it delivers instead of being read; a function is called once to see what it makes."""
        if inspect.isclass(self.target):
            return hasattr(self.target, "receive")
        made = self.make()
        try:
            return hasattr(made, "receive")
        finally:
            made.close()


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
) -> Maker:
    """What makes the source that `spec` means: `NAME:PLACE`, the `NAME` of a source, or a path of files.

    Args:
        spec: as typed.
        options: `NAME=VALUE` each; settings of the source, or arguments of its class by its annotations.
        config: the settings file that holds its section.
        exists: whether a path is there; the file system is asked unless it is given.

    Raises:
        ConfigError: it means none, or what was given does not fit it.
    """
    known = {plugin.name for plugin in registry.plugins(probe=False) if plugin.kind == "source"}
    name, colon, place = spec.partition(":")
    if colon and name in known:
        return _maker(name, [place], options, config)
    is_path = (exists or _is_path)(spec)
    if spec in known and not is_path:
        return _maker(spec, [], options, config)
    if is_path or re.search(r"[/*?\[]", spec):
        return _maker(FILES, [spec], options, config)
    raise ConfigError(
        f"{spec!r} is neither a path nor the name of a source.",
        hint=f"Installed sources: {', '.join(sorted(known)) or 'none'}; give a path, NAME or NAME:PLACE.",
    )


def _is_path(text: str) -> bool:
    return Path(text).exists()


def _maker(name: str, places: list[str], options: Iterable[str], config: Path | None) -> Maker:
    target = registry.load("source", name)
    settings_class = has_settings(target)
    if settings_class is not None:
        place = places[0] if places else None
        # Read once: what a run is told does not change under it.
        settings = plugin_settings(name, settings_class, config, None, options, place)
        return Maker(name, target, partial(target, settings))
    refuse_section(name, config)
    arguments = _arguments(name, target, options)

    def make() -> Source | QueueSource:
        try:
            return target(*places, **arguments)
        except TypeError as error:
            raise ConfigError(
                f"The source {name!r} cannot be made from what was given.",
                hint=f"It takes: {_takes(target)}. Give a place as {name}:PLACE, the rest as -o NAME=VALUE.",
                source=name,
            ) from error

    return Maker(name, target, make)


def refuse_section(name: str, config: Path | None) -> None:
    """A section of an end that takes no settings would be passed over in silence."""
    found = read_file(config)
    if found is not None and isinstance(found.values.get(name), dict):
        raise ConfigError(
            f"{name} takes no settings from a section, and {found.path} has [{name}].",
            hint="Remove the section; give its place on the command line and the rest as -o NAME=VALUE.",
            section=name,
        )


def _takes(make: Callable[..., object]) -> str:
    return ", ".join(inspect.signature(make).parameters) or "nothing"


def _arguments(name: str, make: Callable[..., object], options: Iterable[str]) -> dict[str, object]:
    """`NAME=VALUE` as arguments; a value may be a secret, so no message shows one."""
    hints = _hints(make)
    parameters = inspect.signature(make).parameters
    arguments: dict[str, object] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or key not in parameters:
            what = f"{key!r}" if equals else "An option without '='"
            raise ConfigError(
                f"{what} is no option of {name!r}.",
                hint=f"Write NAME=VALUE; it takes: {_takes(make)}.",
                source=name,
            )
        arguments[key] = _value(key, text, hints.get(key))
    return arguments


def _hints(make: Callable[..., object]) -> Mapping[str, object]:
    target = make.__init__ if inspect.isclass(make) else make
    try:
        return typing.get_type_hints(target)
    except NameError:
        # Annotations that exist for type checkers only: the values stay text.
        return {}


def _value(key: str, text: str, hint: object) -> object:
    kinds = {hint, *typing.get_args(hint)}
    if bool in kinds:
        if text.lower() not in {"true", "false"}:
            raise ConfigError(f"The option {key} is neither true nor false.", hint="Write true or false.")
        return text.lower() == "true"
    for kind, form, meant in (
        (int, r"-?[0-9]{1,18}", "a whole number"),
        (float, r"-?[0-9]{1,15}(\.[0-9]{1,15})?", "a number"),
    ):
        if kind in kinds:
            if not re.fullmatch(form, text):
                raise ConfigError(f"The option {key} is not {meant}.", hint="Digits only, such as 100.")
            return kind(text)
    return text


def sink_of(
    settings: Settings,
    now: Callable[[], datetime],
    *,
    config: Path | None = None,
    options: Iterable[str] = (),
) -> Sink:
    """The sink that `sink_url` names; made of its settings or its place, and the clock for its timestamps.

    Raises:
        ConfigError: there is no such sink, or what was given does not fit it.
    """
    name, target, place = sink_target(settings.sink_url)
    settings_class = has_settings(target)
    if settings_class is not None:
        return target(plugin_settings(name, settings_class, config, None, options, place or None), clock=now)
    refuse_section(name, config)
    if not place:
        raise ConfigError(f"{name}:// names no place.", hint=f"Write {name}:///PLACE.", sink=name)
    return target(place, **_arguments(name, target, options), clock=now)


def sink_target(url: str) -> tuple[str, Callable[..., Sink], str]:
    """Name, class and place of a sink, as its URL has them."""
    name, _, _ = url.partition("://")
    return name, registry.load("sink", name), place_of(url)


def place_of(url: str) -> str:
    """What follows `name:///`; `duckdb:////a/w.duckdb` is absolute, `duckdb:///w.duckdb` is relative."""
    return url.partition("://")[2].removeprefix("/")


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
        path = Path(place_of(url))
    if not path.is_file():
        raise ConfigError(
            f"There is no warehouse at {path}.",
            hint="Give its place with --warehouse, or sink_url in eventreplay.toml; a replay makes one.",
            path=str(path),
        )
    return path
