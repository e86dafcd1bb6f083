"""`prove` on the command line: what is refused before anything runs, what is told, the receipt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventreplay.cli.jobs import prove as job
from eventreplay.log import Log
from eventreplay.prove import Proof, ProveOptions, proving
from eventreplay.receipts import Receipts
from tests.integration.prove.material import BASE, two
from tests.integration.prove.planted_codecs import place
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--codec", "json"], "'json' is no place of a codec"),
        (["--codec", "a.b:c"], "cannot be imported"),
        (["--codec", "pathlib:PurePath"], "neither a codec nor a set of schemas"),
        (["--codec", "a:b", "--schemas", "sportscards"], "both name a codec"),
        (["--schemas", "nobody"], "No schema is called 'nobody'"),
        (["--no-dbt", "--select", "x"], "--no-dbt builds no models"),
        (["--codec", place("none"), "--ignore", "x"], "no dbt project whose models"),
        (["--partition", "nobody"], "no partition 'nobody'"),
        (["--from", "9"], "no commits in this range"),
        (["--from", "2", "--upto", "1"], "no commits from 2 to 1"),
        (["--runs", "1"], "greater than or equal to 2"),
        (["--runs", "64", "--no-dbt"], "64 runs are too many"),
        (["--seed", "4294967296", "--no-dbt"], "The seed 4294967296 is out of range"),
        (["--python", "/nowhere", "--no-dbt"], "cannot import eventreplay"),
        (["--keep", ".", "--no-dbt"], "is not an empty folder"),
        (["--project", ".", "--no-dbt"], "--no-dbt builds no models"),
        (["--log", "nowhere"], "There is no log at nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    log: Path, run: Run, words: list[str], said: str
) -> None:
    code, _, told = run("prove", *words)
    assert (code, said in told) == (2, True), told
    assert Receipts(Log.open(log)).list(kind="prove") == ()


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that differ in one thing."""

    def prove(*arguments: object, options: ProveOptions, **how: object) -> Proof:
        cut = ProveOptions(
            how=two(zone="Pacific/Kiritimati"), finds_causes=False, named_max=options.named_max, seed=5
        )
        return real(*arguments, options=cut, **how)  # type: ignore[arg-type]

    real = proving.prove
    monkeypatch.setattr(job, "prove", prove)


@pytest.mark.usefixtures("cheap")
def test_a_difference_is_told_with_event_and_column_and_the_receipt_has_no_value_of_it(
    log: Path, run: Run
) -> None:
    code, out, _ = run("prove", "--codec", place("zone_everywhere"), "--limit", "1")
    assert code == 1
    assert "RAW.EVENTS: 3 rows differ in payload" in out
    assert "log_partition=web, log_offset=0, event_id=v-1" in out
    assert "payload.value" in out
    assert "14 22:13" in out
    assert "Not equal: RAW.EVENTS (commits web 1 to 2)." in out
    assert BASE.zone in out
    (receipt,) = Receipts(Log.open(log)).list(kind="prove")
    assert (receipt.facts["equal"], receipt.facts["seed"]) == (False, 5)
    (difference,) = receipt.facts["differences"]
    (first,) = difference["first"]
    assert first["key"]["event_id"] == "v-1"
    assert "14 22:13" not in json.dumps(receipt.to_json())
    assert [each["how"]["zone"] for each in receipt.facts["runs"]] == ["UTC", "Pacific/Kiritimati"]
    assert all(each["per_second"] > 0 for each in receipt.facts["runs"])


@pytest.mark.usefixtures("cheap")
def test_without_a_receipt_nothing_is_written_and_equal_is_zero(log: Path, run: Run) -> None:
    code, out, _ = run("prove", "--codec", place("none"), "--no-receipt")
    assert code == 0
    assert "Equal: 4 records (commits web 1 to 2), 2 tables" in out
    assert "Not varied: workers: it was 1 in every run." in out
    assert Receipts(Log.open(log)).list(kind="prove") == ()
