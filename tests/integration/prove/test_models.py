"""prove over dbt: models that are no function of RAW, each found, and where the trouble begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.errors import TransformError
from eventreplay.prove import CodecName, Difference, Proof, ProveOptions, prove, ranges_of
from eventreplay.prove.proof import AGAIN
from tests.integration.prove.material import filled, two
from tests.integration.prove.planted_codecs import place

PROJECT = Path(__file__).with_name("project")
BEGIN = {"asks_the_clock", "throws_dice", "joined_texts", "numbers_ties", "in_the_zone"}


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """Two runs in two orders of RAW's rows and two zones."""
    log = filled(tmp_path_factory.mktemp("prove") / "log")
    changed = two(row_order="reversed", zone="Pacific/Kiritimati")
    options = ProveOptions(how=changed, project=PROJECT, finds_causes=False)
    return prove(log, CodecName(name=place("none")), ranges_of(log), options=options)


@pytest.fixture(scope="module")
def found(proof: Proof) -> dict[str, Difference]:
    return {one.table.removeprefix("MART."): one for one in proof.differences}


def test_each_model_that_is_no_function_of_raw_is_found_and_those_that_begin_come_first(
    found: dict[str, Difference],
) -> None:
    assert set(found) == {*BEGIN, "below"}
    assert [one.begins for one in found.values()] == [True] * len(BEGIN) + [False]
    assert {name for name, one in found.items() if one.begins} == BEGIN


def test_a_model_with_a_key_is_named_by_it_with_both_values(found: dict[str, Difference]) -> None:
    joined = found["joined_texts"].found
    assert (joined.rows, joined.columns) == (1, ("ids",))
    (first,) = joined.named
    assert (first.key, first.column) == ({"event_type": "plain"}, "ids")
    assert first.values[0] is not None
    assert first.values[1] is not None
    assert first.values[0].startswith("journal-0-plain journal-1-plain")
    assert first.values[1].startswith("other-5-plain other-4-plain")
    clock = found["asks_the_clock"].found
    assert (clock.columns, clock.rows) == (("seen_at",), 30)
    assert clock.named[0].key == {"event_id": "journal-0-plain"}


def test_a_model_without_a_key_is_named_by_the_columns_that_are_alike(found: dict[str, Difference]) -> None:
    dice = found["throws_dice"].found
    assert dice.columns == ("dice",)
    assert set(dice.named[0].key) == {"event_id"}


@pytest.mark.long
def test_what_each_one_depends_on_is_found(tmp_path: Path) -> None:
    log = filled(tmp_path / "log")
    options = ProveOptions(how=two(row_order="reversed", zone="Pacific/Kiritimati"), project=PROJECT)
    proof = prove(log, CodecName(name=place("none")), ranges_of(log), options=options)
    causes = {one.table.removeprefix("MART."): one.causes for one in proof.differences if one.begins}
    assert causes == {
        "asks_the_clock": (AGAIN,),
        "throws_dice": (AGAIN,),
        "joined_texts": ("order of RAW's rows (dbt)",),
        "numbers_ties": ("order of RAW's rows (dbt)",),
        "in_the_zone": ("time zone",),
    }


def test_a_model_that_asks_for_today_is_equal_and_yet_not_proven(proof: Proof) -> None:
    assert proof.asking == {"of_today": ("now",)}


def test_the_moment_of_the_load_is_not_compared_and_is_named(proof: Proof) -> None:
    assert proof.skipped["MART.events"] == ("inserted_at",)


@pytest.mark.long
def test_a_run_in_which_dbt_fails_is_an_error(tmp_path: Path) -> None:
    log = filled(tmp_path / "log")
    (tmp_path / "project/models").mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / "project" / name).write_text((PROJECT / name).read_text())
    (tmp_path / "project/models/wrong.sql").write_text("select 1 / 0 as x, error('no')")
    options = ProveOptions(how=two(row_order="reversed"), project=tmp_path / "project")
    with pytest.raises(TransformError, match=r"^Run 1 of 2: dbt build: 1 of 1 failed"):
        prove(log, CodecName(name=place("none")), ranges_of(log), options=options)
