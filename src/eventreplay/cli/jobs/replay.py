"""The work of `replay`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from eventreplay.assembly import codec_of, limits_of, schemas_named, types_of
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line
from eventreplay.config import Settings
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.receipts import loaded, options_of
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.retrying import retried


@frozen(kw_only=True)
class ReplayRequest:
    """What was typed; None: the settings decide."""

    log: str | None
    sink: str | None
    replay_id: str | None
    schemas: str | None
    options: tuple[str, ...]
    workers: int | None
    accept_codec_change: bool
    config: Path | None


def run(request: ReplayRequest, *, as_json: bool) -> int:
    """Replay, and say what was loaded."""
    settings = assembly.settings_of(
        request.config,
        log_url=request.log,
        sink_url=request.sink,
        replay_id=request.replay_id,
        workers=request.workers,
    )
    log = retried(partial(assembly.existing_log, settings.log_url, request.config), told=warn_of_retry)
    codec = codec_of(request.schemas, settings)
    receipt = ReplayReceipt(replay_id=settings.replay_id, fingerprint=codec.fingerprint)
    with kept(log, "replay", partial(_facts, request, log, settings, codec, receipt)) as proof:
        retried(partial(_once, request, settings, log, codec, receipt), told=warn_of_retry)
    if as_json:
        print_json({"log": settings.log_url, **asdict(receipt), "receipt": proof.number})
        return 0
    if not receipt.commits:
        print_line(f"Replay {receipt.replay_id} is up to date; nothing was loaded.")
        return 0
    print_line(
        f"{receipt.read:,} read = {receipt.loaded:,} loaded + {receipt.quarantined:,} quarantined, "
        f"in {receipt.commits:,} commits of replay {receipt.replay_id}."
    )
    return 0


def _facts(
    request: ReplayRequest, log: Log, settings: Settings, codec: Codec, receipt: ReplayReceipt
) -> dict[str, Any] | None:
    if not receipt.commits:
        return None
    used = {
        "schemas": schemas_named(request.schemas),
        "limits": asdict(limits_of(settings)),
        "types": types_of(codec),
        "options": options_of(request.options),
        "batch_rows_max": settings.batch_rows_max,
        "workers": settings.workers,
    }
    return loaded(log, receipt, sink=settings.sink_url, settings=used)


def _once(request: ReplayRequest, settings: Settings, log: Log, codec: Codec, receipt: ReplayReceipt) -> None:
    sink = assembly.sink_of(
        settings, lambda: datetime.now(UTC), config=request.config, options=request.options
    )
    try:
        with progress(f"replay {settings.replay_id}", "events") as report:
            replay(
                log,
                sink,
                codec,
                replay_id=settings.replay_id,
                batch_rows_max=settings.batch_rows_max,
                workers=settings.workers,
                accept_codec_change=request.accept_codec_change,
                progress=report,
                receipt=receipt,
            )
    finally:
        sink.close()
