"""Every measurement runs, tiny, against real servers, and reports each way of doing the work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.journal import dlt_environment

MEASURE_S_MAX = 240


def run(root: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--json", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=MEASURE_S_MAX,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def titles(report: dict[str, Any]) -> list[str]:
    assert all(each["rate"] > 0 and each["peak_mb"] > 1 for each in report["measured"])
    assert all(each["value"] > 0 for each in report["ratios"])
    return [each["title"] for each in report["measured"]]


def test_journal_beside_a_binary_copy(root: Path) -> None:
    report = run(root, "--only", "journal", "--rows", "300", "--turns", "1", "--without-dlt")["journal"]
    found = titles(report)
    assert found[:3] == [
        "psql: binary COPY to nowhere (limit)",
        "journal to Arrow, dropped",
        "journal to log",
    ]
    assert {each["target"] for each in report["ratios"]} == {"0.5", ""}


@pytest.mark.long
def test_journal_beside_dlt_in_its_own_environment(root: Path) -> None:
    report = run(root, "--only", "journal", "--rows", "300", "--dlt-rows", "200", "--turns", "1")["journal"]
    by_title = {each["title"]: each for each in report["measured"]}
    assert by_title["dlt, connectorx"]["events"] == 300
    assert by_title["dlt, pyarrow"]["events"] == by_title["dlt, sqlalchemy"]["events"] == 200
    assert "15" in {each["target"] for each in report["ratios"]}
    assert dlt_environment.python().exists()


def test_queue_beside_pika_and_a_client_in_c(root: Path) -> None:
    report = run(root, "--only", "queue", "--kinds", "quorum", "--rows", "300", "--turns", "1")["queue"]
    found = titles(report)
    ways = {
        "queue to log",
        "receive and settle, no log",
        "pika, BlockingConnection",
        "pika, SelectConnection",
    }
    assert {f"quorum: {way}" for way in ways} <= set(found)
    without = [note for note in report["notes"] if note.startswith("no client in C")]
    assert ("quorum: C client (limit)" in found) != bool(without)


@pytest.mark.long
def test_warehouse_beside_duckdb_and_a_bare_copy(root: Path) -> None:
    report = run(root, "--only", "warehouse", "--rows", "300", "--turns", "1")["warehouse"]
    assert titles(report) == [
        "log to the Snowflake stand-in",
        "log to DuckDB",
        "stand-in: PUT and COPY of finished rows (limit)",
    ]


@pytest.mark.long
def test_latency_at_a_low_rate(root: Path) -> None:
    report = run(root, "--only", "latency", "--rates", "200", "--seconds", "1", "--age-ms", "100")["latency"]
    ours = report["200/s, publish to durable in the log (age bound 100 ms, quorum queue)"]
    bare = report["200/s, publish to a bare pika consumer"]
    assert 0 < ours["p50 ms"] <= ours["p95 ms"] <= ours["p99 ms"] <= ours["max ms"]
    assert 0 < bare["p50 ms"] <= bare["max ms"]
    assert ours["commits"] >= 2


@pytest.mark.long
def test_memory_at_two_lengths(root: Path) -> None:
    report = run(root, "--only", "memory", "--rows", "400")["memory"]
    assert titles(report) == [
        "an interpreter with everything imported (limit)",
        "capture from the journal, 100",
        "replay into DuckDB, 100",
        "capture from the journal, 400",
        "replay into DuckDB, 400",
    ]


@pytest.mark.long
def test_rebuild_beside_the_first_load(root: Path) -> None:
    report = run(root, "--only", "rebuild", "--events", "2000")["rebuild"]
    assert len(report["figures"]) == 9
    assert len(report["ratios"]) == 4
    assert all(value > 0 for value in (*report["figures"].values(), *report["ratios"].values()))
