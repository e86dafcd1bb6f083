"""The work of `rebuild ls|show|rollback|drop`, and what all its commands share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.capabilities.generations import Generation
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.receipts import Kept, kept
from eventreplay.cli.screen import print_json, print_line, print_table, tell
from eventreplay.config import Settings
from eventreplay.errors import GenerationError
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.rebuild import Patience, generations, unfinished
from eventreplay.rebuild import drop as dropped
from eventreplay.rebuild import drop_expired as dropped_expired
from eventreplay.rebuild import rollback as rolled_back


@frozen(kw_only=True)
class Place:
    """What was typed of where; None: the settings decide."""

    log: str | None = None
    sink: str | None = None
    options: tuple[str, ...] = ()
    config: Path | None = None

    def settings(self) -> Settings:
        """Those that hold."""
        return assembly.settings_of(self.config, log_url=self.log, sink_url=self.sink)

    def open_sink(self, settings: Settings) -> Sink:
        """The warehouse, open."""
        return assembly.sink_of(settings, config=self.config, options=self.options)

    def log_for_receipts(self, settings: Settings) -> Log | None:
        """The log beside which a receipt is kept, if there is one: looking after tables needs no log."""
        log = assembly.log_of(settings.log_url, self.config)
        return log if log.exists() else None


PATIENCE = Patience(told=warn_of_retry)


def ls(place: Place, *, as_json: bool) -> int:
    """All generations, the live one first."""
    settings = place.settings()
    found = generations(partial(place.open_sink, settings), PATIENCE)
    if as_json:
        print_json({"sink": settings.sink_url, "generations": [facts_of(each) for each in found]})
        return 0
    columns = ("name", "state", "schemas now", "begun", "changed", "kept until")
    rows = [
        (each.name, each.state, now_called(each), each.began, each.changed, each.keep_until) for each in found
    ]
    print_table(f"Generations in {settings.sink_url}", columns, rows)
    warn(found)
    return 0


def show(place: Place, name: str, *, as_json: bool) -> int:
    """One generation, whole."""
    settings = place.settings()
    found = generations(partial(place.open_sink, settings), PATIENCE)
    one = next((each for each in found if each.name == name), None)
    if one is None:
        raise GenerationError(
            f"There is no generation {name[:80]!r} in {settings.sink_url}.",
            hint=f"`eventreplay rebuild ls` lists them: {', '.join(each.name for each in found)}.",
        )
    if as_json:
        print_json({"sink": settings.sink_url, "generation": facts_of(one)})
        return 0
    print_line(f"Generation {one.name}: {one.state}", style="bold")
    for label, value in _lines("", facts_of(one)):
        print_line(f"  {label}: {value}")
    warn(found)
    return 0


def rollback(place: Place, *, as_json: bool) -> int:
    """Undo the last promotion."""
    settings = place.settings()
    with receipted(place, settings, "rollback") as (facts, proof):
        opened = partial(place.open_sink, settings)
        before = generations(opened, PATIENCE)[0].name
        live = rolled_back(opened, PATIENCE)
        facts.update(name=live.name, before=before, schemas=list(live.schemas))
    if as_json:
        print_json({"sink": settings.sink_url, "live": facts_of(live), "receipt": proof.number})
        return 0
    print_line(f"{live.name} is live again.", style="green")
    print_line(
        "Loads go on where it stood, with the code it was made by: a load by other code stops with "
        "CodecChangedError. What came in since is there after the next load and the next run of dbt."
    )
    return 0


def drop(place: Place, name: str | None, *, force: bool, as_json: bool) -> int:
    """Remove one generation, or (None) all whose time is over."""
    settings = place.settings()
    opened = partial(place.open_sink, settings)
    with receipted(place, settings, "drop") as (facts, proof):
        if name is None:
            gone: Sequence[Generation] = dropped_expired(opened, datetime.now(UTC), PATIENCE)
        else:
            gone = [dropped(opened, name, force=force, patience=PATIENCE)]
        facts.update(names=[each.name for each in gone])
    warn(generations(opened, PATIENCE))
    if as_json:
        print_json(
            {"sink": settings.sink_url, "dropped": [each.name for each in gone], "receipt": proof.number}
        )
        return 0
    for each in gone:
        print_line(f"Dropped {each.name}: {now_called(each)}.")
    if not gone:
        print_line("Nothing is kept whose time is over.")
    return 0


@contextmanager
def receipted(place: Place, settings: Settings, action: str) -> Iterator[tuple[dict[str, Any], Kept]]:
    """A receipt of kind rebuild of what is done inside, which fills the facts; none if there is no log."""
    facts: dict[str, Any] = {}
    log = place.log_for_receipts(settings)
    if log is None:
        yield facts, Kept()
        return

    def read() -> Mapping[str, object] | None:
        return {"action": action, "sink": settings.sink_url, **facts} if facts else None

    with kept(log, "rebuild", read) as proof:
        yield facts, proof


def facts_of(one: Generation) -> dict[str, Any]:
    """A generation as JSON has it."""
    return {
        "name": one.name,
        "state": one.state,
        "schemas": list(one.schemas),
        "suffix": one.suffix,
        "plan": one.plan,
        "facts": dict(one.facts),
        "began": one.began,
        "changed": one.changed,
        "keep_until": one.keep_until,
    }


def now_called(one: Generation) -> str:
    """Its schemas as they are called now."""
    return ", ".join(f"{schema}{one.suffix}" for schema in one.schemas)


def warn(found: Sequence[Generation]) -> None:
    """Say so on stderr if a promotion was broken off."""
    said = unfinished(found)
    if said is not None:
        tell(f"warning: {said}")


def _lines(path: str, value: object) -> Iterator[tuple[str, object]]:
    """A tree of JSON as names with dots and values."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _lines(f"{path}.{name}" if path else str(name), item)
    else:
        yield path, ", ".join(map(str, value)) if isinstance(value, list) else value
