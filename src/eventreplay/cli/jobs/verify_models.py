"""The parts of `verify` that compare dbt's models with RAW, and two ways by which events came."""

from __future__ import annotations

from pathlib import Path

from eventreplay.capabilities.ways import SupportsWays, Ways, checked_prefixes
from eventreplay.cli.jobs.outcome import Outcome
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_line, print_table
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Sink
from eventreplay.verify.marts import MartsVerification, read_holds, verify_marts

_KINDS = ("missing", "doubled", "altered", "unknown")
_WAYS = ("only_first", "only_second", "other_payload")
_NAMED_MAX = 20
"""Keys that differ which a receipt names, of each kind and model."""


def marts(manifest: Path, sink: Sink, limit_rows: int) -> Outcome:
    """RAW <-> STAGING and MART."""
    holds = read_holds(manifest)
    with progress("verify models", "models") as report:
        found = verify_marts(sink, holds, samples_max=limit_rows, progress=report)
    facts = found.to_json()
    brief = {**facts, "models": [_brief(model) for model in facts["models"]]}
    return Outcome(ok=found.ok, facts=facts, brief=brief, say=lambda: _say_marts(found))


def _brief(model: dict[str, object]) -> dict[str, object]:
    days = model["days"]
    assert isinstance(days, list)  # noqa: S101 - as `to_json` makes it
    named: dict[str, object] = {}
    for kind in _KINDS:
        some = model[kind]
        assert isinstance(some, list)  # noqa: S101 - the same
        named[kind] = some[:_NAMED_MAX]
    rest = {name: value for name, value in model.items() if name not in {"days", *_KINDS}}
    unequal = [day["day"] for day in days if not day["equal"]]
    return {**rest, **named, "rows": sum(day["rows"] for day in days), "unequal_days": unequal[:_NAMED_MAX]}


def _say_marts(found: MartsVerification) -> None:
    rows = [
        (
            model.holds.model,
            model.holds.each,
            "equal" if model.held.ok else "differs",
            sum(day.due for day in model.held.days),
            sum(day.rows for day in model.held.days),
            *(getattr(model.held, f"{kind}_count") for kind in _KINDS),
        )
        for model in found.models
    ]
    columns = ("model", "a row for each", "state", "due", "rows", *_KINDS)
    print_table("Models", columns, rows, right=(3, 4, 5, 6, 7, 8))
    for model in found.models:
        for kind in _KINDS:
            some, count = getattr(model.held, kind), getattr(model.held, f"{kind}_count")
            if not count:
                continue
            shown = [
                (", ".join("null" if each is None else each for each in one.key), one.day, one.due, one.rows)
                for one in some
            ]
            title = f"{model.holds.model}, {kind}: {count:,}"
            print_table(title, ("key", "day", "due", "rows"), shown, right=(2, 3))
            if count > len(some):
                print_line(f"... and {count - len(some):,} more.", style="dim")
    behind = 0 if found.seen is None else found.seen.behind
    later = f" {behind:,} rows came after dbt's last run." if behind else ""
    if found.ok:
        print_line(f"{len(found.models):,} models hold what RAW holds for them.{later}", style="green")
    else:
        wrong = ", ".join(model.holds.model for model in found.models if not model.held.ok)
        print_line(f"Not what RAW holds: {wrong}.{later}", style="bold red")


def ways(text: str, sink: Sink, limit_rows: int) -> Outcome:
    """Historical against real-time."""
    first, second = checked_prefixes(text)
    if not isinstance(sink, SupportsWays):
        raise ConfigError("This sink cannot compare two ways.", hint="Its class needs `SupportsWays`.")
    with progress("compare two ways", "events") as report:
        found = sink.ways(first, second, samples_max=limit_rows)
        report(sum(day.first + day.second for day in found.days), None)
    facts = found.to_json()
    brief = {name: value for name, value in facts.items() if name != "days"}
    brief |= {kind: facts[kind][:_NAMED_MAX] for kind in _WAYS}
    brief["days"] = {
        "all": len(found.days),
        "judged": sum(day.judged for day in found.days),
        "unequal": [str(day.day) for day in found.days if day.judged and not day.equal][:_NAMED_MAX],
    }
    return Outcome(ok=found.ok, facts=facts, brief=brief, say=lambda: _say_ways(found))


def _say_ways(found: Ways) -> None:
    titles = {
        "only_first": f"only {found.first}",
        "only_second": f"only {found.second}",
        "other_payload": "other payloads",
    }
    rows = [
        (
            day.day,
            ("equal" if day.equal else "differs") if day.judged else "not covered in full",
            day.first,
            day.second,
            *(getattr(day, kind) for kind in _WAYS),
        )
        for day in found.days
    ]
    columns = ("day", "state", found.first, found.second, *titles.values())
    print_table("Two ways", columns, rows, right=(2, 3, 4, 5, 6))
    for kind in _WAYS:
        some, count = getattr(found, kind), found.count(kind)
        if count:
            shown = [(one.day, one.event_id) for one in some]
            print_table(f"{titles[kind]}: {count:,}", ("day", "event id"), shown)
            if count > len(some):
                print_line(f"... and {count - len(some):,} more.", style="dim")
    judged = sum(day.judged for day in found.days)
    if found.ok:
        print_line(f"Every event of {judged:,} days came by both ways, with one payload.", style="green")
    else:
        wrong = sum(day.judged and not day.equal for day in found.days)
        print_line(f"On {wrong:,} of {judged:,} days the ways differ.", style="bold red")
