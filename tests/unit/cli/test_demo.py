"""`demo`: what it asks of the pipeline, and what it makes of the summary."""

from __future__ import annotations

import copy
import json
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventreplay.cli.jobs import demo
from eventreplay.demo.pipeline import DemoOptions

Run = Callable[..., tuple[int, str, str]]

SUMMARY: dict[str, Any] = {
    "received": 1_000,
    "stored": 980,
    "duplicates": 12,
    "quarantined": 8,
    "balanced": True,
    "quarantined_by_reason": {"conflicting_payload": 3, "event_id_missing": 5},
    "log_sha256": "ab" * 32,
    "tables": {"MART.fct_orders": 300},
    "ledger": {"equal": True, "differences": []},
    "partitions": [
        {
            "partition": "journal",
            "commits": 2,
            "events": 995,
            "rejects": 5,
            "bytes": 9_000,
            "sha256": "cd" * 32,
        }
    ],
    "steps": {"replay": {"rows": 1_000, "seconds": 0.5}, "ledger": {"rows": 0, "seconds": 1.0}},
    "dbt": {"statuses": {"pass": 90, "success": 30}, "warnings": []},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[DemoOptions]:
    """The options of each run; a run reports one step and returns `SUMMARY`."""
    seen: list[DemoOptions] = []

    def run_demo(options: DemoOptions, screen: Any, *, now: Any, clock: Any) -> dict[str, Any]:
        seen.append(options)
        with screen.step("capture", "events") as report:
            report(1_000, 1_000)
        assert now().tzinfo is not None
        assert clock() <= clock()
        return copy.deepcopy(SUMMARY)

    monkeypatch.setattr(demo, "run_demo", run_demo)
    return seen


def test_options_reach_the_pipeline(run: Run, asked: list[DemoOptions], tmp_path: Path) -> None:
    arguments = ("--dir", tmp_path, "--events", 5, "--seed", 3, "--batch-rows", 9, "--workers", 2, "--fresh")
    assert run("demo", *arguments, "--catalog", "cards")[0] == 0
    assert asked == [
        DemoOptions(
            folder=tmp_path, events=5, seed=3, batch_rows=9, workers=2, catalog=Path("cards"), fresh=True
        )
    ]


def test_the_summary_for_people(run: Run, asked: list[DemoOptions], tmp_path: Path) -> None:
    code, out, err = run("demo", "--dir", tmp_path)
    assert asked
    assert code == 0
    assert "Ledger: every figure of every table equals what was generated." in out
    assert "conflicting_payload" in out
    assert "2,000" in out  # events a second
    assert str(tmp_path / "report.html") in out
    assert "capture: 1,000 events" in err


def test_the_summary_for_scripts(run: Run, asked: list[DemoOptions], tmp_path: Path) -> None:
    code, out, _ = run("demo", "--dir", tmp_path, "--json")
    assert asked
    assert code == 0
    assert json.loads(out) == {**SUMMARY, "report": str(tmp_path / "report.html")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"balanced": False}, "The books do NOT balance."),
        ({"ledger": {"equal": False, "differences": ["fct_orders[O-1].revenue"]}}, "fct_orders[O-1].revenue"),
    ],
)
def test_a_run_that_proves_wrong_fails(
    run: Run, asked: list[DemoOptions], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    assert not asked
    monkeypatch.setitem(SUMMARY, next(iter(change)), next(iter(change.values())))
    code, out, _ = run("demo")
    assert code == 1
    assert said in out


def test_the_report_is_opened_only_if_asked(
    run: Run, asked: list[DemoOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    run("demo", "--dir", tmp_path)
    assert opened == []
    run("demo", "--dir", tmp_path, "--open")
    assert opened == [(tmp_path / "report.html").as_uri()]
    assert len(asked) == 2
