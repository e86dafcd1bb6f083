"""The work of `verify`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.assembly import codec_of
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.config import Settings
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.receipts import verified
from eventreplay.retrying import retried
from eventreplay.verify import PartitionVerification, Verification, verify

UNEQUAL = 1
"""Exit code when the sink does not hold what the log holds."""
_KINDS = ("missing", "doubled", "altered", "unknown")


@frozen(kw_only=True)
class VerifyRequest:
    """What was typed; None: the settings decide."""

    log: str | None
    sink: str | None
    replay_id: str | None
    partitions: tuple[str, ...] | None
    deep: bool
    schemas: str | None
    limit_rows: int
    options: tuple[str, ...]
    keeps_receipt: bool
    config: Path | None


def run(request: VerifyRequest, *, as_json: bool) -> int:
    """Compare, and say what differs."""
    settings = assembly.settings_of(
        request.config, log_url=request.log, sink_url=request.sink, replay_id=request.replay_id
    )
    log = retried(partial(assembly.existing_log, settings.log_url, request.config), told=warn_of_retry)
    codec = codec_of(request.schemas, settings) if request.deep else None
    found: list[Verification] = []

    def facts() -> dict[str, Any] | None:
        return verified(log, found[-1], sink=settings.sink_url) if found and request.keeps_receipt else None

    with kept(log, "verify", facts) as proof:
        found.append(retried(partial(_once, request, settings, log, codec), told=warn_of_retry))
    verification = found[-1]
    if as_json:
        print_json({**verification.to_json(), "sink": settings.sink_url, "receipt": proof.number})
    else:
        _say(verification)
    return 0 if verification.ok else UNEQUAL


def _once(request: VerifyRequest, settings: Settings, log: Log, codec: Codec | None) -> Verification:
    sink = assembly.sink_of(
        settings, lambda: datetime.now(UTC), config=request.config, options=request.options
    )
    try:
        with progress(f"verify {settings.replay_id}", "rows") as report:
            return verify(
                log,
                sink,
                replay_id=settings.replay_id,
                partitions=request.partitions,
                codec=codec,
                samples_max=request.limit_rows,
                progress=report,
            )
    finally:
        sink.close()


def _say(found: Verification) -> None:
    columns = ("partition", "state", "commits", "rows", "in RAW", "of them quarantined", "behind, rows")
    named = {one.partition for kind in _KINDS for one in getattr(found, kind)}
    rows = [_row(part, differs=part.partition in named) for part in found.partitions]
    print_table(f"Log {found.log}, replay {found.replay_id}", columns, rows, right=(2, 3, 4, 5, 6))
    for kind in _KINDS:
        some, count = getattr(found, kind), getattr(found, f"{kind}_count")
        if not count:
            continue
        shown = [(one.partition, one.order, one.offset, one.event_id, one.copies, one.detail) for one in some]
        print_table(
            f"{kind}: {count:,}",
            ("partition", "order", "offset", "event id", "rows", "what differs"),
            shown,
            right=(2, 4),
        )
        if count > len(some):
            print_line(f"... and {count - len(some):,} more.", style="dim")
    compared = "every column of" if found.deep else "the counts and hashes of"
    if found.ok:
        total = sum(part.rows for part in found.partitions)
        print_line(f"RAW holds what the log holds: {compared} {total:,} rows.", style="green")
    else:
        counts = ", ".join(f"{getattr(found, f'{kind}_count'):,} {kind}" for kind in _KINDS)
        print_line(f"RAW is not what the log holds: {counts}.", style="bold red")


def _row(part: PartitionVerification, *, differs: bool) -> tuple[object, ...]:
    return (
        part.partition,
        "equal" if all(one.equal for one in part.ranges) and not differs else "differs",
        part.commits,
        part.rows,
        sum(one.rows for one in part.ranges),
        sum(one.refused for one in part.ranges),
        part.behind_rows,
    )
