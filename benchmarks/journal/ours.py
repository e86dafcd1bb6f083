"""Our side of the journal measurements, each in a process of its own; the database is in BENCHMARK_URL."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.log import Log
from eventreplay.secret import Secret
from eventreplay.sources.postgres import PostgresSettings, PostgresSource

PARTITION = "journal"


def source() -> PostgresSource:
    """The journal as a source, with its defaults."""
    return PostgresSource(PostgresSettings(url=Secret(os.environ["BENCHMARK_URL"]), table="events"))


def to_log(rows: int, workers: int, folder: str) -> dict[str, object]:
    """Journal to a new folder log: connect, find the safe head, read, hash, encode, commit, sync."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        receipt = into(Path(name) / "log", workers)
        result: dict[str, object] = {
            "seconds": time.perf_counter() - begun_s,
            "cpu_s": time.process_time() - begun_cpu_s,
            "events": rows,
        }
    if (receipt.received, receipt.quarantined) != (rows, 0):
        raise RuntimeError(f"{receipt.received} of {rows} rows came, {receipt.quarantined} were refused.")
    return result


def into(folder: Path, workers: int) -> CaptureReceipt:
    """Capture the whole journal into the log at `folder`."""
    journal = source()
    try:
        return capture(journal, Log.open(folder), PARTITION, options=CaptureOptions(workers=workers))
    finally:
        journal.close()


def read_only(rows: int) -> dict[str, object]:
    """The source alone: journal to Arrow batches, which are dropped."""
    journal = source()
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    head = journal.head()
    found = 0 if head is None else sum(batch.rows for batch in journal.read(None, head))
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    journal.close()
    if found != rows:
        raise RuntimeError(f"{found} of {rows} rows came.")
    return {"seconds": seconds, "cpu_s": cpu_s, "events": rows}
