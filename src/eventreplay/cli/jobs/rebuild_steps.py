"""The work of `rebuild plan|run|promote`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.cli.jobs.rebuild_ends import PATIENCE, Code, ends_of
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import StderrScreen, duration_text
from eventreplay.cli.screen import print_json, print_line, print_table, size_text, tell
from eventreplay.errors import ConfigError
from eventreplay.rebuild import KEEP, Plan, Promotion, Selection, new_receipt
from eventreplay.rebuild import plan as planned
from eventreplay.rebuild import promote as promoted
from eventreplay.rebuild import run as ran
from eventreplay.rebuild.ranges import Until

_NAMES_SHOWN_MAX = 12


@frozen(kw_only=True)
class PlanRequest:
    """What was typed."""

    code: Code
    name: str
    since: str | None
    until: tuple[str, ...]
    types: tuple[str, ...]
    streams: tuple[str, ...]
    sources: tuple[str, ...]
    raw: bool
    out: Path | None
    replace: bool


def plan(request: PlanRequest, *, as_json: bool) -> int:
    """Plan, write the file, and say what it says."""
    path = request.out or Path(f"{request.name}.plan.json")
    if path.exists() and not request.replace:
        raise ConfigError(
            f"{path} is there already.", hint="Somebody may have reviewed it: --replace writes over it."
        )
    selection = Selection(
        types=request.types,
        streams=request.streams,
        sources=request.sources,
        since=None if request.since is None else moment("--since", request.since),
    )
    ends = ends_of(request.code)
    found = planned(
        ends.log,
        ends.open_sink,
        ends.codec,
        ends.dbt,
        name=request.name,
        sink_url=ends.settings.sink_url,
        replay_id=ends.settings.replay_id,
        selection=selection,
        until=[_until(text) for text in request.until],
        force_raw=request.raw,
        settings=ends.told,
        patience=PATIENCE,
    )
    with path.open("w" if request.replace else "x", encoding="ascii") as file:
        file.write(found.text())
    if as_json:
        print_json({**found.to_json(), "file": str(path)})
    else:
        _say(found, path)
    return 0


def run(code: Code, path: Path, *, as_json: bool) -> int:
    """Build what was planned."""
    plan = Plan.read(path)
    ends = ends_of(code, plan)
    done = new_receipt(plan)

    def facts() -> dict[str, Any] | None:
        return done.to_json() if done.commits or done.builds or done.state == "ready" else None

    with kept(ends.log, "rebuild", facts) as proof:
        ran(
            plan,
            ends.log,
            ends.open_sink,
            ends.codec,
            ends.dbt,
            workers=ends.settings.workers,
            batch_rows_max=ends.settings.batch_rows_max,
            screen=StderrScreen(),
            patience=PATIENCE,
            receipt=done,
        )
    if as_json:
        print_json({**done.to_json(), "receipt": proof.number})
        return 0
    left = f" + {done.left_out:,} left out" if done.left_out else ""
    print_line(
        f"{done.read:,} read = {done.loaded:,} loaded + {done.quarantined:,} quarantined{left}; "
        f"dbt ran {done.builds:,} times."
    )
    places = ", ".join(f"{name} at commit {at['commit']:,}" for name, at in done.positions.items())
    print_line(
        f"Generation {done.name} is {done.state}: {places or 'no partition has anything'}.", style="green"
    )
    print_line(f"Look at what would change: eventreplay rebuild diff {path}")
    return 0


def promote(code: Code, text: str, *, keep_s: float | None, builds: bool, as_json: bool) -> int:
    """Make a generation live."""
    plan: Plan | str = Plan.read(Path(text)) if _is_file(text) else text
    ends = ends_of(code, plan if isinstance(plan, Plan) else None)
    done: list[Promotion] = []

    def facts() -> dict[str, Any] | None:
        if not done:
            return None
        return {**done[-1].to_json(), "sink": ends.settings.sink_url, "project": str(ends.dbt.project)}

    with kept(ends.log, "rebuild", facts) as proof:
        promoted(
            plan,
            ends.log,
            ends.open_sink,
            ends.codec,
            ends.dbt,
            keep=KEEP if keep_s is None else timedelta(seconds=keep_s),
            build=builds,
            workers=ends.settings.workers,
            batch_rows_max=ends.settings.batch_rows_max,
            screen=StderrScreen(),
            patience=PATIENCE,
            told=done.append,
        )
    last = done[-1]
    if as_json:
        print_json({**last.to_json(), "sink": ends.settings.sink_url, "receipt": proof.number})
        return 0
    _say_promoted(last)
    return 0


def _say_promoted(done: Promotion) -> None:
    if done.before is None:
        print_line(f"{done.name} is live already.", style="green")
    else:
        until = "" if done.keep_until is None else f" until {done.keep_until.isoformat(timespec='minutes')}"
        print_line(f"{done.name} is live; {done.before} is kept{until}.", style="green")
        print_line("To go back: eventreplay rebuild rollback")
    if done.built:
        print_line("dbt has built what came in since.")
    elif done.behind:
        print_line("RAW holds what the models have not seen: run `eventreplay dbt build`.")
    print_line(
        f"Loads have to run the code that made it (codec {done.codec[:12]}…): one by other code stops with "
        "CodecChangedError, and loads nothing."
    )


def _is_file(text: str) -> bool:
    return text.endswith(".json") or "/" in text or Path(text).is_file()


def moment(option: str, text: str) -> datetime:
    """A moment as people type it, in ISO 8601 with a zone.

    Raises:
        ConfigError: it is none, or has no zone.
    """
    found: datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    if found is None or found.tzinfo is None:
        raise ConfigError(
            f"{option} is no moment with a time zone: {text[:60]!r}.", hint="Write e.g. 2026-01-31T23:59:59Z."
        )
    return found


def _until(text: str) -> Until:
    name, equals, number = text.partition("=")
    if not equals:
        return moment("--until", text)
    if not number.isascii() or not number.isdigit():
        raise ConfigError(f"--until {text[:60]!r} names no commit.", hint="Write PARTITION=NUMBER.")
    return {name: int(number)}


def _say(plan: Plan, path: Path) -> None:
    print_line(f"Generation {plan.name}, beside {plan.live} in {plan.sink_url}", style="bold")
    columns = ("partition", "commits", "read up to", "events", "refused at capture", "size")
    rows = [
        (each.partition, each.commit, each.upto, each.events, each.rejects, size_text(each.bytes))
        for each in plan.partitions
    ]
    if plan.makes_raw:
        print_table(
            f"RAW is loaded again: {'; '.join(plan.raw_reasons)}", columns, rows, right=(1, 2, 3, 4, 5)
        )
        total, bound = plan.events + plan.rejects, "at most " if plan.is_partial else ""
        print_line(f"{total:,} rows and {size_text(plan.bytes)} to read, {bound}as many to load.")
    else:
        print_line("RAW stays: the codec is the same. Only the models are made anew.")
    for label, text in _summary(plan):
        print_line(f"  {label}: {text}")
    _say_models(plan)
    for note in plan.notes:
        print_line(f"Note: {note}")
    print_line(_time(plan))
    for basis in plan.estimate.basis:
        print_line(f"  {basis}")
    print_line(f"Written to {path} (sha256 {plan.sha256[:12]}…). Next: eventreplay rebuild run {path}")
    if plan.models_affected or plan.makes_raw:
        return
    tell("Nothing that is known has changed.")


def _time(plan: Plan) -> str:
    """How long it will take, as far as that is known."""
    parts = {"loading": plan.estimate.load_seconds, "dbt": plan.estimate.dbt_seconds}
    known = [f"{name} {duration_text(spent)}" for name, spent in parts.items() if spent]
    unknown = [name for name, spent in parts.items() if spent is None]
    said = f"About {duration_text(sum(spent or 0 for spent in parts.values()))}: {', '.join(known)}"
    missing = f"of {' and '.join(unknown)} nothing is known"
    if not known:
        return f"Time: {missing}." if unknown else "It takes no time to speak of."
    return f"{said}; {missing}." if unknown else f"{said}."


def _summary(plan: Plan) -> Iterator[tuple[str, str]]:
    before = None if plan.codec_before is None else plan.codec_before.fingerprint
    changed = (
        "unchanged"
        if before == plan.codec.fingerprint
        else f"{_short(before)} → {_short(plan.codec.fingerprint)}"
    )
    yield "codec", changed
    types = plan.types_changed
    yield "event types changed", "not known" if types is None else _some(types)
    yield "schemas", ", ".join(f"{schema}{plan.suffix}" for schema in plan.schemas)
    yield "models changed", _some(plan.models_changed)
    yield "models affected", f"{len(plan.models_affected):,} of {len(plan.models):,}"
    exposed = [
        f"{each.name} ({each.owner})" if each.owner else each.name for each in plan.exposures if each.affected
    ]
    yield "exposures affected", _some(exposed)


def _say_models(plan: Plan) -> None:
    changed, before = set(plan.models_changed), plan.models_before
    rows = []
    for name in plan.models_affected:
        model = plan.models[name]
        known = None if before is None else before.get(name)
        why = (
            "made of what changes" if name not in changed else "changed" if known is not None else "not known"
        )
        rows.append((name, model.relation, model.materialized, why))
    if rows:
        print_table("Models affected", ("model", "relation", "kind", "why"), rows)


def _short(fingerprint: str | None) -> str:
    return "none" if fingerprint is None else f"{fingerprint[:12]}…"


def _some(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMES_SHOWN_MAX:,} more" if len(listed) > _NAMES_SHOWN_MAX else ""
    return ", ".join(listed[:_NAMES_SHOWN_MAX]) + more or "none"
