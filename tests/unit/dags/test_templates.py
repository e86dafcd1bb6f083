"""What the tasks of a rebuild are told when they run, rendered from parameters and XComs as Airflow does."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import full_rebuild
import pytest

PLAN = {"format": 1, "name": "g1", "models": {"m": {"key": [], "share": 0.5}}, "before": None, "raw": True}
RETURNED = {
    "plan": {"plan": PLAN, "raw_of": "g1", "summary": "3 models changed."},
    "diff": {"summary": "| table | added |"},
}


@pytest.fixture(scope="module")
def dag() -> Any:
    return full_rebuild.full_rebuild()


def rendered(dag: Any, task_id: str, **params: object) -> Any:
    """The task, rendered with these parameters over the DAG's own."""
    task = dag.get_task(task_id)
    variables = {
        "eventreplay_log_url": "/log", "eventreplay_sink_url": "duckdb:////w.duckdb",
        "eventreplay_schemas": "shop",
    }  # fmt: skip
    context = {
        "params": {**{name: dag.params[name] for name in dag.params}, **params},
        "var": {"value": Variables(variables)},
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: RETURNED[task_ids]),
        "dag_run": SimpleNamespace(run_after=datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)),
    }
    task.render_template_fields(context, dag.get_template_env())
    return task


class Variables:
    """As `var.value` is in a template."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known

    def __getattr__(self, name: str) -> str:
        return self._known[name]

    def get(self, name: str, default: str) -> str:
        return self._known.get(name, default)


@pytest.mark.parametrize("task_id", ["run", "diff", "promote"])
def test_the_plan_arrives_as_it_was_returned(dag: Any, task_id: str) -> None:
    task = rendered(dag, task_id)
    assert task.told_plan()["plan"] == PLAN
    assert (task.log_url, task.sink, task.schemas) == ("/log", "duckdb:////w.duckdb", "shop")


def test_a_generation_is_named_after_its_run_unless_somebody_names_it(dag: Any) -> None:
    assert rendered(dag, "plan").generation == "g260131120005"
    assert rendered(full_rebuild.full_rebuild(), "plan", name="g1").generation == "g1"


def test_the_code_that_is_to_be_goes_before_the_code_that_is() -> None:
    task = rendered(full_rebuild.full_rebuild(), "plan", schemas="mended", project="/new", raw=False)
    told = task.told_code()
    assert (told["schemas"], told["project"], task.raw) == ("mended", "/new", False)


def test_what_is_compared_with_the_log_is_the_raw_that_the_plan_names(dag: Any) -> None:
    assert rendered(dag, "verify").generation == "g1"


def test_a_person_sees_the_plan_before_and_the_difference_after(dag: Any) -> None:
    assert rendered(dag, "approve_plan", approve=True).body == "3 models changed."
    asked = rendered(dag, "approve_promotion")
    assert (asked.body, asked.wanted) == ("| table | added |", False)
