"""The work of `rebuild diff`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.capabilities.comparison import Sample
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.rebuild import Place
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.log import Log
from eventreplay.rebuild import Plan
from eventreplay.rebuild.diff import diff
from eventreplay.rebuild.difference import Compared, Difference
from eventreplay.retrying import retried

UNEXPLAINED = 1
"""Exit code when something changes and nothing says why."""
COLUMNS_SHOWN_MAX = 8
"""Columns of a row that only one side has that the terminal shows; JSON has all."""


@frozen(kw_only=True)
class DiffRequest:
    """What was typed; None: the plan or the settings decide."""

    plan: Path
    log: str | None
    sink: str | None
    models: tuple[str, ...] | None
    samples: int
    page: Path | None
    keeps_receipt: bool
    options: tuple[str, ...]
    config: Path | None


def run(request: DiffRequest, *, as_json: bool) -> int:
    """Compare, and say what would change."""
    write_page = None if request.page is None else _page_writer()
    plan = Plan.read(request.plan)
    place = Place(
        log=request.log or plan.log_url,
        sink=request.sink or plan.sink_url,
        options=request.options,
        config=request.config,
    )
    settings = place.settings()
    log = retried(partial(assembly.existing_log, settings.log_url, request.config), told=warn_of_retry)
    made: list[Difference] = []

    def facts() -> dict[str, Any] | None:
        return made[0].brief() if made and request.keeps_receipt else None

    with kept(log, "rebuild", facts) as proof:
        made.append(retried(partial(_once, request, plan, place, settings, log), told=warn_of_retry))
    (found,) = made
    page = None if request.page is None else str(request.page)
    if write_page is not None:
        write_page(request.page, found)
    if as_json:
        print_json({**found.to_json(), "page": page, "receipt": proof.number})
    else:
        _say(found)
    return 0 if found.ok else UNEXPLAINED


def _page_writer() -> Any:
    """Asked for before anything is compared, which may take long."""
    try:
        return importlib.import_module("eventreplay.rebuild.page").write_page
    except ImportError as error:
        raise ConfigError(
            "What draws the page is not installed.", hint="Install it: pip install 'eventreplay[demo]'."
        ) from error


def _once(request: DiffRequest, plan: Plan, place: Place, settings: Settings, log: Log) -> Difference:
    sink = place.open_sink(settings)
    try:
        with progress(f"diff {plan.name}", "tables") as report:
            return diff(
                plan,
                log,
                sink,
                models=request.models,
                samples_max=request.samples,
                progress=report,
            )
    finally:
        sink.close()


def _say(found: Difference) -> None:
    title = f"Generation {found.generation} beside what is live"
    columns = ("table", "before", "after", "added", "removed", "changed", "why")
    print_table(title, columns, [_row(one) for one in found.tables], right=(1, 2, 3, 4, 5))
    if found.types:
        print_table(
            "Rows of RAW that differ, by event type",
            ("event type", "events changed", "added", "removed", "into quarantine", "out of it", "why"),
            [
                (
                    one.type,
                    one.events.changed + one.refused.changed,
                    one.events.added,
                    one.events.removed,
                    one.to_quarantine,
                    one.from_quarantine,
                    f"{one.verdict.state}: {'; '.join(one.verdict.why)}",
                )
                for one in found.types
            ],
            right=(1, 2, 3, 4, 5),
        )
    for one in found.tables:
        _say_columns(one)
        _say_samples(one)
    if found.others:
        print_line(f"On one side only, and made by no model: {', '.join(found.others)}.", style="dim")
    for note in found.notes:
        print_line(note, style="dim")
    _say_verdict(found)


def _row(one: Compared) -> tuple[object, ...]:
    counts = one.difference.counts
    name = f"{one.name}, {one.note}" if one.note else one.name
    why = "equal" if one.verdict.state == "equal" else f"{one.verdict.state}: {'; '.join(one.verdict.why)}"
    return (name, counts.before, counts.after, counts.added, counts.removed, counts.changed, why)


def _say_columns(one: Compared) -> None:
    found = one.difference
    for names, what in (
        (found.columns_added, "columns that are new"),
        (found.columns_removed, "columns that are gone"),
    ):
        if names:
            print_line(f"{one.name}: {what}: {', '.join(names)}")
    for column in found.types:
        print_line(f"{one.name}.{column.name}: {column.before} before, {column.after} now")
    if found.duplicates is not None:
        print_line(
            f"{one.name}: {found.duplicates.keys:,} keys are those of several rows,"
            f" {found.duplicates.before:,} before and {found.duplicates.after:,} now;"
            " these were compared as whole rows.",
            style="bold",
        )
    if found.columns:
        shown = [(name, count) for name, count in found.columns.items()]
        print_table(f"{one.name}: changed rows by column", ("column", "rows"), shown, right=(1,))


def _say_samples(one: Compared) -> None:
    rows = [line for sample in one.difference.samples for line in _lines(sample)]
    if rows:
        print_table(f"{one.name}: some of them", ("row", "key", "column", "before", "after"), rows)


def _lines(sample: Sample) -> Iterator[tuple[object, ...]]:
    key = ", ".join(_text(value) for value in sample.key.values())
    names = [name for name in sample.columns if name not in sample.key]
    for at, name in enumerate(names[:COLUMNS_SHOWN_MAX]):
        kind = sample.kind if sample.copies == 1 else f"{sample.kind}, {sample.copies:,} times"
        first = (kind, key) if at == 0 else ("", "")
        sides = [None if row is None else _text(row.get(name)) for row in (sample.before, sample.after)]
        yield (*first, name, *sides)
    if len(names) > COLUMNS_SHOWN_MAX:
        yield ("", "", f"and {len(names) - COLUMNS_SHOWN_MAX} more columns", "", "")


def _text(value: str | None) -> str:
    return "null" if value is None else value


def _say_verdict(found: Difference) -> None:
    if found.equal:
        print_line("Nothing differs.", style="green")
    elif found.unexplained:
        print_line(f"Unexplained: {', '.join(found.unexplained)}.", style="bold red")
    elif found.undecided:
        print_line(
            f"Nothing is unexplained, and of {len(found.undecided):,} tables nothing can be said yet.",
            style="yellow",
        )
    else:
        print_line("Every change is explained.", style="green")
