"""`receipts again`: the same run from its receipt, and what came out compared; nothing real is touched."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from eventreplay.codecs.router import Router, codec_for
from eventreplay.demo import schemas
from eventreplay.log import Log
from eventreplay.receipts import Receipt, Receipts, keep
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from tests.records import MOMENT
from tests.unit.cli.conftest import RECORDS, Run, write_events

SINK = ("--sink", "duckdb:///w.duckdb")
MORE = ({"event_id": "v-7", "payload": {"page_id": "s"}}, {"event_id": "v-8", "payload": {"page_id": "t"}})


def again(run: Run, number: int, *more: str) -> tuple[int, dict[str, object]]:
    code, out, _ = run("receipts", "again", number, "--json", *more)
    return code, json.loads(out)


def differing(found: dict[str, object]) -> list[str]:
    return [one["what"] for one in found["compared"] if not one["equal"]]  # type: ignore[attr-defined]


def files(folder: Path) -> dict[str, bytes]:
    """Everything of a log but its receipts."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "receipts" not in path.parts
    }


def receipt(log: Path, number: int) -> Receipt:
    found = Receipts(Log.open(log)).get(number)
    assert found is not None
    return found


def test_a_capture_gives_the_same_digests_again_and_leaves_the_log_alone(log: Path, run: Run) -> None:
    before = files(log)
    code, found = again(run, 1)
    assert (code, found["equal"], found["receipt"]) == (0, True, 2)
    assert files(log) == before
    kept = receipt(log, 2)
    assert (kept.kind, kept.facts["again"]["number"]) == ("prove", 1)
    assert kept.facts["again"]["sha256"] == receipt(log, 1).sha256
    assert again(run, 1, "--no-receipt")[1]["receipt"] is None


def test_a_later_capture_is_compared_behind_the_chain_it_went_on_from(log: Path, run: Run) -> None:
    """The second capture cut its first segment short of the fixed ranges: the end of the first one shows."""
    write_events(log.parent / "events.jsonl", (*RECORDS, *MORE, *MORE[:1]))
    assert run("capture", "events.jsonl", "--partition", "other", "--upto", "4")[0] == 0
    assert run("capture", "events.jsonl", "--partition", "other")[0] == 0
    first, second = receipt(log, 2), receipt(log, 3)
    assert first.facts["partitions"][0]["digest"] == second.facts["partitions"][0]["digest_before"]
    assert again(run, 3)[0] == 0
    # The first one ended where it was told to; what came behind it then is not captured now.
    assert again(run, 2)[0] == 0


def test_rounds_of_a_capture_that_followed_are_cut_as_they_were(log: Path, run: Run) -> None:
    """One receipt over two rounds, of which the first ended within a fixed range of positions."""
    write_events(log.parent / "events.jsonl", (*RECORDS, *MORE))
    for upto in ("2", "5"):
        assert run("capture", "events.jsonl", "--partition", "other", "--upto", upto)[0] == 0
    first, second = (receipt(log, number).facts["partitions"][0] for number in (2, 3))
    counts = {name: first[name] + second[name] for name in ("received", "logged", "quarantined", "commits")}
    ends = {name: second[name] for name in ("upto_commit", "digest", "position")}
    sums = {"event_hash_sum": str(int(first["event_hash_sum"]) + int(second["event_hash_sum"]))}
    both = receipt(log, 2)
    facts = {**both.facts, "partitions": [{**first, **counts, **ends, **sums}]}
    kept = keep(Log.open(log), "capture", facts, began=both.began, ended=both.ended)
    assert counts["commits"] == 4, "3 without the cut between the rounds"
    assert again(run, kept.number)[0] == 0


def test_a_source_that_is_another_now_differs_and_the_commit_is_named(log: Path, run: Run) -> None:
    changed = [dict(record) for record in RECORDS]
    changed[1]["event_id"] = "v-2000"
    (log.parent / "changed").mkdir()
    write_events(log.parent / "changed/events.jsonl", tuple(changed))
    code, found = again(run, 1, "--source", "changed/events.jsonl")
    assert code == 1
    assert found["compared"], found
    assert differing(found)[-1] == "digest"


def test_a_source_that_is_gone_is_an_error(log: Path, run: Run) -> None:
    (log.parent / "events.jsonl").unlink()
    code, _, said = run("receipts", "again", "1")
    assert code == 2
    assert "events.jsonl" in said


