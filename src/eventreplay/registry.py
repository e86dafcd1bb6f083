"""Names to classes, through entry points: nothing is imported before somebody asks for it by name.

A distribution registers what it has under one of four groups; the built-in ends do so like any other:

    [project.entry-points."eventreplay.sinks"]
    duckdb = "eventreplay.sinks.duckdb:DuckDBSink"

    [project.optional-dependencies]
    duckdb = ["duckdb>=2.0,<3"]

An extra with the name of the plugin says what the plugin needs; it is looked up before anything is imported.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from attrs import frozen

from eventreplay.errors import ConfigError, UnknownPluginError

if TYPE_CHECKING:  # the contract is made of Arrow; a listing of names does not load it
    from eventreplay.interfaces import Codec, QueueSource, Sink, Source

Kind = Literal["source", "sink", "codec", "schema"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_REASON_CHARACTERS_MAX = 300
# Where a driver's import name is not its distribution's name.
_DISTRIBUTION_OF = {
    "adbc_driver_postgresql": "adbc-driver-postgresql",
    "dbt": "dbt-core",
    "psycopg2": "psycopg2-binary",
    "snowflake": "snowflake-connector-python",
    "vl_convert": "vl-convert-python",
}


@frozen(kw_only=True)
class Plugin:
    """One registered name.

    Attributes:
        kind: source, sink, codec or schema.
        name: what the command line and settings call it.
        target: `module:attribute` that is imported.
        distribution: who registered it; empty if the metadata does not say.
        version: of that distribution.
        problem: why it cannot be imported, and what to do; None if it can, or if nobody tried.
    """

    kind: Kind
    name: str
    target: str
    distribution: str
    version: str
    problem: str | None = None


def group(kind: Kind) -> str:
    """The entry point group of a kind, e.g. `eventreplay.sinks`."""
    return f"eventreplay.{kind}s"


@overload
def load(
    kind: Literal["source"], name: str, entry_points: Iterable[metadata.EntryPoint] | None = None
) -> Callable[..., Source | QueueSource]: ...
@overload
def load(
    kind: Literal["sink"], name: str, entry_points: Iterable[metadata.EntryPoint] | None = None
) -> Callable[..., Sink]: ...
@overload
def load(
    kind: Literal["codec"], name: str, entry_points: Iterable[metadata.EntryPoint] | None = None
) -> Callable[..., Codec]: ...
@overload
def load(
    kind: Literal["schema"], name: str, entry_points: Iterable[metadata.EntryPoint] | None = None
) -> Callable[..., Any]: ...
def load(
    kind: Kind, name: str, entry_points: Iterable[metadata.EntryPoint] | None = None
) -> Callable[..., object]:
    """Import what `name` stands for: a class, or a function that makes one.

    Args:
        kind: source, sink, codec or schema.
        name: as registered.
        entry_points: where to look; None: in every installed distribution.

    Raises:
        UnknownPluginError: nobody registered the name, or its driver is not installed; the hint says what
            to install.
        ConfigError: two distributions registered it, or importing it failed in another way.
    """
    registered = _registered(kind, entry_points)
    found = [point for point in registered if point.name == name]
    if not found:
        raise _unknown(kind, name, sorted({point.name for point in registered}))
    if len(found) > 1:
        owners = sorted(_owner(point)[0] for point in found)
        raise ConfigError(
            f"The {kind} {name!r} is registered by {' and by '.join(owners)}.",
            hint="Uninstall one of them; which one was meant cannot be guessed.",
            kind=kind,
            name=name,
            distributions=owners,
        )
    return _import(kind, found[0])


def plugins(entry_points: Iterable[metadata.EntryPoint] | None = None, *, probe: bool = True) -> list[Plugin]:
    """Everything that is registered, by kind and name.

    Args:
        entry_points: where to look; None: in every installed distribution.
        probe: import each one, to say whether it can be; drivers are loaded by that.
    """
    points = None if entry_points is None else list(entry_points)
    return [_plugin(kind, point, probe=probe) for kind in KINDS for point in _registered(kind, points)]


def _plugin(kind: Kind, point: metadata.EntryPoint, *, probe: bool) -> Plugin:
    problem = None
    if probe:
        try:
            _import(kind, point)
        except ConfigError as error:
            problem = str(error)
    distribution, version = _owner(point)
    return Plugin(
        kind=kind,
        name=point.name,
        target=point.value,
        distribution=distribution,
        version=version,
        problem=problem,
    )


def _registered(kind: Kind, entry_points: Iterable[metadata.EntryPoint] | None) -> list[metadata.EntryPoint]:
    """Entry points of a kind, by name. A distribution met twice on the path counts once."""
    every = metadata.entry_points(group=group(kind)) if entry_points is None else entry_points
    kept = {(point.name, *_owner(point), point.value): point for point in every if point.group == group(kind)}
    return [kept[key] for key in sorted(kept)]


def _owner(point: metadata.EntryPoint) -> tuple[str, str]:
    return ("", "") if point.dist is None else (point.dist.name, point.dist.version)


def _import(kind: Kind, point: metadata.EntryPoint) -> Callable[..., object]:
    fields = {"kind": kind, "name": point.name, "target": point.value}
    absent = [name for name in _needs(point).get(point.name, ()) if not _is_installed(name)]
    if absent:
        raise UnknownPluginError(
            f"The {kind} {point.name!r} needs {', '.join(absent)}, which is not installed.",
            hint=f"Install it with: pip install '{_owner(point)[0]}[{point.name}]'.",
            distributions=absent,
            **fields,
        )
    try:
        target = point.load()
    except ModuleNotFoundError as error:
        raise UnknownPluginError(
            f"The {kind} {point.name!r} needs the module {error.name}, which is not installed.",
            hint=_installing(point, error.name or ""),
            module=error.name,
            **fields,
        ) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS_MAX]
        raise ConfigError(
            f"The {kind} {point.name!r} ({point.value}) cannot be imported: {reason}.",
            hint=f"Its distribution is {_owner(point)[0] or 'unknown'}: update it, or report it there.",
            **fields,
        ) from error
    if not callable(target):
        raise ConfigError(
            f"The {kind} {point.name!r} ({point.value}) is not a class or function.",
            hint="Its entry point names the wrong thing; report it to its author.",
            **fields,
        )
    found: Callable[..., object] = target
    return found


def _installing(point: metadata.EntryPoint, module: str) -> str:
    """What to install so that `module` is there: an extra of the distribution, if one brings it."""
    owner = _owner(point)[0]
    top = module.partition(".")[0]
    needed = _normal(_DISTRIBUTION_OF.get(top, top))
    bringing = {extra: len(brought) for extra, brought in _needs(point).items() if needed in brought}
    if bringing:
        # Of an extra and the larger ones that include it, the smallest.
        return f"Install it with: pip install '{owner}[{min(bringing, key=lambda extra: bringing[extra])}]'."
    return f"{owner or 'Its distribution'} is installed incompletely: install it again."


def _needs(point: metadata.EntryPoint) -> dict[str, list[str]]:
    """Distributions by the extra that brings them, as the metadata of the plugin's distribution has them."""
    needs: dict[str, list[str]] = {}
    for requirement in () if point.dist is None else point.dist.requires or ():
        # A requirement with a further condition (a platform, a Python version) may rightly be absent.
        found = re.fullmatch(r"([A-Za-z0-9._-]+)[^;]*;\s*extra\s*==\s*['\"]([^'\"]+)['\"]\s*", requirement)
        if found:
            needs.setdefault(found.group(2), []).append(_normal(found.group(1)))
    return needs


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _unknown(kind: Kind, name: str, known: list[str]) -> UnknownPluginError:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return UnknownPluginError(
        f"No {kind} is called {name[:80]!r}; installed: {', '.join(known) or 'none'}.",
        hint=f"{meant}A distribution adds one by an entry point in the group {group(kind)}.",
        kind=kind,
        name=name,
        installed=known,
    )
