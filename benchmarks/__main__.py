"""Runs the measurements, each in a process of its own, and prints them as ratios; see --help."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import cast

Figures = dict[str, float]

RATIOS = {
    "decode": [
        ("typed columns / ptars alone", "typed columns, decimals exact", "ptars alone"),
        ("typed columns / MessageToJson", "typed columns, decimals exact", "MessageToJson"),
        ("JSON text / MessageToJson", "to canonical JSON text", "MessageToJson"),
    ],
    "capture": [
        (
            f"capture, workers={os.cpu_count()} / bare write_table",
            f"capture, workers={os.cpu_count()}",
            "bare write_table (zstd, its defaults)",
        ),
        (
            "capture, workers=1 / bare write_table",
            "capture, workers=1",
            "bare write_table (zstd, its defaults)",
        ),
        ("capture, workers=1 / disk", "capture, workers=1", "the same bytes to disk, fsync (limit)"),
    ],
    "load": [
        (
            "replay, thread / DuckDB's own",
            "log to RAW, decoding in a thread",
            "DuckDB: read_parquet, to_json, insert",
        ),
        (
            "replay, 2 processes / DuckDB's own",
            "log to RAW, decoding in 2 processes",
            "DuckDB: read_parquet, to_json, insert",
        ),
    ],
}


def main() -> int:
    """Parse arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="events for decode, capture and load")
    parser.add_argument("--memory-events", default="1000000,10000000", help="the two lengths for memory")
    parser.add_argument("--only", default="decode,capture,load,memory", help="which, comma-separated")
    parser.add_argument("--json", action="store_true", help="print figures and ratios as JSON")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        module, function, *rest = arguments.child
        result = getattr(import_module(f"benchmarks.{module}"), function)(*[_number(item) for item in rest])
        sys.stdout.write(json.dumps(result) + "\n")
        return 0
    report: dict[str, object] = {"machine": _machine()}
    for name in arguments.only.split(","):
        sys.stderr.write(f"bench: {name} …\n")
        if name == "memory":
            lengths = [int(item) for item in arguments.memory_events.split(",")]
            report[name] = _memory(lengths)
        else:
            figures = _child(name, "measure", arguments.events)
            ratios = {title: figures[ours] / figures[peer] for title, ours, peer in RATIOS[name]}
            report[name] = {"figures": figures, "ratios": ratios}
        if not arguments.json:
            _show(name, cast("dict[str, dict[str, float]]", report[name]))
    if arguments.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def _child(module: str, function: str, *rest: object) -> Figures:
    command = [sys.executable, "-m", "benchmarks", "--child", module, function, *map(str, rest)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return cast("Figures", json.loads(done.stdout.splitlines()[-1]))


def _memory(lengths: list[int]) -> dict[str, Figures]:
    peaks: dict[str, Figures] = {}
    for events in lengths:
        with tempfile.TemporaryDirectory() as folder:
            peaks[f"capture {events:,}"] = _child("memory", "measure_capture", events, folder)
            peaks[f"replay {events:,}"] = _child("memory", "measure_replay", events, folder)
    few, many = min(lengths), max(lengths)
    peaks["ratios"] = {
        f"{verb}: peak at {many:,} / at {few:,}": peaks[f"{verb} {many:,}"]["peak MB"]
        / peaks[f"{verb} {few:,}"]["peak MB"]
        for verb in ("capture", "replay")
    }
    return peaks


def _show(name: str, result: dict[str, dict[str, float]]) -> None:
    sys.stdout.write(f"\n{name}\n")
    for group, figures in result.items():
        sys.stdout.write(f"  {group}\n")
        for title, value in figures.items():
            text = f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
            sys.stdout.write(f"    {title:<52} {text:>16}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
