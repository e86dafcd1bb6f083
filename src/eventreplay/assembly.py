"""Puts together what a text names: a source, a sink, a codec. For whoever starts the verbs by names.

Where the settings of an end come from is the caller's to say (`Given`): files and variables for the command
line, connections for a scheduler.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from attrs import frozen

from eventreplay import registry
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import codec_for
from eventreplay.config import Settings, has_settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec, QueueSource, Sink, Source, SupportsTypes
from eventreplay.secret import Secret

FILES = "files"
"""The source that a plain path means."""


class Given(Protocol):
    """What is given for an end beside its name and place.

    Attributes:
        options: `NAME=VALUE` each.
    """

    @property
    def options(self) -> Iterable[str]: ...

    def settings(self, name: str, cls: type, place: str | None) -> object:
        """The settings of the end `name`: an instance of `cls`, made with the options too."""

    def refuse(self, name: str) -> None:
        """Raise if something is given for `name`, an end that takes nothing but its options."""


@frozen
class Maker:
    """How a source is made; `make` may be called again, after an error. `settings`: None if it has none."""

    name: str
    target: Callable[..., Source | QueueSource]
    make: Callable[[], Source | QueueSource]
    settings: object | None = None

    def is_queue(self) -> bool:
        """Whether it delivers instead of being read; a function is called once to see what it makes."""
        if inspect.isclass(self.target):
            return hasattr(self.target, "receive")
        made = self.make()
        try:
            return hasattr(made, "receive")
        finally:
            made.close()


def source_maker(spec: str, given: Given, *, exists: Callable[[str], bool] | None = None) -> Maker:
    """What makes the source that `spec` means: `NAME:PLACE`, the `NAME` of a source, or a path of files.

    Args:
        spec: as typed.
        given: its settings; its options are settings, or arguments of its class by its annotations.
        exists: whether a path is there; the file system is asked unless it is given.

    Raises:
        ConfigError: it means none, or what was given does not fit it.
    """
    name, place = source_named(spec, exists=exists)
    target = registry.load("source", name)
    settings_class = has_settings(target)
    if settings_class is not None:
        # Read once: what a run is told does not change under it.
        settings = given.settings(name, settings_class, place)
        return Maker(name, target, partial(target, settings), settings)
    given.refuse(name)
    places = [] if place is None else [place]
    arguments = _arguments(name, target, given.options)

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


def source_named(spec: str, *, exists: Callable[[str], bool] | None = None) -> tuple[str, str | None]:
    """Name and place of the source that `spec` means; nothing is imported for it.

    Raises:
        ConfigError: it means none.
    """
    known = {plugin.name for plugin in registry.plugins(probe=False) if plugin.kind == "source"}
    name, colon, place = spec.partition(":")
    if colon and name in known:
        return name, place
    is_path = (exists or _is_path)(spec)
    if spec in known and not is_path:
        return spec, None
    if is_path or re.search(r"[/*?\[]", spec):
        return FILES, spec
    raise ConfigError(
        f"{spec!r} is neither a path nor the name of a source.",
        hint=f"Installed sources: {', '.join(sorted(known)) or 'none'}; give a path, NAME or NAME:PLACE.",
    )


def _is_path(text: str) -> bool:
    return Path(text).exists()


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


def sink_of(url: str, given: Given, clock: Callable[[], datetime]) -> Sink:
    """The sink at `url`; made of its settings or its place, and the clock for its timestamps.

    Raises:
        ConfigError: there is no such sink, or what was given does not fit it.
    """
    name, target, place = sink_target(url)
    settings_class = has_settings(target)
    if settings_class is not None:
        return target(given.settings(name, settings_class, place or None), clock=clock)
    given.refuse(name)
    if not place:
        raise ConfigError(f"{name}:// names no place.", hint=f"Write {name}:///PLACE.", sink=name)
    return target(place, **_arguments(name, target, given.options), clock=clock)


def sink_target(url: str) -> tuple[str, Callable[..., Sink], str]:
    """Name, class and place of a sink, as its URL has them."""
    name, _, _ = url.partition("://")
    return name, registry.load("sink", name), place_of(url)


def dbt_environment(url: str, given: Given) -> Mapping[str, str | Secret]:
    """What dbt's profile reads to reach the warehouse at `url`; secrets in it do not print.

    Raises:
        ConfigError: dbt is not known to run there, or what was given does not fit it.
    """
    name, target, place = sink_target(url)
    environment = getattr(target, "dbt_environment", None)
    if environment is None:
        raise ConfigError(f"dbt is not known to run on {name}.", hint="It runs on duckdb and snowflake.")
    settings_class = has_settings(target)
    told = place if settings_class is None else given.settings(name, settings_class, place or None)
    found: Mapping[str, str | Secret] = environment(told)
    return found


def place_of(url: str) -> str:
    """What follows `name:///`; `duckdb:////a/w.duckdb` is absolute, `duckdb:///w.duckdb` is relative."""
    return url.partition("://")[2].removeprefix("/")


def codec_of(schemas: str | None, settings: Settings) -> Codec:
    """The codec for the schemas called `schemas`; None: for those installed, if there is one set only.

    Raises:
        ConfigError: none was named and several are installed; which were meant is not guessed, because
            the choice decides what is quarantined.
    """
    codec: Codec = codec_for(registry.load("schema", schemas_named(schemas))(), limits_of(settings))
    return codec


def schemas_named(schemas: str | None) -> str:
    """The name of the schemas that `codec_of` takes.

    Raises:
        ConfigError: as for `codec_of`.
    """
    if schemas is None:
        installed = [plugin.name for plugin in registry.plugins(probe=False) if plugin.kind == "schema"]
        if len(installed) != 1:
            raise ConfigError(
                f"{len(installed)} sets of schemas are installed, and none was named.",
                hint=f"Name one with --schemas: {', '.join(installed) or 'install one first'}.",
                installed=installed,
            )
        return str(installed[0])
    return schemas


def types_of(codec: Codec) -> dict[str, str]:
    """The fingerprint of each event type, for receipts; empty for a codec that cannot tell them apart."""
    return dict(sorted(codec.type_fingerprints().items())) if isinstance(codec, SupportsTypes) else {}


def limits_of(settings: Settings) -> Limits:
    """Bounds on one payload, as the settings have them."""
    return Limits(
        payload_bytes_max=settings.decode_payload_bytes_max,
        nesting_levels_max=settings.decode_nesting_levels_max,
        elements_max=settings.decode_elements_max,
        number_digits_max=settings.decode_number_digits_max,
    )
