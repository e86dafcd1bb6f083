"""The work of `quarantine explain`, `quarantine redrive` and `quarantine drop`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import asdict, frozen

from eventreplay.admission import AdmissionLimits
from eventreplay.assembly import codec_of
from eventreplay.capabilities.quarantine import Marked, Selection
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.quarantine import Place
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.redrive import RedriveReceipt, dismiss, explain, redrive, undismiss
from eventreplay.redrive.explanation import VERDICTS, Explanation
from eventreplay.redrive.redriven import COUNTS, put_aside
from eventreplay.redrive.redriven import redriven as facts_of
from eventreplay.retrying import retried

UNSOUND = 1
"""Exit code when records of the quarantine are not what the log holds."""
GROUPS_SHOWN_MAX = 50
_MEANING = {
    "passes": "would pass now",
    "fails": "still fail as before",
    "fails_otherwise": "fail otherwise than before",
    "admitted": "would be admitted now, if captured again",
    "refused": "still refused as before",
    "refused_otherwise": "refused otherwise than before",
    "not_run": "refused by their source or for what no limit decides: not run again",
    "conflict": "share their id with an earlier event: they never pass",
    "dismissed": "put aside for good",
    "altered": "are not what the log holds at their place: see `eventreplay verify`",
    "unknown": "have no place in this log, or none that is loaded: see `eventreplay verify`",
}


@frozen(kw_only=True)
class RedriveRequest:
    """What was typed; None: the settings decide."""

    log: str | None
    place: Place
    replay_id: str | None
    schemas: str | None
    selection: Selection
    adopt: bool = False
    samples_max: int = 5


def explained(request: RedriveRequest, *, as_json: bool) -> int:
    """Say what would pass."""
    settings, log, codec = _opened(request)
    found = retried(partial(_explained, request, settings, log, codec), told=warn_of_retry)
    if as_json:
        print_json({**found.to_json(), "sink": settings.sink_url})
    else:
        _say(found)
    return 0 if found.is_sound else UNSOUND


def redriven(request: RedriveRequest, *, as_json: bool) -> int:
    """Move what passes, and say what was moved."""
    settings, log, codec = _opened(request)
    receipt = RedriveReceipt(replay_id=settings.replay_id, fingerprint=codec.fingerprint)

    def facts() -> dict[str, Any] | None:
        if not receipt.moved + receipt.restated + len(receipt.adopted):
            return None
        used = {"batch_rows_max": settings.batch_rows_max, "adopt": request.adopt}
        return facts_of(log, receipt, sink=settings.sink_url, settings=used)

    with kept(log, "redrive", facts) as proof:
        retried(partial(_redriven, request, settings, log, codec, receipt), told=warn_of_retry)
    if as_json:
        made = facts_of(log, receipt, sink=settings.sink_url)
        print_json({**made, "mixed": receipt.mixed, "receipt": proof.number})
    else:
        _say_moved(receipt)
    return 0 if receipt.is_sound else UNSOUND


def dropped(
    url: str | None, place: Place, wanted: Selection, reason: str | None, *, undo: bool, as_json: bool
) -> int:
    """Mark records as put aside, or free them."""
    if undo and reason is not None:
        raise ConfigError("A reason is given to take something back.", hint="Leave --reason away.")
    settings = place.settings(log_url=url)
    log = retried(partial(assembly.existing_log, settings.log_url, place.config), told=warn_of_retry)
    marked: list[Marked] = []

    def facts() -> dict[str, Any] | None:
        if not marked:
            return None
        return put_aside(log, marked, wanted, sink=settings.sink_url, reason=None if undo else reason)

    with kept(log, "redrive", facts) as proof:
        run = partial(_marked, place, settings, wanted, None if undo else reason or "")
        marked += retried(run, told=warn_of_retry)
    rows = sum(one.rows for one in marked)
    if as_json:
        print_json({"records": rows, "marked": [asdict(one) for one in marked], "receipt": proof.number})
        return 0
    columns = ("partition", "stage", "error code", "records", "first offset", "last offset")
    if marked:
        print_table("", columns, [tuple(_row(one)) for one in marked], right=(3, 4, 5))
    print_line(f"{rows:,} records {'are in the quarantine again' if undo else 'put aside'}.")
    return 0


def _row(one: Marked) -> Sequence[object]:
    return one.partition, one.stage, one.error_code, one.rows, one.first_offset, one.last_offset


def _marked(place: Place, settings: Settings, wanted: Selection, reason: str | None) -> Sequence[Marked]:
    sink = place.open(settings)
    try:
        return undismiss(sink, wanted) if reason is None else dismiss(sink, wanted, reason)
    finally:
        sink.close()


def _opened(request: RedriveRequest) -> tuple[Settings, Log, Codec]:
    settings = request.place.settings(log_url=request.log, replay_id=request.replay_id)
    log = retried(partial(assembly.existing_log, settings.log_url, request.place.config), told=warn_of_retry)
    return settings, log, codec_of(request.schemas, settings)


def _explained(request: RedriveRequest, settings: Settings, log: Log, codec: Codec) -> Explanation:
    sink = request.place.open(settings)
    try:
        with progress("explain", "records") as report:
            return explain(
                log,
                sink,
                codec,
                replay_id=settings.replay_id,
                selection=request.selection,
                limits=AdmissionLimits(payload_bytes_max=settings.payload_bytes_max),
                batch_rows_max=settings.batch_rows_max,
                samples_max=request.samples_max,
                progress=report,
            )
    finally:
        sink.close()


def _redriven(
    request: RedriveRequest, settings: Settings, log: Log, codec: Codec, receipt: RedriveReceipt
) -> None:
    sink = request.place.open(settings)
    try:
        with progress("redrive", "records") as report:
            redrive(
                log,
                sink,
                codec,
                replay_id=settings.replay_id,
                selection=request.selection,
                batch_rows_max=settings.batch_rows_max,
                adopt=request.adopt,
                progress=report,
                receipt=receipt,
            )
    finally:
        sink.close()


def _say(found: Explanation) -> None:
    shown = sorted(found.groups, key=lambda group: -group.rows)
    columns = ("stage", "partition", "error code", "event type", "refused by", "today", "count")
    rows = [
        (
            one.stage,
            one.partition,
            one.error_code,
            one.event_type,
            one.fingerprint[:12],
            f"{one.verdict.replace('_', ' ')}{f': {one.error_code_now}' if one.error_code_now else ''}",
            one.rows,
        )
        for one in shown[:GROUPS_SHOWN_MAX]
    ]
    if rows:
        print_table(f"Quarantine by codec {found.fingerprint[:12]}", columns, rows, right=(6,))
    if len(shown) > GROUPS_SHOWN_MAX:
        print_line(f"... and {len(shown) - GROUPS_SHOWN_MAX:,} more kinds; --json has all.", style="dim")
    samples = [
        (one.partition, one.stage, one.offset, one.event_id, one.verdict.replace("_", " "), one.message)
        for one in found.samples
    ]
    if samples:
        names = ("partition", "stage", "offset", "event id", "today", "what is wrong today")
        print_table("Samples", names, samples, right=(2,))
    print_line(f"{found.count():,} records:")
    for verdict in VERDICTS:
        if found.count(verdict):
            print_line(f"  {found.count(verdict):,} {_MEANING[verdict]}")
    others = sorted(name for name, loaded_by in found.loaded_by.items() if loaded_by != found.fingerprint)
    if others and found.count("passes"):
        _say_mixed(others)


def _say_moved(receipt: RedriveReceipt) -> None:
    if receipt.codes:
        rows = sorted(receipt.codes.items())
        print_table("Moved into RAW.EVENTS", ("error code before", "count"), rows, right=(1,))
    counts = {name: getattr(receipt, name) for name in COUNTS}
    print_line(
        f"{counts['examined']:,} examined = {counts['moved']:,} moved + {counts['failing']:,} still failing"
        f" + {counts['dismissed']:,} put aside"
        f" + {counts['elsewhere']:,} moved by others, there already or doubled"
        f" + {counts['altered'] + counts['unknown']:,} that are not what the log holds."
    )
    if receipt.adopted:
        print_line(
            f"Every accepted row of {', '.join(receipt.adopted)} is what today's codec gives:"
            " loads go on by it.",
            style="green",
        )
    if receipt.mixed and receipt.moved:
        _say_mixed(receipt.mixed)
    if receipt.moved:
        print_line("STAGING and MART have them after the next run of dbt.", style="dim")


def _say_mixed(partitions: Sequence[str]) -> None:
    print_line(
        f"The checkpoints of {', '.join(partitions)} name another codec: a load by today's code stops there"
        " with CodecChangedError. `quarantine redrive --adopt` compares all accepted rows and, if they are"
        " what today's code gives, lets loads go on.",
        style="yellow",
    )