def test_a_replay_gives_the_same_counts_and_sums_again(log: Path, run: Run) -> None:
    assert run("replay", *SINK)[0] == 0
    stored = (log.parent / "w.duckdb").read_bytes()
    facts = receipt(log, 2).facts
    assert (facts["settings"]["schemas"], facts["per_second"] > 0) == ("sportscards", True)
    assert facts["settings"]["limits"]["elements_max"] > 0
    code, found = again(run, 2)
    assert (code, differing(found)) == (0, [])
    names = [one["what"] for one in found["compared"]]  # type: ignore[attr-defined]
    assert {"web: event_hash_sum", "web: quarantined", "read"} <= set(names)
    assert (log.parent / "w.duckdb").read_bytes() == stored


def test_a_replay_whose_receipt_says_otherwise_differs(log: Path, run: Run) -> None:
    assert run("replay", *SINK)[0] == 0
    true = receipt(log, 2)
    part = {**true.facts["partitions"][0], "event_hash_sum": "17", "loaded": 3}
    facts = {**true.facts, "partitions": [part]}
    number = keep(Log.open(log), "replay", facts, began=true.began, ended=true.ended).number
    code, found = again(run, number)
    assert (code, differing(found)) == (1, ["web: loaded", "web: event_hash_sum"])


@pytest.mark.usefixtures("log")
def test_another_codec_is_refused_and_the_types_that_changed_are_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("replay", *SINK)[0] == 0
    types = Router.type_fingerprints
    name = "sportscards.orders.v1.OrderPlaced"
    monkeypatch.setattr(Router, "fingerprint", "another")
    monkeypatch.setattr(Router, "type_fingerprints", lambda self: {**types(self), name: "another"})
    code, _, said = run("receipts", "again", "2")
    assert code == 1
    assert "Receipt 2 is of another codec" in said
    assert f": {name} changed." in said


def test_a_log_that_was_replaced_is_refused(log: Path, run: Run) -> None:
    assert run("replay", *SINK)[0] == 0
    true = receipt(log, 2)
    part = {**true.facts["partitions"][0], "digest": "0" * 64}
    facts = {**true.facts, "partitions": [part]}
    number = keep(Log.open(log), "replay", facts, began=true.began, ended=true.ended).number
    code, _, said = run("receipts", "again", number)
    assert code == 1
    assert "not those that the receipt speaks of" in said


def test_a_comparison_is_made_again_and_what_has_changed_since_differs(log: Path, run: Run) -> None:
    assert run("replay", *SINK)[0] == 0
    assert run("verify", *SINK, "--deep")[0] == 0
    assert again(run, 3)[0] == 0
    with duckdb.connect(str(log.parent / "w.duckdb")) as warehouse:
        warehouse.execute("DELETE FROM RAW.EVENTS WHERE event_id = 'v-1'")
    code, found = again(run, 3)
    assert (code, differing(found)) == (1, ["missing"])
    code, out, _ = run("receipts", "again", "3")
    assert code == 1
    assert "Not the same: missing was 0, and is 1." in out


def test_of_a_generation_its_own_raw_is_compared_again(log: Path, run: Run) -> None:
    assert run("replay", *SINK)[0] == 0
    warehouse = log.parent / "w.duckdb"
    with DuckDBSink(warehouse, clock=lambda: MOMENT) as sink:
        sink.begin_generation("g1", schemas=("RAW",), plan="0" * 64, facts={})
        with sink.shadow("g1") as shadow:
            replay(Log.open(log), shadow, codec_for(schemas.load()))
    assert run("verify", *SINK, "--generation", "g1")[0] == 0
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("DELETE FROM RAW.EVENTS WHERE event_id = 'v-1'")
    assert again(run, 3)[0] == 0


def test_kinds_that_are_not_done_again_say_what_to_do(log: Path, run: Run) -> None:
    true = receipt(log, 1)
    number = keep(Log.open(log), "dbt", {"nodes": 1}, began=true.began, ended=true.ended).number
    code, _, said = run("receipts", "again", number)
    assert code == 2
    assert "prove" in said
    assert run("receipts", "again", "99")[0] == 2


def test_an_option_that_was_a_secret_has_to_be_given_again(log: Path, run: Run) -> None:
    true = receipt(log, 1)
    used = {**true.facts["settings"], "options": {"password": "hunter2"}}
    facts = {**true.facts, "settings": used}
    kept = keep(Log.open(log), "capture", facts, began=true.began, ended=true.ended)
    assert "hunter2" not in json.dumps(kept.to_json())
    code, _, said = run("receipts", "again", kept.number)
    assert code == 2
    assert "The option password was a secret" in said
