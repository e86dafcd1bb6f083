"""Receipts on the command line: a run that changed something keeps one; the work of `receipts ls|show`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define

from eventreplay.cli.jobs import assembly
from eventreplay.cli.progress import duration_text
from eventreplay.cli.screen import moment_text, print_json, print_line, print_table
from eventreplay.errors import ConfigError, EventReplayError, LogError
from eventreplay.log import Log
from eventreplay.receipts import KINDS, Receipt, Receipts, keep

_ROUND_DIGITS = 3
_WIDTH_MAX = 60
"""Characters of a value in a listing."""


@define
class Kept:
    """What became of a run's receipt; None: it changed nothing, so it keeps none."""

    receipt: Receipt | None = None

    @property
    def number(self) -> int | None:
        """The receipt's number, for output."""
        return None if self.receipt is None else self.receipt.number


@contextmanager
def kept(log: Log, kind: str, facts: Callable[[], Mapping[str, object] | None]) -> Iterator[Kept]:
    """Keep a receipt of what is done inside, also when an error ends it.

    Args:
        log: beside which it stands.
        kind: capture, replay, verify.
        facts: what was done; None: nothing that needs a receipt. A poller must not fill the log.

    Raises:
        LogError: the run was done, and its receipt could not be kept.
    """
    made, began, begun_s = Kept(), datetime.now(UTC), time.monotonic()

    def write(**more: object) -> None:
        found = facts()
        if found is not None:
            spent = {"seconds": round(time.monotonic() - begun_s, _ROUND_DIGITS)}
            made.receipt = keep(log, kind, {**found, **spent, **more}, began=began, ended=datetime.now(UTC))

    try:
        yield made
    except BaseException as error:
        # What it had committed stands, so that counts; the error that ended it is the one to be told.
        with suppress(EventReplayError):
            write(error=type(error).__name__)
        raise
    try:
        write()
    except LogError as error:
        raise type(error)(
            f"The {kind} is done and stays; its receipt could not be kept: {error.message}",
            hint=error.hint,
            **error.fields,
        ) from error


def ls(url: str | None, config: Path | None, *, kind: str | None, limit: int, as_json: bool) -> int:
    """The latest receipts, oldest of them first."""
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"There is no receipt of kind {kind!r}.", hint=f"Give one of {', '.join(KINDS)}.")
    log = assembly.existing_log(url, config)
    found = Receipts(log).list(kind=kind, last=limit)
    if as_json:
        print_json({"log": log.url, "receipts": [receipt.to_json() for receipt in found]})
        return 0
    columns = ("number", "kind", "ended", "took", "what", "sha256")
    rows = [
        (
            receipt.number,
            receipt.kind,
            moment_text(receipt.ended),
            duration_text((receipt.ended - receipt.began).total_seconds()),
            _summary(receipt.facts),
            f"{receipt.sha256[:12]}…",
        )
        for receipt in found
    ]
    print_table(f"Receipts of {log.url}", columns, rows, right=(0,))
    print_line(f"{len(found):,} receipts.")
    return 0


def _summary(facts: Mapping[str, Any]) -> str:
    """The counts of a run, and where they were counted."""
    partitions = facts.get("partitions") or ()
    names = ", ".join(str(part.get("partition")) for part in partitions if isinstance(part, Mapping))
    known = (
        "read",
        "loaded",
        "logged",
        "received",
        "quarantined",
        "moved",
        "records",
        "missing",
        "doubled",
        "altered",
        "unknown",
    )
    counts = []
    for name in known:
        found = facts.get(name)
        if found is None:
            each = [part.get(name) for part in partitions if isinstance(part, Mapping)]
            numbers = [count for count in each if isinstance(count, int)]
            found = sum(numbers) if numbers else None
        if isinstance(found, int):
            counts.append(f"{found:,} {name}")
    error = [f"ended by {facts['error']}"] if "error" in facts else []
    text = ", ".join([*counts, *error])
    return f"{text} ({names[:_WIDTH_MAX]})" if names else text


def show(url: str | None, config: Path | None, number: int, *, as_json: bool) -> int:
    """One receipt, whole, and whether the chain up to it holds."""
    log = assembly.existing_log(url, config)
    receipts = Receipts(log)
    receipt = receipts.get(number)
    if receipt is None:
        raise ConfigError(
            f"There is no receipt {number} in {log.url}.", hint="`eventreplay receipts ls` lists them."
        )
    count = receipts.verify_chain()
    if as_json:
        print_json({"log": log.url, "chain": count, "receipt": receipt.to_json()})
        return 0
    print_line(f"Receipt {receipt.number}: {receipt.kind}", style="bold")
    for name, value in _lines("", receipt.to_json()):
        print_line(f"  {name}: {value}")
    print_line(f"The chain of {count:,} receipts holds.", style="green")
    return 0


def _lines(path: str, value: object) -> Iterator[tuple[str, object]]:
    """A tree of JSON as names with dots and values."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _lines(f"{path}.{name}" if path else str(name), item)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _lines(f"{path}[{at}]", item)
    else:
        yield path, value
