"""prove passes on the demo's log, with what dbt makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.cli import main
from eventreplay.demo.generator import GeneratedSource
from eventreplay.log import Log
from eventreplay.receipts import Receipts


def demo_log(folder: Path, events: int) -> Log:
    log = Log.open(folder / "log")
    capture(GeneratedSource(3, events), log, "journal", options=CaptureOptions(segment_positions=events // 5))
    return log


@pytest.mark.long
def test_the_demo_is_proven_down_to_a_mart_and_the_receipt_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what one mart is made of: the whole project is proven by the test below."""
    monkeypatch.chdir(tmp_path)
    log = demo_log(tmp_path, 1_500)
    words = ["prove", "--runs", "2", "--seed", "11", "--select", "+agg_revenue_daily", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    (receipt,) = Receipts(log).list(kind="prove")
    assert found["equal"]
    assert found["receipt"] == receipt.number
    for name in ("runs", "hashes", "partitions", "seed", "varied", "codec", "project"):
        assert receipt.facts[name] == found[name], name
    tables = found["tables"]
    assert tables["RAW.EVENTS"] + tables["RAW.QUARANTINE"] == 1_500
    assert tables["MART.agg_revenue_daily"] > 1
    assert tables["STAGING.stg_events__deliveries"] == tables["RAW.EVENTS"]
    assert [run["outputs"] for run in found["runs"]] == [found["hashes"]] * 2
    assert {"row_order", "duckdb_threads", "zone", "hash_seed", "locale"} <= set(found["varied"])
    assert set(found["not_varied"]) == {"python"}
    assert not list(tmp_path.glob("run-*"))


@pytest.mark.long
def test_the_whole_demo_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    demo_log(tmp_path, 20_000)
    assert main(["prove", "--runs", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"]
    assert found["asking"] == {}
    assert len([name for name in found["tables"] if name.startswith("MART.")]) >= 14
