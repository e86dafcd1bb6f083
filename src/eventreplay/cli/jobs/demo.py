"""The work of `demo`: run the pipeline, show what came of it."""

from __future__ import annotations

import time
import webbrowser
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eventreplay.cli.progress import StderrScreen, duration_text
from eventreplay.cli.screen import print_json, print_line, print_table, size_text
from eventreplay.demo.pipeline import DemoOptions, run_demo

__all__ = ["DemoOptions", "run"]

FAILED = 1


def run(options: DemoOptions, *, open_report: bool, as_json: bool) -> int:
    """Run the demo; 1 if its books do not balance or a table differs from the ledger."""
    summary: Mapping[str, Any] = run_demo(
        options, StderrScreen(), now=lambda: datetime.now(UTC), clock=time.monotonic
    )
    report = options.folder.resolve() / "report.html"
    if as_json:
        print_json({**summary, "report": str(report)})
    else:
        _show(summary, report)
    if open_report:
        webbrowser.open(report.as_uri())
    return 0 if summary["balanced"] and summary["ledger"]["equal"] else FAILED


def _show(summary: Mapping[str, Any], report: Path) -> None:
    _show_balance(summary)
    columns = ("partition", "commits", "events", "rejects", "size", "head")
    rows = [
        (
            part["partition"],
            part["commits"],
            part["events"],
            part["rejects"],
            size_text(part["bytes"]),
            part["sha256"],
        )
        for part in summary["partitions"]
    ]
    print_table("Log", columns, rows, right=(1, 2, 3, 4))
    steps = [
        (name, int(step["rows"]) or None, duration_text(step["seconds"]), _rate(step))
        for name, step in summary["steps"].items()
    ]
    print_table("Steps", ("step", "rows", "time", "per second"), steps, right=(1, 2, 3))
    print_table("Tables", ("table", "rows"), list(summary["tables"].items()), right=(1,))
    _show_proof(summary, report)


def _show_balance(summary: Mapping[str, Any]) -> None:
    rows: list[tuple[str, object]] = [
        ("received", summary["received"]),
        ("= stored", summary["stored"]),
        ("+ duplicates", summary["duplicates"]),
        ("+ quarantined", summary["quarantined"]),
    ]
    rows += [(f"    {reason}", count) for reason, count in summary["quarantined_by_reason"].items()]
    print_table("Events", ("", "count"), rows, right=(1,))


def _rate(step: Mapping[str, float]) -> str | None:
    return f"{step['rows'] / step['seconds']:,.0f}" if step["rows"] and step["seconds"] else None


def _show_proof(summary: Mapping[str, Any], report: Path) -> None:
    if summary["balanced"]:
        print_line("The books balance: received = stored + duplicates + quarantined.", style="green")
    else:
        print_line("The books do NOT balance.", style="bold red")
    ledger = summary["ledger"]
    if ledger["equal"]:
        print_line("Ledger: every figure of every table equals what was generated.", style="green")
    else:
        print_line(
            f"Ledger: {len(ledger['differences']):,} differences, the first of them:", style="bold red"
        )
        for difference in ledger["differences"][:5]:
            print_line(f"  {difference}")
    tested = ", ".join(f"{count:,} {status}" for status, count in summary["dbt"]["statuses"].items())
    print_line(f"dbt: {tested}")
    print_line(f"Log sha256: {summary['log_sha256']}")
    print_line(f"Report: {report}", style="bold")
