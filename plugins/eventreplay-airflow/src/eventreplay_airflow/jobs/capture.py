"""The work of `CaptureOperator`: a range of a journal, or a queue for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from attrs import asdict, frozen

from eventreplay import receipts
from eventreplay.admission import AdmissionLimits
from eventreplay.assembly import Maker
from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.config import load_settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import QueueSource, Source
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.redaction import redacted
from eventreplay.totals import Totals
from eventreplay_airflow.assets import LOG, partition_asset
from eventreplay_airflow.hook import EventReplayHook
from eventreplay_airflow.jobs.outcome import Outcome, Report
from eventreplay_airflow.jobs.places import partition_place, source_place


@frozen(kw_only=True)
class CaptureRequest:
    """What the operator was told; see there."""

    source: str
    log: str
    partition: str
    options: Mapping[str, object]
    first: int | None
    upto: int | None
    run_for_s: float | None
    idle_end_s: float | None
    age_max_s: float | None
    rows_max: int | None
    workers: int
    segment_positions: int


class _TimeIsUpError(Exception):
    """A journal's capture reached its bound in time, at a commit."""


class CaptureWork:
    """One capture; see `Work`."""

    def __init__(
        self, request: CaptureRequest, hook: EventReplayHook, report: Report, stopped: Callable[[], bool]
    ) -> None:
        self._request = request
        self._report = report
        self._stopped = stopped
        self._settings = load_settings(
            arguments={
                "log_url": request.log,
                "partition": request.partition,
                "workers": request.workers,
                "segment_positions": request.segment_positions,
            }
        )
        self._limits = AdmissionLimits(payload_bytes_max=self._settings.payload_bytes_max)
        self._maker = hook.source_maker(request.source, request.options)
        self._is_queue = self._maker.is_queue()
        _fits(request, is_queue=self._is_queue)
        self.log = hook.open_log(request.log, must_exist=False)
        self._totals = Totals(self.log, request.partition)

    def run(self) -> None:
        """Capture."""
        self._totals.begin()
        if self._is_queue:
            self._from_queue()
        else:
            self._from_journal()

    def _from_journal(self) -> None:
        request = self._request
        ends_s = None if request.run_for_s is None else time.monotonic() + request.run_for_s

        def progress(done: int, total: int | None) -> None:
            self._report(done, total)
            if ends_s is not None and time.monotonic() >= ends_s:
                raise _TimeIsUpError

        options = CaptureOptions(
            segment_positions=self._settings.segment_positions,
            segment_bytes_max=self._settings.segment_bytes_max,
            workers=self._settings.workers,
            limits=self._limits,
        )
        source = cast("Source", self._maker.make())
        try:
            receipt = capture(
                source,
                self.log,
                request.partition,
                first=request.first,
                upto=request.upto,
                options=options,
                progress=progress,
            )
        except _TimeIsUpError:
            return
        finally:
            source.close()
        self._totals.done(receipt)

    def _from_queue(self) -> None:
        request, usual = self._request, QueueOptions()
        options = QueueOptions(
            rows_max=usual.rows_max if request.rows_max is None else request.rows_max,
            bytes_max=self._settings.segment_bytes_max,
            age_max_s=usual.age_max_s if request.age_max_s is None else request.age_max_s,
            idle_end_s=request.idle_end_s,
            run_max_s=request.run_for_s,
            limits=self._limits,
        )
        queue = cast("QueueSource", self._maker.make())
        try:
            receipt = capture_queue(
                queue,
                self.log,
                request.partition,
                clock=time.monotonic,
                options=options,
                progress=self._report,
                stop=self._stopped,
            )
        finally:
            queue.close()
        self._totals.done(receipt)

    def outcome(self) -> Outcome:
        """Also of a run that broke off: read from the log then."""
        receipt = self._totals.receipt()
        used = {
            "source": redacted(self._request.source),
            "segment_positions": self._settings.segment_positions,
            "segment_bytes_max": self._settings.segment_bytes_max,
            "payload_bytes_max": self._settings.payload_bytes_max,
            "workers": self._settings.workers,
            "first": self._request.first,
            "upto": self._request.upto,
        }
        return _outcome(self._maker, self.log, receipt, receipts.captured(self.log, [receipt], settings=used))


def _fits(request: CaptureRequest, *, is_queue: bool) -> None:
    if is_queue and (request.first is not None or request.upto is not None):
        raise ConfigError(
            "A queue has no positions: first and upto mean nothing to it.",
            hint="Give run_for_s or idle_end_s.",
        )
    if is_queue and request.run_for_s is None and request.idle_end_s is None:
        raise ConfigError(
            "A queue has no end, and a task must have one.", hint="Give run_for_s, idle_end_s or both."
        )


def _outcome(maker: Maker, log: Log, receipt: CaptureReceipt, facts: Mapping[str, Any]) -> Outcome:
    (made,) = facts["partitions"]
    extra = {
        "partition": receipt.partition,
        "commit": made.get("upto_commit", 0),
        "position": receipt.position,
        "rows": receipt.received,
        "digest": receipt.digest,
    }
    place = "nothing" if receipt.position is None else f"position {receipt.position:,}"
    return Outcome(
        facts={**facts, **asdict(receipt)},
        said=(
            f"{receipt.received:,} received = {receipt.logged:,} logged + {receipt.quarantined:,} quarantined"
            f", in {receipt.commits:,} commits of {receipt.partition}, up to {place}."
        ),
        changed=receipt.commits > 0,
        assets={LOG: extra, partition_asset(log.url, receipt.partition): extra},
        inputs=(source_place(maker, receipt.source, receipt.received),),
        outputs=(partition_place(log.url, receipt.partition, receipt.logged, made.get("bytes")),),
    )
