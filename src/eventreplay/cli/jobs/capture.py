"""The work of `capture`: checks that what was asked for fits the source; says what came in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from attrs import asdict, frozen

from eventreplay.admission import AdmissionLimits
from eventreplay.assembly import Maker
from eventreplay.capture import CaptureOptions
from eventreplay.cli.jobs import assembly, journal, queue
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line
from eventreplay.cli.stopping import stoppable
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import QueueSource, Source
from eventreplay.queue_capture import QueueOptions
from eventreplay.receipts import captured, options_of
from eventreplay.redaction import redacted
from eventreplay.totals import Totals, over_partitions

LIVE = "live"
"""Partitions of a queue that was given none: live-0, live-1, ..."""


@frozen(kw_only=True)
class CaptureRequest:
    """What was typed; None: the settings decide."""

    source: str
    log: str | None = None
    partition: str | None = None
    options: tuple[str, ...] = ()
    first: int | None = None
    upto: int | None = None
    follow: bool = False
    for_s: float | None = None
    until_idle_s: float | None = None
    age_s: float | None = None
    rows: int | None = None
    consumers: int | None = None
    workers: int | None = None
    config: Path | None = None


def run(request: CaptureRequest, *, as_json: bool) -> int:
    """Capture, and say what came in; above 128 if a signal ended a run that was to end by itself."""
    settings = assembly.settings_of(
        request.config, log_url=request.log, partition=request.partition, workers=request.workers
    )
    maker = assembly.source_maker(request.source, request.options, config=request.config)
    if request.follow and request.upto is not None:
        raise ConfigError("--follow has no end, and --upto is one.", hint="Leave one of them away.")
    log = assembly.log_of(settings.log_url, request.config)
    is_queue = maker.is_queue()
    _fits(request, is_queue=is_queue)
    partitions = [settings.partition]
    if is_queue:
        partitions = queue_partitions(request.partition, request.consumers, settings)
    totals = [Totals(log, name) for name in partitions]
    title = f"capture {redacted(request.source)} → {', '.join(partitions)}"
    with (
        kept(log, "capture", partial(_facts, request, settings, totals)) as proof,
        stoppable(request.for_s) as stop,
        progress(title, "events") as report,
    ):
        if is_queue:
            consumers = _consumers(request, settings, maker)
            queue.consume(consumers, totals, stop, report)
        else:
            journal.follow(_rounds(request, settings, maker), totals[0], stop, report)
    _say(settings, totals, proof.number, as_json=as_json)
    return 0 if request.follow else stop.exit_code()


def _fits(request: CaptureRequest, *, is_queue: bool) -> None:
    """Options of the other kind of source are errors, not passed over."""
    for_journals = {"--from": request.first, "--upto": request.upto}
    for_queues = {
        "--until-idle": request.until_idle_s,
        "--age": request.age_s,
        "--rows": request.rows,
        "--consumers": request.consumers,
    }
    for option, value in (for_journals if is_queue else for_queues).items():
        if value is not None:
            what, other = (
                ("A queue", "--for, --until-idle or --follow")
                if is_queue
                else (
                    "A source that is read by position",
                    "--from, --upto, --for or --follow",
                )
            )
            raise ConfigError(f"{what} has no {option}.", hint=f"Leave it away; there is {other}.")
    if is_queue and request.follow and request.until_idle_s is not None:
        raise ConfigError("--follow does not end when idle.", hint="Leave --follow or --until-idle away.")


def queue_partitions(partition: str | None, consumers: int | None, settings: Settings) -> list[str]:
    """A queue's partitions: the one named, or NAME-0 to NAME-(n-1) for n consumers."""
    # The default of the settings is meant for journals.
    named = partition or (None if settings.partition == Settings().partition else settings.partition)
    if named is not None and consumers is None:
        return [named]
    base = named or LIVE
    return [f"{base}-{number}" for number in range(consumers or 1)]


def _rounds(request: CaptureRequest, settings: Settings, maker: Maker) -> journal.Rounds:
    options = CaptureOptions(
        segment_positions=settings.segment_positions,
        segment_bytes_max=settings.segment_bytes_max,
        workers=settings.workers,
        limits=AdmissionLimits(payload_bytes_max=settings.payload_bytes_max),
    )
    return journal.Rounds(
        make=cast("Callable[[], Source]", maker.make),
        first=request.first,
        upto=request.upto,
        follow=request.follow,
        options=options,
    )


def _consumers(request: CaptureRequest, settings: Settings, maker: Maker) -> queue.Consumers:
    usual = QueueOptions()
    # Told when to end, it does not end because it is quiet.
    bounded = request.for_s is not None or request.follow
    options = QueueOptions(
        rows_max=usual.rows_max if request.rows is None else request.rows,
        bytes_max=settings.segment_bytes_max,
        age_max_s=usual.age_max_s if request.age_s is None else request.age_s,
        idle_end_s=request.until_idle_s or (None if bounded else usual.idle_end_s),
        limits=AdmissionLimits(payload_bytes_max=settings.payload_bytes_max),
    )
    return queue.Consumers(
        make=cast("Callable[[], QueueSource]", maker.make), service=request.follow, options=options
    )


def _facts(request: CaptureRequest, settings: Settings, totals: list[Totals]) -> dict[str, Any] | None:
    found = [each.receipt() for each in totals]
    if not any(receipt.commits for receipt in found):
        return None
    used = {
        "source": request.source,
        "segment_positions": settings.segment_positions,
        "segment_bytes_max": settings.segment_bytes_max,
        "payload_bytes_max": settings.payload_bytes_max,
        "workers": settings.workers,
        "first": request.first,
        "upto": request.upto,
        "options": options_of(request.options),
    }
    return captured(totals[0].log, found, settings=used, **_attempts(totals))


def _attempts(totals: list[Totals]) -> dict[str, int]:
    return {
        "attempts": sum(each.attempts for each in totals),
        "failed": sum(each.failed for each in totals),
    }


def _say(settings: Settings, totals: list[Totals], receipt_number: int | None, *, as_json: bool) -> None:
    receipts = [each.receipt() for each in totals]
    if as_json:
        facts: dict[str, Any] = {"log": settings.log_url}
        if len(receipts) == 1:
            facts |= asdict(receipts[0])
        else:
            facts |= {"source": receipts[0].source, **over_partitions(receipts)}
            facts["partitions"] = [asdict(receipt) for receipt in receipts]
        print_json({**facts, **_attempts(totals), "receipt": receipt_number})
        return
    for receipt in receipts:
        if not receipt.commits:
            print_line(f"Partition {receipt.partition} is up to date; nothing was captured.")
            continue
        print_line(
            f"{receipt.received:,} received = {receipt.logged:,} logged + {receipt.quarantined:,} quarantined"
            f", in {receipt.commits:,} commits of {receipt.partition}, up to position {receipt.position:,}."
        )
        print_line(f"head {receipt.digest}", style="dim")
