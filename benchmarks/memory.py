"""Peak memory of capture from a journal, and of replay, at two lengths: it must not grow with the length."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from benchmarks.contest import Contestant, child, contest
from benchmarks.journal import table
from benchmarks.journal.ours import into
from benchmarks.report import Ratio, Report, rates
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing.services import PostgresServer

SHORTER_BY = 20
SHORTER_ROWS_MIN = 500_000
"""Below that the bounded buffers of both verbs are not full yet, and growth would be no growth."""

IDLE = "an interpreter with everything imported (limit)"


@frozen(kw_only=True)
class Options:
    """What is measured: `rows` is the longer length."""

    rows: int = 2_000_000

    @property
    def lengths(self) -> tuple[int, int]:
        """A twentieth of it, or enough to fill every buffer, or at least a quarter; and it."""
        return max(self.rows // SHORTER_BY, min(self.rows // 4, SHORTER_ROWS_MIN)), self.rows


def measure(options: Options) -> Report:
    """Peak of each verb at each length; once each, because a peak does not vary as a time does."""
    lengths = options.lengths
    contestants: list[Contestant] = []
    settings = {"max_wal_size": "8GB", "shared_buffers": "512MB"}
    with (
        tempfile.TemporaryDirectory(prefix="eventreplay-bench-") as folder,
        PostgresServer.start(settings=settings) as server,
    ):
        contestants.append(Contestant(title=IDLE, command=child("memory", "idle"), events=1))
        for rows in lengths:
            url = server.database()
            table.make(url, rows)
            log = Path(folder) / f"log-{rows}"
            contestants += [
                Contestant(
                    title=f"capture from the journal, {rows:,}",
                    command=child("memory", "capture_journal", rows, log),
                    events=rows,
                    secrets={"BENCHMARK_URL": url},
                ),
                Contestant(
                    title=f"replay into DuckDB, {rows:,}",
                    command=child("memory", "replay_log", rows, log, folder),
                    events=rows,
                ),
            ]
        found = contest(contestants, 1)
    peaks = {each.title: each.peak_mb for each in found}
    few, many = lengths
    ratios = [
        Ratio(
            title=f"peak MB, {verb}: {many:,} / {few:,}",
            value=peaks[f"{verb}, {many:,}"] / peaks[f"{verb}, {few:,}"],
            target="1",
        )
        for verb in ("capture from the journal", "replay into DuckDB")
    ]
    ratios += [
        Ratio(
            title=f"peak MB, {verb}, {many:,} / imports alone", value=peaks[f"{verb}, {many:,}"] / peaks[IDLE]
        )
        for verb in ("capture from the journal", "replay into DuckDB")
    ]
    return rates(found, ratios)


def idle() -> dict[str, object]:
    """Imports what the others import, and does nothing with it."""
    codec_for(schemas.load())
    return {"seconds": 1.0, "events": 1}


def capture_journal(rows: int, log: str) -> dict[str, object]:
    """Journal to the log at `log`, which stays for the replay."""
    begun_s = time.perf_counter()
    receipt = into(Path(log), workers=1)
    if receipt.logged != rows:
        raise RuntimeError(f"{receipt.logged} of {rows} rows are in the log.")
    return {"seconds": time.perf_counter() - begun_s, "events": rows}


def replay_log(rows: int, log: str, folder: str) -> dict[str, object]:
    """That log into a new DuckDB file."""
    begun_s = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        DuckDBSink(Path(scratch) / "warehouse.duckdb", clock=lambda: datetime.now(UTC)) as sink,
    ):
        receipt = replay(Log.open(log), sink, codec_for(schemas.load()))
        seconds = time.perf_counter() - begun_s
    if receipt.loaded != rows:
        raise RuntimeError(f"{receipt.loaded} of {rows} rows were loaded, {receipt.quarantined} refused.")
    return {"seconds": seconds, "events": rows}
