"""The part of `verify` that compares a journal with the log, and captures what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attrs import asdict

from eventreplay.capture import CaptureReceipt
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.outcome import Outcome
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_line, print_table
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Source
from eventreplay.log import Log
from eventreplay.verify.journal import (
    REPAIR_POSITIONS_MAX,
    JournalVerification,
    NamedPosition,
    capture_missing,
    verify_journal,
)

if TYPE_CHECKING:
    from eventreplay.cli.jobs.verify import VerifyRequest

_KINDS = ("missing", "gone", "doubled", "altered")
_NAMED_MAX = 20
"""Records that differ which a receipt names, of each kind."""


def compared(request: VerifyRequest, log: Log) -> Outcome:
    """Compare; with `repair`, capture what the log lacks, and compare again."""
    maker = assembly.source_maker(request.journal or "", request.journal_options, config=request.config)
    if maker.is_queue():
        raise ConfigError(
            f"{maker.name!r} is a queue: what it delivered is not there any more.", hint="Name a journal."
        )
    source = cast("Source", maker.make())
    receipts: tuple[CaptureReceipt, ...] = ()
    try:
        found = _once(source, log, request)
        if request.repair and found.missing_count:
            receipts = capture_missing(source, log, found)
            found = _once(source, log, request) if receipts else found
    finally:
        source.close()
    return _outcome(found.shown(request.limit_rows), receipts)


def _once(source: Source, log: Log, request: VerifyRequest) -> JournalVerification:
    limit = request.limit_rows
    with progress(f"compare {source.name}", "events") as report:
        return verify_journal(
            source,
            log,
            partitions=request.partitions,
            first=request.first,
            # A repair has to know all of them.
            samples_max=max(limit, REPAIR_POSITIONS_MAX) if request.repair else limit,
            progress=report,
        )


def _outcome(found: JournalVerification, receipts: tuple[CaptureReceipt, ...]) -> Outcome:
    captures = [asdict(one) for one in receipts]
    facts = {**found.to_json(), "captured": captures}
    brief = {**found.shown(_NAMED_MAX).to_json(), "captured": captures}
    ranges = brief.pop("ranges")
    brief["unequal_ranges"] = sum(not one["equal"] for one in ranges)
    brief["event_hash_sum"] = str(sum(int(one["log_hash_sum"]) for one in ranges))

    def say() -> None:
        for one in receipts:
            print_line(f"{one.received:,} records were captured into {one.partition}.", style="green")
        _say(found)

    return Outcome(
        ok=found.ok, facts=facts, brief=brief, say=say, captured=tuple(one.partition for one in receipts)
    )


def _say(found: JournalVerification) -> None:
    parts = [(each.partition, each.first, each.upto) for each in found.partitions]
    print_table(f"Journal {found.source}", ("partition", "from", "to"), parts, right=(1, 2))
    for kind in _KINDS:
        some, count = getattr(found, kind), getattr(found, f"{kind}_count")
        if count:
            print_table(
                f"{_TITLES[kind]}: {count:,}",
                ("position", "event id", "in journal", "in log", "partitions", "what differs"),
                [_row(one) for one in some],
                right=(0, 2, 3),
            )
            if count > len(some):
                print_line(f"... and {count - len(some):,} more.", style="dim")
    behind = f" {found.behind:,} more are beyond, not captured yet." if found.behind else ""
    if found.ok:
        total = sum(one.rows for one in found.ranges)
        print_line(
            f"The log holds what the journal holds up to position {found.upto:,}: {total:,} records.{behind}",
            style="green",
        )
    else:
        counts = ", ".join(f"{getattr(found, f'{kind}_count'):,} {kind}" for kind in _KINDS)
        print_line(f"The log is not what the journal holds: {counts}.{behind}", style="bold red")


_TITLES = {
    "missing": "in the journal, missing in the log",
    "gone": "in the log, gone from the journal",
    "doubled": "doubled",
    "altered": "altered",
}


def _row(one: NamedPosition) -> tuple[object, ...]:
    return (
        one.position,
        one.event_id,
        one.in_journal,
        one.in_log,
        ", ".join(one.partitions),
        one.detail,
    )
