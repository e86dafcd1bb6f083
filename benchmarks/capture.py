"""Capture into a folder log, against a bare Parquet write of the same columns, and against the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.history import Held, history
from benchmarks.timing import best_s
from eventreplay.admission import AdmissionLimits, admit
from eventreplay.batch import Batch
from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log


def measure(events: int) -> dict[str, float]:
    """Events per second of each way to bring `events` records of the demo to disk."""
    held = [Batch(admit(batch, AdmissionLimits()).events) for batch in history(events)]
    rows = sum(batch.rows for batch in held)
    result: dict[str, float] = {"events": rows}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for workers in (1, os.cpu_count() or 1):
            runs = iter(range(100))

            def run(workers: int = workers, runs: object = runs) -> None:
                log = Log.open(folder / f"log-{workers}-{next(runs)}")  # type: ignore[call-overload]
                capture(Held(held), log, "journal", options=CaptureOptions(workers=workers))

            result[f"capture, workers={workers}"] = rows / best_s(run)
        log = Log.open(folder / "log-1-0")
        segments = [log.read(ref) for ref in log.reader("journal").segments()]

        def bare() -> None:
            for at, table in enumerate(segments):
                pq.write_table(table, folder / f"bare-{at}.parquet", compression="zstd")

        result["bare write_table (zstd, its defaults)"] = rows / best_s(bare)
        data = [Path(folder / "log-1-0" / ref.key).read_bytes() for ref in log.reader("journal").segments()]
        result["the same bytes to disk, fsync (limit)"] = rows / best_s(lambda: _to_disk(folder, data))
        result["bytes per event"] = sum(map(len, data)) / rows
    pa.default_memory_pool().release_unused()
    return result


def _to_disk(folder: Path, data: list[bytes]) -> None:
    for at, content in enumerate(data):
        with (folder / f"raw-{at}").open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
