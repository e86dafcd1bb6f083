"""The tables that people read, and the command line in front of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.report import Measured, Ratio, Report, rates, ratio, summary, table


def measured(title: str, rate: float) -> Measured:
    return Measured(
        title=title,
        events=1000,
        turns=3,
        rate=rate,
        rate_slowest=rate / 2,
        rate_fastest=rate * 2,
        cpu_us=1.5,
        peak_mb=120.0,
        load=0.25,
    )


def report() -> Report:
    found = [measured("ours", 500_000.0), measured("peer", 250_000.0)]
    return rates(found, [ratio(found, "ours", "peer", "1.5"), Ratio(title="other", value=0.5)], ["a note"])


def test_a_ratio_is_ours_over_the_peers() -> None:
    found = [measured("ours", 500_000.0), measured("peer", 250_000.0)]
    assert ratio(found, "ours", "peer", "1.5") == Ratio(title="ours / peer", value=2.0, target="1.5")


def test_the_table_shows_rates_ratios_targets_and_notes() -> None:
    text = table("journal", report())
    for part in ("journal\n", "500,000", "2.00  (target: 1.5)", "note: a note", "120.00"):
        assert part in text


def test_the_summary_has_every_ratio_of_every_kind_of_report() -> None:
    old: Report = {"figures": {"a": 1.0}, "ratios": {"a / b": 0.25}}
    lines = summary({"journal": report(), "decode": old}).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["journal", "journal", "decode"]
    assert "0.25" in lines[3]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_an_unknown_measurement_is_named_at_once() -> None:
    done = benchmarks("--only", "jornal")
    assert done.returncode == 2
    assert "unknown: jornal; there are decode, capture, load, rebuild, journal" in done.stderr


def test_a_run_prints_json_and_is_saved(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text('{"at": "the run before"}\n', "utf-8")
    done = benchmarks("--only", "decode", "--events", "500", "--json", "--save", str(history))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert set(printed) == {"at", "machine", "decode"}
    assert printed["decode"]["ratios"]["JSON text / MessageToJson"] > 0
    saved = [json.loads(line) for line in history.read_text("utf-8").splitlines()]
    assert len(saved) == 2
    assert saved[1] == printed
