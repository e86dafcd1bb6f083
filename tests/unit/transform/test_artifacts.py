from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventreplay.transform import Node, artifacts
from eventreplay.transform.artifacts import Found
from tests.unit.transform.conftest import MANIFEST, MODEL, RED, results

FRESH = {
    "unique_id": "source.p.raw.events", "max_loaded_at": "2026-07-01T00:00:00+00:00",
    "max_loaded_at_time_ago_in_s": 95_040.0, "execution_time": 0.1, "status": "pass",
    "criteria": {"warn_after": {"count": 1, "period": "day"}, "error_after": {"count": 25, "period": "hour"}},
}  # fmt: skip


def read(work: Path, command: str, **files: Any) -> Found:
    for name, content in {"manifest": MANIFEST, **files}.items():
        (work / f"{name}.json").write_text(json.dumps(content), "utf-8")
    found = artifacts.read(work, command)
    assert found is not None
    return found


def test_nothing_there_is_nothing_run(tmp_path: Path) -> None:
    assert artifacts.read(tmp_path, "build") is None
    assert artifacts.read(tmp_path, "source freshness") is None


def test_only_tests_have_a_query_to_ask_again(tmp_path: Path) -> None:
    model = {**MODEL, "compiled_code": "select 1"}
    found = read(tmp_path, "build", run_results=results(model, RED))
    assert found.compiled == {RED["unique_id"]: RED["compiled_code"]}
    assert [node.failures for node in found.nodes] == [None, 7]


@pytest.mark.parametrize(
    ("status", "begin", "end"),
    [
        ("pass", "RAW.EVENTS is fresh", ""),
        ("warn", "RAW.EVENTS is stale", ", more than 24 hours"),
        ("error", "RAW.EVENTS is stale", ", more than 25 hours"),
    ],
)
def test_freshness_says_table_age_and_threshold(tmp_path: Path, status: str, begin: str, end: str) -> None:
    document = {"metadata": {"invocation_id": "i"}, "results": [{**FRESH, "status": status}]}
    (node,) = read(tmp_path, "source freshness", sources=document).nodes
    age = "the last row was loaded 26.4 hours ago (2026-07-01T00:00:00+00:00)"
    assert str(node) == f"{begin}: {age}{end}"
    assert (node.kind, node.relation) == ("source", "RAW.EVENTS")


def test_a_source_that_cannot_be_asked(tmp_path: Path) -> None:
    result = {"unique_id": "source.p.raw.events", "status": "runtime error", "error": "no\n  such table"}
    document = {"metadata": {"invocation_id": "i"}, "results": [result]}
    (node,) = read(tmp_path, "source freshness", sources=document).nodes
    assert str(node) == "RAW.EVENTS could not be asked for its age: no such table"


def test_a_test_over_many_tables_names_the_first_of_them(tmp_path: Path) -> None:
    models = {
        f"model.p.m{n}": {"name": f"m{n}", "schema": "MART", "alias": f"m{n}", "relation_name": f"MART.m{n}"}
        for n in range(6)
    }
    about = {"name": "sums", "schema": "audit", "depends_on": {"nodes": list(models)}}
    manifest = {"nodes": {**models, "test.p.sums": about}}
    result = {"unique_id": "test.p.sums", "status": "fail", "failures": 1}
    (node,) = read(tmp_path, "test", manifest=manifest, run_results=results(result)).nodes
    assert str(node) == "sums failed on MART.m0, MART.m1, MART.m2, MART.m3, ...: 1 row"


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (Node(unique_id="u", name="fct", kind="model", status="error", seconds=0, message="no such column",
              relation="MART.fct"), "model fct on MART.fct: no such column"),
        (Node(unique_id="u", name="t", kind="test", status="error", seconds=0, message="no table",
              relation="MART.fct", column="rate"), "test t on MART.fct.rate: no table"),
        (Node(unique_id="u", name="t", kind="test", status="warn", seconds=0, message="", failures=2,
              rows=({"a": "1"}, {"a": "2"})), "t ended as warn: 2 rows: a=1; a=2"),
    ],
)  # fmt: skip
def test_a_node_in_one_sentence(node: Node, said: str) -> None:
    assert str(node) == said
