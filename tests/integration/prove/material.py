"""A small log of one event for each planted kind, and combinations that differ in few things."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import evolve

from eventreplay.capture import CaptureOptions, capture
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.prove import Combination
from eventreplay.testing import MemorySource
from tests.integration.prove.planted_codecs import PLANTED

ROWS = 24
BASE = Combination(
    batch_rows_max=65_536,
    workers=1,
    transaction_rows_min=1,
    hash_seed=1,
    zone="UTC",
    locale="C",
    decimals="usual",
    clock="still",
    sink_threads=1,
    python=sys.executable,
    dbt_threads=1,
    duckdb_threads=1,
    row_order="log",
)


def filled(folder: Path) -> Log:
    """Two partitions, in commits of 12 rows; each kind stands where it is neither first nor last."""
    log = Log.open(folder)
    kinds = ["plain"] * ROWS
    # Behind the first batch of the smaller size, so that its place in a batch differs.
    for at, kind in enumerate(name for name in PLANTED if name != "plain"):
        kinds[12 + at] = kind
    for partition, names in (("journal", kinds), ("other", ["plain"] * 6)):
        items = [
            Event(
                event_id=f"{partition}-{at}-{kind}",
                event_type=kind,
                payload=b"{}",
                occurred_at=datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
                content_type="application/json",
            )
            for at, kind in enumerate(names)
        ]
        capture(MemorySource(items), log, partition, options=CaptureOptions(segment_positions=12))
    return log


def two(**changed: Any) -> tuple[Combination, Combination]:
    """The plainest combination, and the same with some things changed."""
    return BASE, evolve(BASE, **changed)
