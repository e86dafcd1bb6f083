"""plan: what changed, what is read, what is affected; and the file that nobody edits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from eventreplay.errors import ConfigError, GenerationError, PlanError
from eventreplay.rebuild import Plan, Selection
from eventreplay.rebuild.lineage import lineage_of
from eventreplay.receipts import keep, loaded
from eventreplay.replay import replay
from tests.records import MOMENT, memory_storage, open_log
from tests.unit.rebuild.conftest import OLD, Shop
from tests.unit.rebuild.house import AT_ONCE, NOW, SINK, TYPES, fill, generation
from tests.unit.rebuild.house import shop as a_shop


def test_a_plan_is_the_same_when_it_is_read_again(shop: Shop, tmp_path: Path) -> None:
    shop.built()
    found = shop.plan(
        selection=Selection(types=TYPES, since=MOMENT), until=[{"journal": 3}], settings={"schemas": "shop"}
    )
    path = tmp_path / "g1.plan.json"
    path.write_text(found.text())
    again = Plan.read(path)
    assert again == found
    assert again.sha256 == found.sha256 == json.loads(path.read_text())["sha256"]


def test_a_plan_that_was_edited_is_refused_whatever_was_edited(shop: Shop) -> None:
    facts = shop.plan().to_json()
    refused = 0
    for name, value in facts.items():
        for other in (None, 1, "x", {}, [], {**value, "x": 1} if isinstance(value, dict) else [value]):
            if other != value:
                with pytest.raises(PlanError):
                    Plan.from_json({**facts, name: other})
                refused += 1
        with pytest.raises(PlanError):
            Plan.from_json({key: item for key, item in facts.items() if key != name})
    assert refused > 100
    deep = json.loads(json.dumps(facts))
    deep["log"]["partitions"]["journal"]["upto"] = 1
    with pytest.raises(PlanError, match="changed after it was made"):
        Plan.from_json(deep)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 9}', "null", '"x"', "[" * 100_000, "é"])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(PlanError):
        Plan.read(path)
    with pytest.raises(PlanError):
        Plan.read(tmp_path / "none.json")


def test_another_codec_makes_raw_again_and_what_is_read_is_counted_from_commits(shop: Shop) -> None:
    found = shop.plan()
    (part,) = found.partitions
    head = shop.log.reader("journal").head()
    assert head is not None
    assert (part.commit, part.upto, part.digest, part.upto_digest) == (5, 5, head.sha256, head.sha256)
    assert (found.events, found.rejects) == (20, 0)
    sizes = [ref.bytes for commit in shop.log.reader("journal").commits() for ref in commit.segments]
    assert found.bytes == sum(sizes)
    assert found.schemas == ("RAW", "STAGING", "MART")
    assert found.codec_before is not None
    assert (found.codec_before.fingerprint, found.codec.fingerprint) == ("hex-1", "hex-2")
    assert found.raw_reasons == ("the codec is another (of which types is not known)",)
    assert found.models_affected == ("clean", "mart", "rates")
    assert [each.name for each in found.exposures if each.affected] == ["board", "prices"]
    assert found.live == "first"


def test_the_same_codec_leaves_raw_and_builds_the_models_alone(shop: Shop) -> None:
    shop.built()
    same = evolve(shop, codec=OLD)
    found = same.plan()
    assert (found.makes_raw, found.schemas, found.events, found.bytes) == (False, ("STAGING", "MART"), 0, 0)
    assert (found.models_changed, found.models_affected, found.types_changed) == ((), (), ())
    assert not any(each.affected for each in found.exposures)
    forced = same.plan(force_raw=True)
    assert (forced.schemas, forced.raw_reasons) == (("RAW", "STAGING", "MART"), ("it was asked for",))
    assert forced.models_affected == ()  # the same rows again
    assert same.with_code(mart="select 2").plan().models_affected == ("mart",)
    changed = same.with_code(clean="select 2").plan()
    assert (changed.models_changed, changed.models_affected) == (("clean",), ("clean", "mart"))
    assert [each.name for each in changed.exposures if each.affected] == ["board"]


def test_an_empty_warehouse_is_loaded(shop: Shop) -> None:
    shop.house.live_raw.checkpoints.clear()
    found = shop.plan()
    assert (found.codec_before, found.raw_reasons) == (None, ("nothing is loaded yet",))


def test_types_are_known_from_a_receipt_of_the_codec_that_made_the_rows(shop: Shop) -> None:
    receipt = replay(shop.log, shop.house.open_sink(), OLD)
    facts = loaded(shop.log, receipt, sink=SINK, settings={"types": {"a": "1", "b": "2", "*": "3"}})
    keep(shop.log, "replay", facts, began=NOW, ended=NOW)
    keep(shop.log, "replay", {**facts, "codec": "other", "settings": {}}, began=NOW, ended=NOW)
    found = shop.plan()
    assert found.codec_before is not None
    assert found.codec_before.types == {"a": "1", "b": "2", "*": "3"}
    assert found.types_changed == ("*", "a", "b")  # this codec has one fingerprint for all


def test_models_that_several_versions_made_are_not_known(shop: Shop) -> None:
    shop.built()
    shop.with_code(clean="select 2", mart="select 2").built(full_refresh=False)
    found = shop.plan()
    assert found.models_before is not None
    # `clean` is incremental: older rows are of the older version; `mart` is made anew each time.
    assert set(found.models_before) == {"mart", "rates"}
    assert found.models_changed == ("clean", "mart")
    shop.with_code(clean="select 2").built(full_refresh=True)
    again = shop.plan().models_before
    assert again is not None
    assert "clean" in again


def test_builds_of_another_generation_of_another_sink_or_of_a_shadow_do_not_count(shop: Shop) -> None:
    shop.built()
    other = shop.with_code(mart="select 9")
    other.built(sink="memory://elsewhere")
    other.built(suffix="_G1")
    facts = {"action": "promote", "sink": SINK, "name": "g0", "before": "first"}
    keep(shop.log, "rebuild", facts, began=NOW, ended=NOW)
    other.built()
    keep(
        shop.log,
        "rebuild",
        {**facts, "action": "rollback", "name": "first", "before": "g0"},
        began=NOW,
        ended=NOW,
    )
    found = evolve(shop, codec=OLD).plan()
    assert (found.models_changed, found.models_affected) == ((), ())


def test_what_a_promoted_generation_was_built_by_comes_from_its_facts(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    shop.promote(made)
    found = shop.with_code(mart="select 5").plan("g2")
    assert (found.live, found.makes_raw, found.models_changed) == ("g1", False, ("mart",))
    assert found.codec_before is not None
    assert found.codec_before.types == made.codec.types


def test_the_time_is_reckoned_from_receipts_else_measured(shop: Shop) -> None:
    measured = shop.plan().estimate
    assert measured.load_seconds is not None
    assert (measured.dbt_seconds, measured.seconds) == (None, None)
    assert "measured" not in measured.basis[0]
    assert "read and decoded now" in measured.basis[0]
    facts = {
        "action": "run",
        "sink": SINK,
        "read": 10_000,
        "load_seconds": 5_000.0,
        "first_build_seconds": 9.2,
    }
    keep(shop.log, "rebuild", facts, began=NOW, ended=NOW)
    known = shop.plan().estimate
    assert (known.load_seconds, known.dbt_seconds, known.seconds) == (10, 10, 20)


def test_as_of_a_commit_and_as_of_a_moment(shop: Shop) -> None:
    fill(shop.log, 40)
    assert shop.plan(until=[{"journal": 2}]).events == 8
    assert shop.plan(until=[{"journal": 0}]).partitions[0].upto_digest == ""
    # Event 24 was recorded at 2026-02-02T00:00.
    midnight = datetime(2026, 2, 2, tzinfo=UTC)
    found = shop.plan(until=[midnight - timedelta(hours=1)])
    assert (found.partitions[0].upto, found.events, found.is_as_of) == (6, 24, True)
    assert shop.plan(until=[midnight]).events == 24  # commit 7 holds what came later, too
    assert shop.plan(until=[midnight + timedelta(hours=3)]).events == 28
    assert shop.plan(until=[datetime(2020, 1, 1, tzinfo=UTC)]).events == 0
    assert shop.plan(until=[midnight, {"journal": 2}]).events == 8
    for wrong in ({"journal": 11}, {"journal": -1}, {"nowhere": 1}):
        with pytest.raises(ConfigError):
            shop.plan(until=[wrong])


def test_a_selection_is_partial_and_what_it_takes_is_a_bound(shop: Shop) -> None:
    found = shop.plan(selection=Selection(streams=["stream-1"]))
    assert found.is_partial
    assert found.to_json()["reads"] == {
        "events": 20, "rejects": 0, "bytes": found.bytes, "loads": "at most",
    }  # fmt: skip
    assert any("never to be promoted" in note for note in found.notes)


def test_a_name_that_is_taken_and_a_promotion_half_done_are_refused(shop: Shop) -> None:
    with pytest.raises(ConfigError):
        shop.plan("G 1")
    with pytest.raises(ConfigError):
        shop.plan("first")
    shop.run(shop.plan())
    with pytest.raises(GenerationError, match="already; it is ready"):
        shop.plan()
    shop.house.known.append(generation("g2", "promoting", ("RAW",), "ab"))
    with pytest.raises(GenerationError, match="broken off") as caught:
        shop.plan("g3")
    assert "rebuild promote g2" in caught.value.hint


def test_no_log_is_no_empty_log(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="no log"):
        evolve(shop, log=open_log(memory_storage())).plan()


def _lineage(manifest: dict[str, Any], raw: str = "RAW") -> Any:
    return lineage_of(manifest, suffix="_G1", raw_schema=raw)


def test_a_project_that_would_build_over_the_live_tables_is_refused() -> None:
    for wrong, said in (
        (a_shop("RAW_G1", ""), "over what is live"),
        (a_shop("RAW", "_G1"), "by a fixed name"),
        (a_shop("raw", "_G1"), "by a fixed name"),
    ):
        with pytest.raises(PlanError, match=said):
            _lineage(wrong)
    into_raw = a_shop("RAW_G1", "_G1")
    into_raw["nodes"]["model.shop.clean"]["schema"] = "RAW_G1"
    with pytest.raises(PlanError, match="belongs to the loads"):
        _lineage(into_raw)
    assert _lineage(a_shop("RAW_G1", "_G1")).models["clean"].reads == ("RAW.EVENTS",)


def test_lineage_has_live_names_keys_and_the_order_of_schemas() -> None:
    found = _lineage(a_shop("RAW_G1", "_G1"))
    mart = found.models["mart"]
    assert (mart.relation, mart.parents, mart.key) == ("MART.mart", ("clean", "rates"), ("day", "sku"))
    assert (found.models["clean"].key, found.models["clean"].materialized) == (("id",), "incremental")
    assert found.schemas() == ("STAGING", "MART")
    assert found.affected_by([], ["RAW.EVENTS"]) == ("clean", "mart")


def test_patience_waits_for_a_busy_warehouse(shop: Shop) -> None:
    shop.house.busy = 2
    assert shop.plan(patience=AT_ONCE).live == "first"
