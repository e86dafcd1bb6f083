"""PostgreSQL journal into a folder log, against PostgreSQL's binary COPY and three backends of dlt."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import frozen

from benchmarks.contest import Contestant, child, contest
from benchmarks.journal import dlt_environment, table
from benchmarks.report import Measured, Ratio, Report, rates, ratio
from eventreplay.testing.services import PostgresServer

COPY_ALL = r"\copy (select * from events order by id) to stdout (format binary)"
LIMIT = "psql: binary COPY to nowhere (limit)"
OURS = "journal to log"
READ = "journal to Arrow, dropped"
SLOW_BACKENDS = ("pyarrow", "sqlalchemy")


@frozen(kw_only=True)
class Options:
    """What is measured.

    Attributes:
        rows: length of the journal.
        dlt: whether dlt takes part; its environment is made on first use.
        dlt_rows_max: rows for dlt's slow backends, from a shorter journal of the same kind.
        turns: how often each is measured.
    """

    rows: int = 300_000
    dlt: bool = True
    dlt_rows_max: int = 200_000
    turns: int = 3


def measure(options: Options) -> Report:
    """Events per second, CPU and peak memory of each way."""
    settings = {"max_wal_size": "8GB", "shared_buffers": "512MB"}
    with (
        tempfile.TemporaryDirectory(prefix="eventreplay-bench-") as folder,
        PostgresServer.start(settings=settings) as server,
    ):
        url = server.database()
        length = table.make(url, options.rows)
        contestants = _contestants(url, folder, options)
        if options.dlt:
            contestants += _dlt(server, url, folder, options)
        found = contest(contestants, options.turns)
    notes = [
        f"payloads of {length:.0f} bytes, ten columns, headers as jsonb",
        "dlt reads in no order and checks nothing; we read in order of position, hash twice and sync",
    ]
    return rates(found, _ratios(found, options), notes)


def _contestants(url: str, folder: str, options: Options) -> list[Contestant]:
    psql = shutil.which("psql")
    if psql is None:
        raise RuntimeError("There is no psql on PATH; it is the limit that all is measured against.")
    secrets = {"BENCHMARK_URL": url}
    ours = [
        Contestant(
            title=OURS if workers == 1 else f"{OURS}, workers={workers}",
            command=child("journal.ours", "to_log", options.rows, workers, folder),
            events=options.rows,
            secrets=secrets,
        )
        for workers in sorted({1, os.cpu_count() or 1})
    ]
    return [
        Contestant(
            title=LIMIT,
            command=["sh", "-c", f'exec "{psql}" -X -q -c "$BENCHMARK_COPY" >/dev/null'],
            events=options.rows,
            secrets={**_libpq(url), "BENCHMARK_COPY": COPY_ALL},
        ),
        Contestant(
            title=READ,
            command=child("journal.ours", "read_only", options.rows),
            events=options.rows,
            secrets=secrets,
        ),
        *ours,
    ]


def _libpq(url: str) -> dict[str, str]:
    """The address as psql takes it without showing it: a command line is anybody's to read."""
    parts = urlsplit(url)
    return {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }


def _dlt(server: PostgresServer, url: str, folder: str, options: Options) -> list[Contestant]:
    """Its fast backend on the whole journal, the slow ones once, on a part of it."""
    python = str(dlt_environment.python())
    few = min(options.rows, options.dlt_rows_max)
    short = url
    if few < options.rows:
        short = server.database()
        table.make(short, few)
    script = str(Path(__file__).with_name("dlt_child.py"))
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
    contestants = []
    for backend in ("connectorx", *SLOW_BACKENDS):
        rows, address = (few, short) if backend in SLOW_BACKENDS else (options.rows, url)
        contestants.append(
            Contestant(
                title=f"dlt, {backend}",
                command=[python, script, backend, str(rows), folder],
                events=rows,
                turns_max=1 if backend in SLOW_BACKENDS else None,
                secrets={"BENCHMARK_URL": address, **quiet},
            )
        )
    return contestants


def _ratios(found: list[Measured], options: Options) -> list[Ratio]:
    best = max((each for each in found if each.title.startswith(OURS)), key=lambda each: each.rate).title
    ratios = [ratio(found, best, LIMIT, "0.5"), ratio(found, READ, LIMIT)]
    if options.dlt:
        ratios += [
            ratio(found, best, "dlt, connectorx", "1.5"),
            ratio(found, best, "dlt, pyarrow", "15"),
            ratio(found, best, "dlt, sqlalchemy"),
        ]
        peaks = {each.title: each.peak_mb for each in found}
        ratios.append(
            Ratio(title="peak memory, ours / dlt, connectorx", value=peaks[best] / peaks["dlt, connectorx"])
        )
    return ratios
