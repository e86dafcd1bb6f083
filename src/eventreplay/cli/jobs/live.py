"""The work of `live`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from attrs import asdict, frozen

from eventreplay import receipts
from eventreplay.admission import AdmissionLimits
from eventreplay.assembly import codec_of, limits_of, schemas_named, sink_target
from eventreplay.capture import CaptureOptions
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.capture import queue_partitions
from eventreplay.cli.jobs.live_watch import Watch
from eventreplay.cli.notifying import Notifier
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, tell
from eventreplay.cli.stopping import stoppable
from eventreplay.config import Settings
from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.interfaces import QueueSource, Sink, Source
from eventreplay.live import LiveOptions, LiveReceipt, live
from eventreplay.loader import LoadOptions
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions
from eventreplay.redaction import redacted
from eventreplay.totals import over_partitions

AGE_S = 1.0
"""Age at which a consumer commits what it holds, unless told otherwise: here latency counts."""


@frozen(kw_only=True)
class LiveRequest:
    """What was typed; None: the settings decide."""

    source: str
    log: str | None = None
    sink: str | None = None
    partition: str | None = None
    consumers: int | None = None
    options: tuple[str, ...] = ()
    journal: str | None = None
    journal_partition: str | None = None
    schemas: str | None = None
    replay_id: str | None = None
    age_s: float | None = None
    rows: int | None = None
    load_every_s: float | None = None
    load_rows: int | None = None
    poll_s: float | None = None
    finish_s: float | None = None
    for_s: float | None = None
    release: bool | None = None
    accept_codec_change: bool = False
    status_file: Path | None = None
    config: Path | None = None


@frozen(kw_only=True)
class _Sources:
    """What is captured into which partitions."""

    queues: dict[str, Callable[[], QueueSource]]
    journals: dict[str, Callable[[], Source]]


def run(request: LiveRequest, *, as_json: bool) -> int:
    """Capture and load until a signal or the end of the time; 0 for both."""
    settings = assembly.settings_of(
        request.config, log_url=request.log, sink_url=request.sink, replay_id=request.replay_id
    )
    sources = _sources(request, settings)
    codec = codec_of(request.schemas, settings)
    sink_target(settings.sink_url)
    log = assembly.log_of(settings.log_url, request.config)
    began = datetime.now(UTC)
    title = f"live {redacted(request.source)} → {', '.join([*sources.queues, *sources.journals])}"
    with stoppable(request.for_s) as stop, progress(title, "events") as report:
        about = {"log": redacted(settings.log_url), "replay_id": settings.replay_id}
        notifier = Notifier.of(os.environ, time.monotonic)
        watch = Watch(about, request.status_file, notifier, report, time.monotonic)
        try:
            receipt = live(
                log,
                partial(_sink, request, settings),
                codec,
                queues=sources.queues,
                journals=sources.journals,
                clock=time.monotonic,
                stop=stop.requested,
                options=_options(request, settings),
                watch=watch,
            )
        except BaseException as error:
            watch.ended(error)
            raise
        watch.ended()
    facts = _facts(receipt)
    if receipt.loaded.commits or any(each.commits for each in receipt.captures):
        known = {"log": settings.log_url, "sink": settings.sink_url, "replay_id": settings.replay_id}
        used = {"settings": _settings(request, settings)}
        _keep(log, {**known, "fingerprint": codec.fingerprint, **facts, **used}, began)
    _say(settings, receipt, facts, as_json=as_json)
    if receipt.late:
        # Something hangs in a driver; the interpreter would wait for its threads for ever.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _sources(request: LiveRequest, settings: Settings) -> _Sources:
    maker = assembly.source_maker(request.source, request.options, config=request.config)
    found = _Sources(queues={}, journals={})
    if maker.is_queue():
        make_queue = cast("Callable[[], QueueSource]", maker.make)
        for name in queue_partitions(request.partition, request.consumers, settings):
            found.queues[name] = make_queue
    else:
        for option, value in (("--consumers", request.consumers), ("--rows", request.rows)):
            if value is not None:
                raise ConfigError(
                    f"A source that is read by position has no {option}.", hint="Leave it away."
                )
        found.journals[request.partition or settings.partition] = cast("Callable[[], Source]", maker.make)
    if request.journal is not None:
        journal = assembly.source_maker(request.journal, (), config=request.config)
        if journal.is_queue():
            raise ConfigError(
                f"--journal {redacted(request.journal)} is a queue.",
                hint="A journal is read by position. Start a second service for another queue.",
            )
        partition = request.journal_partition or settings.partition
        if partition in {*found.queues, *found.journals}:
            raise ConfigError(
                f"Partition {partition} is the first source's.",
                hint="Name another one with --journal-partition.",
                partition=partition,
            )
        found.journals[partition] = cast("Callable[[], Source]", journal.make)
    return found


def _sink(request: LiveRequest, settings: Settings) -> Sink:
    return assembly.sink_of(settings, config=request.config)


def _options(request: LiveRequest, settings: Settings) -> LiveOptions:
    limits = AdmissionLimits(payload_bytes_max=settings.payload_bytes_max)
    usual, usual_load = LiveOptions(), LoadOptions()
    return LiveOptions(
        queue=QueueOptions(
            rows_max=usual.queue.rows_max if request.rows is None else request.rows,
            bytes_max=settings.segment_bytes_max,
            age_max_s=AGE_S if request.age_s is None else request.age_s,
            # How late the age is noticed.
            receive_timeout_s=min(usual.queue.receive_timeout_s, (request.age_s or AGE_S) / 4),
            limits=limits,
        ),
        journal=CaptureOptions(
            segment_positions=settings.segment_positions,
            segment_bytes_max=settings.segment_bytes_max,
            limits=limits,
        ),
        load=LoadOptions(
            replay_id=settings.replay_id,
            every_s=request.load_every_s,
            rows=request.load_rows,
            poll_s=usual_load.poll_s if request.poll_s is None else request.poll_s,
            batch_rows_max=settings.batch_rows_max,
            release=request.release,
            accept_codec_change=request.accept_codec_change,
        ),
        finish_s=usual.finish_s if request.finish_s is None else request.finish_s,
    )


def _settings(request: LiveRequest, settings: Settings) -> dict[str, Any]:
    """What decides what comes out, for the receipt."""
    return {
        "source": request.source,
        "journal": request.journal,
        "options": receipts.options_of(request.options),
        "schemas": schemas_named(request.schemas),
        "limits": asdict(limits_of(settings)),
        "segment_positions": settings.segment_positions,
        "segment_bytes_max": settings.segment_bytes_max,
        "payload_bytes_max": settings.payload_bytes_max,
    }


def _facts(receipt: LiveReceipt) -> dict[str, Any]:
    return {
        **over_partitions(receipt.captures),
        "captures": [asdict(each) for each in receipt.captures],
        "loaded": asdict(receipt.loaded),
        "behind_rows": receipt.behind_rows,
        "failures": receipt.failures,
        "late": receipt.late,
    }


def _keep(log: Log, facts: dict[str, Any], began: datetime) -> None:
    """Beside the log; what the run did is done, whether its receipt can be kept or not."""
    try:
        receipts.keep(log, "live", facts, began=began, ended=datetime.now(UTC))
    except EventReplayError as error:
        tell(f"the receipt was not kept: {redacted(error.message)}")


def _say(settings: Settings, receipt: LiveReceipt, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({"log": settings.log_url, "replay_id": settings.replay_id, **facts})
        return
    for each in receipt.captures:
        print_line(
            f"{each.received:,} received = {each.logged:,} logged + {each.quarantined:,} quarantined, in "
            f"{each.commits:,} commits of {each.partition}."
        )
    done = receipt.loaded
    print_line(
        f"{done.read:,} read = {done.loaded:,} loaded + {done.quarantined:,} quarantined, in "
        f"{done.transactions:,} transactions of replay {settings.replay_id}."
    )
    if receipt.behind_rows:
        print_line(f"{receipt.behind_rows:,} are in the log and not loaded; the next run does that.")
    if receipt.late:
        print_line(f"Did not end in time: {', '.join(receipt.late)}. What they held comes again.")
