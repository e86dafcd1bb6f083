"""Peak memory of capture and of replay at two lengths of a log: it must not grow with the length."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.timing import peak_mb
from eventreplay.capture import capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink


def measure_capture(events: int, folder: str) -> dict[str, float]:
    """Generate and capture `events` records into `folder`; rate and peak of this process."""
    begun = time.perf_counter()
    source = GeneratedSource(7, events)
    receipt = capture(source, Log.open(Path(folder) / "log"), "journal")
    return {
        "events": receipt.received,
        "events/s": receipt.received / (time.perf_counter() - begun),
        "peak MB": peak_mb(),
    }


def measure_replay(events: int, folder: str) -> dict[str, float]:
    """Replay that log into a new DuckDB file; rate and peak of this process."""
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as scratch,
        DuckDBSink(Path(scratch) / "warehouse.duckdb", clock=lambda: datetime.now(UTC)) as sink,
    ):
        receipt = replay(Log.open(Path(folder) / "log"), sink, codec_for(schemas.load()))
        if receipt.read != events:
            raise RuntimeError(f"The log at {folder} holds {receipt.read} records, not {events}.")
        return {
            "events": receipt.read,
            "events/s": receipt.read / (time.perf_counter() - begun),
            "peak MB": peak_mb(),
        }
