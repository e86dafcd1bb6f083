"""The main job as a user runs it: one command, whole, disturbed, and with other settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.demo.ledger import compare

EVENTS, SEED = 6_000, 11
LOOK_S = 0.005
EVENTREPLAY = [str(Path(sys.executable).parent / "eventreplay")]
ODD_PLACE = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "4711"}
WALL_CLOCK = {"inserted_at", "quarantined_at", "updated_at"}


def arguments(folder: Path, *more: str) -> list[str]:
    own = ["demo", "--dir", str(folder), "--events", str(EVENTS), "--seed", str(SEED), "--json"]
    return [*EVENTREPLAY, *own, *more]


def run(folder: Path, *more: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    done = subprocess.run(
        arguments(folder, *more),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def contents(folder: Path) -> dict[str, list[str]]:
    """Every row of every RAW and MART table as text, without the wall clock's columns, sorted."""
    found: dict[str, list[str]] = {}
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        tables = connection.execute(
            "SELECT upper(table_schema), table_name FROM information_schema.tables "
            "WHERE upper(table_schema) IN ('RAW', 'MART') ORDER BY ALL"
        ).fetchall()
        for schema, table in tables:
            columns = connection.execute(f'DESCRIBE {schema}."{table}"').fetchall()
            names = ", ".join(f'"{row[0]}"' for row in columns if row[0] not in WALL_CLOCK)
            rows = connection.execute(f'SELECT {names} FROM {schema}."{table}"').fetchall()
            found[f"{schema}.{table}"] = sorted(map(repr, rows))
    return found


def log_files(folder: Path) -> dict[str, bytes]:
    """Everything but the receipts, which say when each run was."""
    files = ((path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file())
    return {str(name): path.read_bytes() for name, path in files if name.parts[0] != "receipts"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo") / "run"
    return folder, run(folder)


def test_it_ends_with_books_that_balance_and_a_ledger_that_agrees(
    undisturbed: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = undisturbed
    assert summary["received"] == EVENTS
    assert summary["received"] == summary["stored"] + summary["duplicates"] + summary["quarantined"]
    assert min(summary["duplicates"], summary["quarantined"]) > 0
    assert summary["quarantined_by_reason"]["conflicting_payload"] > 0
    assert summary["ledger"] == {"equal": True, "differences": []}
    truth = json.loads((folder / "ledger" / "ledger.json").read_text("utf-8"))
    for name in ("received", "stored", "duplicates"):
        assert summary[name] == truth[name]
    for name in ("log", "warehouse.duckdb", "ledger", "report.html", "receipt.json"):
        assert (folder / name).exists()
    assert json.loads((folder / "receipt.json").read_text("utf-8"))["log_sha256"] == summary["log_sha256"]
    assert len({name.split(".")[0] for name in summary["tables"]} & {"RAW", "STAGING", "MART"}) == 3


def test_the_ledger_would_notice_a_figure_that_is_off(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = undisturbed
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes((folder / "warehouse.duckdb").read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "UPDATE mart.agg_revenue_daily SET revenue = revenue + 0.0001 "
            "WHERE (order_date, currency_code) = "
            "(SELECT min((order_date, currency_code)) FROM mart.agg_revenue_daily)"
        ).fetchall()
        found = compare(folder / "ledger", connection)
    assert len(found) == 1
    assert "revenue" in str(found[0])


@pytest.mark.long
def test_other_settings_and_surroundings_give_the_same_bytes_and_rows(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, summary = undisturbed
    other = run(tmp_path / "run", "--batch-rows", "777", "--workers", "2", environment=ODD_PLACE)
    assert other["log_sha256"] == summary["log_sha256"]
    assert other["tables"] == summary["tables"]
    assert log_files(tmp_path / "run" / "log") == log_files(folder / "log")
    assert contents(tmp_path / "run") == contents(folder)


@pytest.mark.long
def test_killed_in_its_steps_and_started_again_it_ends_the_same(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, summary = undisturbed
    target = tmp_path / "run"
    for step in ("replay", "dbt"):
        kill_once_reached(target, step)
    again = run(target)
    assert again["log_sha256"] == summary["log_sha256"]
    assert again["tables"] == summary["tables"]
    assert log_files(target / "log") == log_files(folder / "log")
    assert contents(target) == contents(folder)


def kill_once_reached(folder: Path, step: str) -> None:
    """Start the demo and kill it, with its children, as soon as the step has left its first trace on disk."""
    trace = folder / {"replay": "warehouse.duckdb", "dbt": "dbt/manifest.json"}[step]
    with subprocess.Popen(
        arguments(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None and not trace.exists():
            threading.Event().wait(LOOK_S)
        assert process.poll() is None, "The demo ended before it could be killed."
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_a_folder_of_another_run_is_not_touched(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = undisturbed
    done = subprocess.run(
        [*EVENTREPLAY, "demo", "--dir", str(folder), "--events", "10", "--seed", "1", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "--fresh" in done.stderr
    assert json.loads((folder / "receipt.json").read_text("utf-8"))["log_sha256"] == summary["log_sha256"]
