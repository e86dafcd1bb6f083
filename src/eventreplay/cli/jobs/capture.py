"""The work of `capture`."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import cast

from attrs import asdict, frozen

from eventreplay.admission import AdmissionLimits
from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import QueueSource, Source
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.retrying import retried


@frozen(kw_only=True)
class CaptureRequest:
    """What was typed; None: the settings decide."""

    source: str
    log: str | None
    partition: str | None
    options: tuple[str, ...]
    upto: int | None
    workers: int | None
    config: Path | None


def run(request: CaptureRequest, *, as_json: bool) -> int:
    """Capture, and say what came in."""
    settings = assembly.settings_of(
        request.config, log_url=request.log, partition=request.partition, workers=request.workers
    )
    receipt = retried(partial(_once, request, settings), told=warn_of_retry)
    if as_json:
        print_json({"log": settings.log_url, **asdict(receipt)})
        return 0
    if not receipt.commits:
        print_line(f"Partition {receipt.partition} is up to date; nothing was captured.")
        return 0
    print_line(
        f"{receipt.received:,} received = {receipt.logged:,} logged + {receipt.quarantined:,} quarantined, "
        f"in {receipt.commits:,} commits of {receipt.partition}, up to position {receipt.position:,}."
    )
    print_line(f"head {receipt.digest}", style="dim")
    return 0


def _once(request: CaptureRequest, settings: Settings) -> CaptureReceipt:
    source = assembly.source_of(request.source, request.options)
    try:
        return _capture(source, Log.open(settings.log_url), settings, request.upto)
    finally:
        source.close()


def _capture(source: Source | QueueSource, log: Log, settings: Settings, upto: int | None) -> CaptureReceipt:
    limits = AdmissionLimits(payload_bytes_max=settings.payload_bytes_max)
    title = f"capture {source.name} → {settings.partition}"
    with progress(title, "events") as report:
        if not hasattr(source, "receive"):
            options = CaptureOptions(
                segment_positions=settings.segment_positions,
                segment_bytes_max=settings.segment_bytes_max,
                workers=settings.workers,
                limits=limits,
            )
            return capture(source, log, settings.partition, upto=upto, options=options, progress=report)
        if upto is not None:
            raise ConfigError(
                "A queue has no positions.", hint="Leave --upto away: it ends when the queue is idle."
            )
        queue_options = QueueOptions(bytes_max=settings.segment_bytes_max, limits=limits)
        return capture_queue(
            cast("QueueSource", source),
            log,
            settings.partition,
            clock=time.monotonic,
            options=queue_options,
            progress=report,
        )
