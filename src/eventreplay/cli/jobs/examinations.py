"""What `doctor` looks at: which ends there are, and how each of them is examined."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from attrs import field, frozen

from eventreplay import registry
from eventreplay.assembly import place_of
from eventreplay.cli.jobs import assembly, folder_check
from eventreplay.config import Settings, gather, has_settings, is_configured
from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.finding import Finding

LOG = "log"
DRIVERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "postgres": ("postgres", ("psycopg2-binary", "adbc-driver-postgresql")),
    "rabbitmq": ("amqp", ("pika",)),
    "s3": ("s3", ("boto3", "obstore")),
    "snowflake": ("snowflake", ("snowflake-connector-python",)),
    "duckdb": ("duckdb", ("duckdb",)),
}
"""By end: the extra that brings its drivers, and their distributions."""


@frozen(kw_only=True)
class Examination:
    """One end to be looked at.

    Attributes:
        name: what it is called in the table.
        kind: log, source or sink; `python` for this installation.
        look: finds; may block, and may raise an error of ours.
        origins: where its settings came from, by field.
    """

    name: str
    kind: str
    look: Callable[[], list[Finding]]
    origins: Mapping[str, str] = field(factory=dict)


def examinations(ends: list[str], settings: Settings, config: Path | None) -> Iterator[Examination]:
    """Those that were named; else the log, the sink, and all ends that have settings.

    Raises:
        ConfigError: a name is that of no end.
    """
    known: set[tuple[str, str]] = {
        (plugin.kind, plugin.name)
        for plugin in registry.plugins(probe=False)
        if plugin.kind in {"source", "sink"}
    }
    yield Examination(name="python", kind="python", look=_python)
    if ends:
        for end in ends:
            yield _named(end, known, settings, config)
        return
    yield _log(settings, config)
    sink_name = settings.sink_url.partition("://")[0]
    yield _end("sink", sink_name, place_of(settings.sink_url), config)
    for kind, name in sorted(known):
        if (kind, name) != ("sink", sink_name) and _is_configured(kind, name, config):
            yield _end(kind, name, None, config)


def _is_configured(kind: str, name: str, config: Path | None) -> bool:
    try:
        cls = has_settings(registry.load(kind, name))  # type: ignore[call-overload] # by name
    except ConfigError:
        # Its driver is not there: what its examination says matters only to who wants it.
        return is_configured(name, None, config)
    return cls is not None and is_configured(name, cls, config)


def _named(end: str, known: set[tuple[str, str]], settings: Settings, config: Path | None) -> Examination:
    if end == LOG:
        return _log(settings, config)
    name = re.split(r"[:/]", end, maxsplit=1)[0]
    place = place_of(end) if "://" in end else end.partition(":")[2]
    for kind in ("source", "sink"):
        if (kind, name) in known:
            return _end(kind, name, place, config)
    raise ConfigError(
        f"{name[:60]!r} is neither `log` nor a source or sink.",
        hint=f"There are: {', '.join(sorted({LOG, *(each for _, each in known)}))}.",
    )


def _log(settings: Settings, config: Path | None) -> Examination:
    url = settings.log_url
    if not url.startswith(assembly.S3_SCHEME):
        return Examination(name=LOG, kind=LOG, look=partial(folder_check.check_folder, Path(url)))
    try:
        gathered = assembly.s3_gathered(config)
    except EventReplayError as error:
        return Examination(name=LOG, kind=LOG, look=partial(_refused, "s3", error))
    except ModuleNotFoundError:
        return Examination(name=LOG, kind=LOG, look=partial(_drivers, "s3"))

    def look() -> list[Finding]:
        store: Any = importlib.import_module("eventreplay.log.s3")
        return [*_drivers("s3"), *store.check_s3(url, gathered.make())]

    return Examination(name=LOG, kind=LOG, look=look, origins=gathered.origins)


def _end(kind: str, name: str, place: str | None, config: Path | None) -> Examination:
    try:
        target: Any = registry.load(kind, name)  # type: ignore[call-overload] # by name
        cls = has_settings(target)
        gathered = None if cls is None else gather(name, cls, config, None, (), place or None)
    except EventReplayError as error:
        return Examination(name=name, kind=kind, look=partial(_refused, name, error))
    if gathered is None:
        return Examination(name=name, kind=kind, look=partial(_without_settings, name, place))

    def look() -> list[Finding]:
        made = gathered.make()
        return [*_drivers(name), *(target.check(made) if hasattr(target, "check") else [])]

    return Examination(name=name, kind=kind, look=look, origins=gathered.origins)


def _refused(name: str, error: EventReplayError) -> list[Finding]:
    return [*_drivers(name), told(error)]


def _without_settings(name: str, place: str | None) -> list[Finding]:
    found = _drivers(name)
    if name == assembly.DUCKDB and place:
        found += folder_check.check_file(Path(place))
    return found


def told(error: EventReplayError) -> Finding:
    """An error as a finding."""
    return Finding(name="settings", ok=False, detail=error.message, hint=error.hint)


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    ours = metadata.version("eventreplay")
    return [
        Finding(name="Python", ok=True, detail=version),
        Finding(name="eventreplay", ok=True, detail=ours),
    ]


def _drivers(name: str) -> list[Finding]:
    extra, distributions = DRIVERS.get(name, ("", ()))
    return [_driver(distribution, extra) for distribution in distributions]


def _driver(distribution: str, extra: str) -> Finding:
    # psycopg2 is the same driver, built on the machine.
    for each in (distribution, distribution.removesuffix("-binary")):
        try:
            return Finding(name=f"driver {each}", ok=True, detail=f"{metadata.version(each)} is installed")
        except metadata.PackageNotFoundError:
            continue
    return Finding(
        name=f"driver {distribution}",
        ok=False,
        detail="is not installed",
        hint=f"pip install 'eventreplay[{extra}]'",
    )
