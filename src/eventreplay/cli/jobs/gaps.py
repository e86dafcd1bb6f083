"""The work of `gaps ls|repair`: what the ledger of dead positions says, and late arrivals brought in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from attrs import asdict, frozen

from eventreplay.assembly import codec_of
from eventreplay.capabilities.tally import SupportsTargets
from eventreplay.capture import CaptureReceipt, capture_late, position_ranges
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.jobs.replay import Load
from eventreplay.cli.progress import duration_text
from eventreplay.cli.screen import moment_text, print_json, print_line, print_table
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Source, SupportsGaps
from eventreplay.log import Log
from eventreplay.log.gaps import GapLedger, Hole, moment_of
from eventreplay.receipts import captured

_KNOWN = frozenset({"first_snapshot", "second_snapshot", "waited_for", "held_by", "held_since", "decided_at"})


def ls(
    url: str | None,
    config: Path | None,
    *,
    partition: str | None,
    only_open: bool,
    limit: int,
    as_json: bool,
) -> int:
    """Every hole of a log: which positions, since when, why they are taken for dead, what came of them."""
    log = assembly.existing_log(url, config)
    known = log.partitions()
    if partition is not None and partition not in known:
        raise ConfigError(f"The log has no partition {partition!r}.", hint="`eventreplay log ls` lists them.")
    told = [_ledger(name, log.gaps(name), only_open) for name in known if partition in {None, name}]
    told = [each for each in told if each["count"] or each["rechecks"]]
    if as_json:
        shown = [{**each, "holes": each["holes"][-limit:]} for each in told]
        print_json({"log": log.url, "partitions": shown})
        return 0
    if not told:
        print_line(f"No position of any partition in {log.url} is taken for dead.")
    for each in told:
        _say(each, limit)
    return 0


def _ledger(name: str, ledger: GapLedger, only_open: bool) -> dict[str, Any]:
    holes = ledger.holes()
    rechecks = ledger.rechecks()
    chosen = [hole for hole in holes if hole.captured_into is None] if only_open else holes
    return {
        "partition": name,
        "count": len(chosen),
        "positions": sum(hole.positions for hole in chosen),
        "open_positions": sum(hole.positions for hole in holes if hole.captured_into is None),
        "rechecks": len(rechecks),
        "rechecked_at": rechecks[-1].at if rechecks else None,
        "holes": [_told(hole) for hole in chosen],
    }


def _told(hole: Hole) -> dict[str, Any]:
    since, decided = (moment_of(hole.evidence, name) for name in ("held_since", "decided_at"))
    return {
        "first": hole.first,
        "last": hole.last,
        "positions": hole.positions,
        "state": "open" if hole.captured_into is None else "captured",
        "captured_into": hole.captured_into,
        "held_since": since,
        "decided_at": decided,
        "held_s": None if since is None or decided is None else (decided - since).total_seconds(),
        "why": why(hole.evidence),
        "evidence": dict(hole.evidence),
        "entry": hole.entry,
    }


def why(evidence: Mapping[str, str]) -> str:
    """Evidence in words."""
    if "second_snapshot" not in evidence:
        return "; ".join(f"{name}: {value}" for name, value in sorted(evidence.items())) or "not said"
    names = [name for name in evidence.get("waited_for", "").split(",") if name]
    first, second = evidence.get("first_snapshot", "?"), evidence["second_snapshot"]
    if names:
        who = evidence.get("held_by") or ", ".join(names)
        verb = "the transaction" if len(names) == 1 else f"the {len(names):,} transactions"
        waited = f"{verb} that could still fill it ({who}) ended"
    else:
        waited = "no transaction that could fill it was open"
    more = "".join(f"; {name}: {evidence[name]}" for name in sorted(evidence.keys() - _KNOWN))
    return f"missing in snapshot {first}; {waited}; missing still in snapshot {second}{more}"


def _say(told: Mapping[str, Any], limit: int) -> None:
    rows = [
        (
            str(hole["first"]) if hole["first"] == hole["last"] else f"{hole['first']}-{hole['last']}",
            hole["positions"],
            hole["state"] if hole["captured_into"] is None else f"captured into {hole['captured_into']}",
            None if hole["held_since"] is None else moment_text(hole["held_since"]),
            None if hole["held_s"] is None else duration_text(hole["held_s"]),
            hole["why"],
        )
        for hole in told["holes"][-limit:]
    ]
    columns = ("positions", "how many", "state", "held since", "for", "why it is dead")
    title = f"{told['partition']}: {told['positions']:,} positions in {told['count']:,} holes"
    print_table(title, columns, rows, right=(1,))
    if told["count"] > len(rows):
        print_line(f"... and {told['count'] - len(rows):,} before.", style="dim")
    if told["rechecked_at"] is not None:
        looked = moment_text(told["rechecked_at"])
        print_line(f"Looked at again: noted {told['rechecks']:,} times, last {looked}.")


@frozen(kw_only=True)
class RepairRequest:
    """What was typed; None: the settings decide.

    Attributes:
        positions: as the alarm gave them; None: the source is asked.
        of: partition whose capture raised the alarm.
        into: a partition of its own for them; None: named after `of` and the first position.
        replays: also load it into the sink.
    """

    positions: str | None
    of: str
    into: str | None
    source: str
    options: tuple[str, ...]
    log: str | None
    replays: bool
    sink: str | None
    replay_id: str | None
    schemas: str | None
    config: Path | None


def repair(request: RepairRequest, *, as_json: bool) -> int:
    """Capture late arrivals, exactly those, end the alarm for them, and load them if told to."""
    if request.into == request.of:
        raise ConfigError(
            "Late events go into a partition of their own.",
            hint=f"Such as --into {request.of}-late.",
            partition=request.into,
        )
    log = assembly.existing_log(request.log, request.config)
    whole = cast("Source", assembly.source_of(request.source, list(request.options), config=request.config))
    try:
        if not isinstance(whole, SupportsTargets):
            raise ConfigError(
                "This source cannot be read by single positions.", hint="It needs `SupportsTargets`."
            )
        wanted = _wanted(request, whole, log)
        receipt, number = (None, None) if not wanted else _captured(request, whole, log, wanted)
    finally:
        whole.close()
    load, load_number = None, None
    if request.replays and receipt is not None:
        load, load_number = _loaded(request, log, receipt.partition)
    if as_json:
        facts = {"log": log.url, "repaired": request.of, "positions": wanted, "receipt": number}
        told = {} if receipt is None else asdict(receipt)
        print_json({**told, **facts, "replay": load, "replay_receipt": load_number})
    elif receipt is None:
        print_line(f"Nothing came late to {request.of}.")
    else:
        print_line(
            f"{receipt.received:,} late events of {request.of} are in {receipt.partition}; "
            "the alarm for them has ended.",
            style="green",
        )
        if load is not None:
            print_line(f"{load['loaded']:,} loaded + {load['quarantined']:,} quarantined.")
    return 0


def _wanted(request: RepairRequest, source: SupportsTargets, log: Log) -> list[str]:
    if request.positions is not None:
        return request.positions.replace(" ", "").split(",")
    if not isinstance(source, SupportsGaps):
        raise ConfigError("This source knows no late arrivals.", hint="Name the positions.")
    return position_ranges(source.late(log.gaps(request.of).open()))


def _captured(
    request: RepairRequest, whole: SupportsTargets, log: Log, wanted: list[str]
) -> tuple[CaptureReceipt, int | None]:
    into = request.into or f"{request.of}-late-{wanted[0].partition('-')[0]}"
    target = whole.only(wanted)
    receipts: list[CaptureReceipt] = []

    def facts() -> dict[str, Any] | None:
        return captured(log, receipts, repaired=request.of, positions=wanted) if receipts else None

    try:
        with kept(log, "repair", facts) as proof:
            receipts.append(capture_late(target, log, request.of, wanted, into=into))
    finally:
        target.close()
    return receipts[0], proof.number


def _loaded(request: RepairRequest, log: Log, partition: str) -> tuple[dict[str, Any], int | None]:
    settings = assembly.settings_of(request.config, sink_url=request.sink, replay_id=request.replay_id)
    load = Load(
        log=log,
        settings=settings,
        codec=codec_of(request.schemas, settings),
        schemas=request.schemas,
        config=request.config,
        partitions=(partition,),
    )
    receipt, number = load.run()
    return {"loaded": receipt.loaded, "quarantined": receipt.quarantined}, number
