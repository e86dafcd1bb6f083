"""Fingerprints of models: what is in them, and what is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventreplay.rebuild.fingerprints import changed_types, codec_types, model_fingerprints
from tests.hex_codec import HexCodec
from tests.unit.rebuild.house import shop

Change = Callable[[dict[str, Any]], None]


def changed(change: Change) -> set[str]:
    """Models whose fingerprints a change of the manifest changes."""
    before = shop("RAW", "")
    after = copy.deepcopy(before)
    change(after)
    first, second = model_fingerprints(before), model_fingerprints(after)
    return {name for name in first if first[name] != second[name]}


def of_macro(name: str, package: str = "shop") -> Change:
    def change(manifest: dict[str, Any]) -> None:
        manifest["macros"][f"macro.{package}.{name}"]["macro_sql"] += " "

    return change


def of_node(unique_id: str, name: str, value: object) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        manifest["nodes"][unique_id][name] = value

    return change


def of_config(unique_id: str, name: str, value: object) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        manifest["nodes"][unique_id]["config"][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (of_node("model.shop.clean", "raw_code", "x"), {"clean"}),
        (of_macro("cents"), {"clean"}),
        (of_macro("rounded"), {"clean"}),
        (of_macro("default__half_up"), {"clean"}),
        (of_macro("get_incremental_ours_sql"), {"clean"}),
        (of_macro("duckdb__create_table_as"), {"clean", "mart", "rates"}),
        (of_macro("shared"), {"mart"}),
        (of_macro("unused"), set()),
        (of_macro("snowflake__half_up"), set()),
        (of_macro("generate_schema_name"), set()),
        (of_macro("default__create_table_as", "dbt"), set()),
        (of_config("model.shop.mart", "materialized", "view"), {"mart"}),
        (of_config("model.shop.mart", "pre-hook", [{"sql": "{{ cents() }}"}]), {"mart"}),
        (of_config("model.shop.mart", "meta", {"touched": "x"}), {"mart"}),
        (of_config("model.shop.mart", "meta", {"eventreplay": {"day": "x"}}), set()),
        (of_config("model.shop.mart", "schema", "OTHER"), set()),
        (of_config("model.shop.mart", "tags", ["x"]), set()),
        (of_node("seed.shop.rates", "checksum", {"checksum": "other"}), {"rates"}),
        (of_node("model.shop.mart", "checksum", {"checksum": "other"}), set()),
        (of_node("model.shop.mart", "description", "x"), set()),
        (of_node("model.shop.mart", "depends_on", {"nodes": []}), set()),
    ],
)
def test_what_a_change_is_about(change: Change, expected: set[str]) -> None:
    assert changed(change) == expected


def test_the_names_of_a_shadow_have_no_part() -> None:
    assert model_fingerprints(shop("RAW", "")) == model_fingerprints(shop("RAW_G1", "_G1"))


def test_variables_are_part_of_what_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "dbt_project.yml"
    prints = []
    for text in ("name: a\nvars:\n  x: 1\nmodels: {}\n", "name: b\nvars:\n  x: 1\n\n# x\nmodels:\n  y: 1\n",
                 "vars:\n  x: 2\n"):  # fmt: skip
        file.write_text(text)
        prints.append(model_fingerprints(shop("RAW", ""), project=tmp_path))
    assert prints[0] == prints[1] != prints[2]
    assert {name for name in prints[0] if prints[0][name] != prints[2][name]} == {"mart"}
    told = model_fingerprints(shop("RAW", ""), project=tmp_path, variables={"x": 3})
    assert {name for name in told if told[name] != prints[2][name]} == {"mart"}


def test_columns_count_where_a_contract_holds() -> None:
    enforced = shop("RAW", "")
    node = enforced["nodes"]["model.shop.mart"]
    node["contract"] = {"enforced": True}
    first = model_fingerprints(enforced)["mart"]
    node["columns"]["id"]["data_type"] = "bigint"
    assert model_fingerprints(enforced)["mart"] != first


def test_types_that_one_side_does_not_know_are_what_all_others_are_there() -> None:
    assert changed_types({"a": "1", "*": "9"}, {"a": "1", "*": "9"}) == ()
    assert changed_types({"a": "1", "*": "9"}, {"a": "2", "b": "3", "*": "9"}) == ("a", "b")
    assert changed_types({"*": "9"}, {"b": "9", "*": "9"}) == ()
    assert changed_types({"a": "1", "*": "9"}, {"*": "8"}) == ("*", "a")


def test_a_codec_that_cannot_tell_types_apart_has_one_for_all() -> None:
    assert codec_types(HexCodec()) == {"*": "hex-1"}
