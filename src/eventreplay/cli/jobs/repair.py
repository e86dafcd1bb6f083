"""The work of `postgres repair`: late arrivals into a partition of their own."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from attrs import asdict

from eventreplay.capture import capture_late
from eventreplay.cli.jobs import assembly
from eventreplay.cli.screen import print_json, print_line
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Source


def run(
    positions: str,
    into: str,
    of: str,
    log: str | None,
    options: list[str],
    config: Path | None,
    *,
    as_json: bool,
) -> int:
    """Capture exactly `positions` of the journal that partition `of` was captured from."""
    if into == of:
        raise ConfigError(
            "Late events go into a partition of their own.", hint=f"Such as --into {of}-late.", partition=into
        )
    wanted = positions.replace(" ", "").split(",")
    place = assembly.existing_log(log, config)
    source = cast(
        "Source",
        assembly.source_of("postgres", [*options, f"positions={','.join(wanted)}"], config=config),
    )
    try:
        receipt = capture_late(source, place, of, wanted, into=into)
    finally:
        source.close()
    if as_json:
        print_json({"log": place.url, "repaired": of, **asdict(receipt)})
    else:
        print_line(
            f"{receipt.received:,} late events of {of} are in {into}; the alarm for them has ended.",
            style="green",
        )
    return 0
