"""The work of `replay`."""

from __future__ import annotations

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


@frozen(kw_only=True)
class Load:
    """One load into the sink of the settings, and the receipt of it.

    Attributes:
        log: read.
        settings: the sink, the replay, and how it is loaded.
        codec: decodes.
        schemas: what the codec was named by; None: the settings.
        options: of the sink, as typed.
        config: the settings file.
        accept_codec_change: go on although another codec made what is there.
        partitions: only these; None: all.
    """

    log: Log
    settings: Settings
    codec: Codec
    schemas: str | None
    options: tuple[str, ...] = ()
    config: Path | None
    accept_codec_change: bool = False
    partitions: tuple[str, ...] | None = None

    def run(self) -> tuple[ReplayReceipt, int | None]:
        """Load, again where something was busy; the number is None if there was nothing to load."""
        receipt = ReplayReceipt(replay_id=self.settings.replay_id, fingerprint=self.codec.fingerprint)
        with kept(self.log, "replay", partial(self._facts, receipt)) as proof:
            retried(partial(self._once, receipt), told=warn_of_retry)
        return receipt, proof.number

    def _facts(self, receipt: ReplayReceipt) -> dict[str, Any] | None:
        if not receipt.commits:
            return None
        used = {
            "schemas": schemas_named(self.schemas),
            "limits": asdict(limits_of(self.settings)),
            "types": types_of(self.codec),
            "options": options_of(self.options),
            "batch_rows_max": self.settings.batch_rows_max,
            "workers": self.settings.workers,
        }
        return loaded(self.log, receipt, sink=self.settings.sink_url, settings=used)

    def _once(self, receipt: ReplayReceipt) -> None:
        settings, names = self.settings, self.partitions
        sink = assembly.sink_of(settings, config=self.config, options=self.options)
        try:
            with progress(f"replay {settings.replay_id}", "events") as report:
                replay(
                    self.log,
                    sink,
                    self.codec,
                    replay_id=settings.replay_id,
                    readers=None if names is None else [self.log.reader(name) for name in names],
                    batch_rows_max=settings.batch_rows_max,
                    workers=settings.workers,
                    accept_codec_change=self.accept_codec_change,
                    progress=report,
                    receipt=receipt,
                )
        finally:
            sink.close()


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
    load = Load(
        log=log,
        settings=settings,
        codec=codec_of(request.schemas, settings),
        schemas=request.schemas,
        options=request.options,
        config=request.config,
        accept_codec_change=request.accept_codec_change,
    )
    receipt, number = load.run()
    if as_json:
        print_json({"log": settings.log_url, **asdict(receipt), "receipt": number})
        return 0
    if not receipt.commits:
        print_line(f"Replay {receipt.replay_id} is up to date; nothing was loaded.")
        return 0
    print_line(
        f"{receipt.read:,} read = {receipt.loaded:,} loaded + {receipt.quarantined:,} quarantined, "
        f"in {receipt.commits:,} commits of replay {receipt.replay_id}."
    )
    return 0
