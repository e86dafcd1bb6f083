"""The work of commands of one end: `check` and `init` of its class, with the settings of all places."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from eventreplay import registry
from eventreplay.cli.jobs import doctor
from eventreplay.cli.jobs.examinations import Examination
from eventreplay.cli.screen import print_json, print_line
from eventreplay.config import Gathered, gather, has_settings
from eventreplay.errors import ConfigError


def check(
    kind: Literal["source", "sink"],
    name: str,
    place: str | None,
    options: list[str],
    config: Path | None,
    *,
    as_json: bool,
) -> int:
    """Look at one end as `doctor` does; 1 if anything required is missing."""
    target, gathered = _gathered(kind, name, place, options, config)
    made = gathered.make()
    one = Examination(name=name, kind=kind, look=lambda: target.check(made), origins=gathered.origins)
    return doctor.report([one], doctor.WITHIN_S, as_json=as_json)


def init(
    kind: Literal["source", "sink"],
    name: str,
    place: str | None,
    options: list[str],
    config: Path | None,
    *,
    as_json: bool,
) -> int:
    """Create what the end needs."""
    target, gathered = _gathered(kind, name, place, options, config)
    target.init(gathered.make())
    if as_json:
        print_json({"end": name, "ok": True, "settings": dict(gathered.origins)})
    else:
        print_line(f"{name} has everything that a run needs; `eventreplay {name} check` says what.")
    return 0


def _gathered(
    kind: Literal["source", "sink"], name: str, place: str | None, options: list[str], config: Path | None
) -> tuple[Any, Gathered]:
    target: Any = registry.load(kind, name)
    cls = has_settings(target)
    if cls is None:
        raise ConfigError(f"The {kind} {name!r} takes no settings.", hint="Another plugin has its name?")
    return target, gather(name, cls, config, None, options, place)
