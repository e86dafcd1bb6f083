"""Runs the measurements, each in a process of its own, and prints them as ratios; see --help."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import cast

from benchmarks.report import Report, machine, say, summary, table

Figures = dict[str, float]

CPUS = os.cpu_count()
BARE = "bare write_table (zstd, its defaults)"
FIRST = "first: load and build"
DUCKDB = "DuckDB: read_parquet, to_json, insert"
RATIOS = {
    "decode": [
        ("typed columns / ptars alone", "typed columns, decimals exact", "ptars alone"),
        ("typed columns / MessageToJson", "typed columns, decimals exact", "MessageToJson"),
        ("JSON text / MessageToJson", "to canonical JSON text", "MessageToJson"),
    ],
    "capture": [
        (f"capture, workers={CPUS} / bare write_table", f"capture, workers={CPUS}", BARE),
        ("capture, workers=1 / bare write_table", "capture, workers=1", BARE),
        ("capture, workers=1 / disk", "capture, workers=1", "the same bytes to disk, fsync (limit)"),
    ],
    "load": [
        ("replay, thread / DuckDB's own", "log to RAW, decoding in a thread", DUCKDB),
        ("replay, 2 processes / DuckDB's own", "log to RAW, decoding in 2 processes", DUCKDB),
    ],
    "rebuild": [
        ("rebuild, thread / first load and build", "rebuild, a thread: load and build", FIRST),
        ("with the promotion / first load and build", "rebuild, a thread: load, build and promote", FIRST),
        ("rebuild, 2 processes / first load and build", "rebuild, 2 processes: load and build", FIRST),
        ("rebuild, thread: load / first load", "rebuild, a thread: load", "first: load"),
    ],
}
"""Measurements without a server: a module's `measure(events)` gives figures, and these are their ratios."""

SERVERS = {
    "journal": "journal.run",
    "queue": "queue.run",
    "warehouse": "warehouse.run",
    "latency": "latency.run",
    "memory": "memory",
}
"""Measurements with a server of their own: the module's `measure(Options(...))` gives a whole report."""


def main() -> int:
    """Parse arguments, run, print."""
    arguments = _arguments()
    if arguments.child:
        sys.stdout.write(json.dumps(_call(*arguments.child)) + "\n")
        return 0
    names = arguments.only.split(",")
    unknown = sorted(set(names) - {*RATIOS, *SERVERS})
    if unknown:
        sys.stderr.write(
            f"bench: unknown: {', '.join(unknown)}; there are {', '.join([*RATIOS, *SERVERS])}\n"
        )
        return 2
    reports: dict[str, Report] = {}
    about = machine()
    for name in names:
        say(f"{name} …")
        try:
            reports[name] = _measure(name, arguments)
        except subprocess.CalledProcessError:
            say(f"{name} failed; what it said stands above")
            return 1
        if not arguments.json:
            sys.stdout.write("\n" + table(name, reports[name]))
            sys.stdout.flush()
    whole = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": about, **reports}
    if arguments.save:
        with Path(arguments.save).open("a", encoding="utf-8") as file:
            file.write(json.dumps(whole) + "\n")
    if arguments.json:
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    else:
        sys.stdout.write(f"\n{summary(reports)}  machine    {about}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join([*RATIOS, *SERVERS]), help="which, comma-separated")
    parser.add_argument("--json", action="store_true", help="print figures and ratios as JSON")
    parser.add_argument("--save", metavar="FILE", help="append the figures to FILE, one line of JSON per run")
    parser.add_argument("--events", type=int, default=400_000, help="events for decode, capture and load")
    servers = parser.add_argument_group("journal, queue, warehouse, latency, memory")
    servers.add_argument("--rows", type=int, help="events of one turn; memory: of the longer log")
    servers.add_argument("--turns", type=int, help="how often each is measured; the median counts")
    servers.add_argument("--without-dlt", action="store_true", help="journal: leave dlt out")
    servers.add_argument("--dlt-rows", type=int, help="journal: rows for the slow backends of dlt")
    servers.add_argument("--kinds", help="queue: types of queues, comma-separated")
    servers.add_argument("--rates", help="latency: messages per second, comma-separated")
    servers.add_argument("--seconds", type=int, help="latency: how long each rate is kept up")
    servers.add_argument("--age-ms", type=int, help="latency: age at which a segment is committed")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(name: str, arguments: argparse.Namespace) -> Report:
    if name in RATIOS:
        figures = cast("Figures", _child(name, "measure", str(arguments.events)))
        ratios = {title: figures[ours] / figures[peer] for title, ours, peer in RATIOS[name]}
        return {"figures": figures, "ratios": ratios}
    return _child(SERVERS[name], "measure", json.dumps(_options(name, arguments)))


def _options(name: str, arguments: argparse.Namespace) -> dict[str, object]:
    """What was asked for, by the names of the module's `Options`; the rest keeps its defaults."""
    asked: dict[str, dict[str, object]] = {
        "journal": {
            "rows": arguments.rows,
            "turns": arguments.turns,
            "dlt": False if arguments.without_dlt else None,
            "dlt_rows_max": arguments.dlt_rows,
        },
        "queue": {"events": arguments.rows, "turns": arguments.turns, "kinds": arguments.kinds},
        "warehouse": {"events": arguments.rows, "turns": arguments.turns},
        "latency": {"rates": arguments.rates, "seconds": arguments.seconds, "age_max_ms": arguments.age_ms},
        "memory": {"rows": arguments.rows},
    }
    return {key: value for key, value in asked[name].items() if value is not None}


def _child(*command: str) -> Report:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--child", *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return cast("Report", json.loads(done.stdout.splitlines()[-1]))


def _call(module_name: str, function: str, *rest: str) -> object:
    module = import_module(f"benchmarks.{module_name}")
    if rest and rest[0].startswith("{"):
        return getattr(module, function)(module.Options(**json.loads(rest[0])))
    return getattr(module, function)(*[int(item) if item.isdigit() else item for item in rest])


if __name__ == "__main__":
    sys.exit(main())
