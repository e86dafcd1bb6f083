"""A package `dbt` that does as it is told, at once, where the real one takes seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

_CLI = """
import json, os, pathlib, signal, sys, threading

def cli():
    here = pathlib.Path(__file__).parents[2]
    work = pathlib.Path(os.environ["DBT_TARGET_PATH"])
    with (here / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({"argv": sys.argv, "env": dict(os.environ), "pid": os.getpid()}) + "\\n")
    plan = json.loads((here / "plan.json").read_text())
    if "--inline" in sys.argv:
        plan = plan["inline"]
    for line in plan.get("say", []):
        print(line, flush=True)
    if plan.get("wait"):
        try:
            threading.Event().wait(60)
        except KeyboardInterrupt:
            (here / "cancelled").touch()
            raise
    for name, content in plan.get("artifacts", {}).items():
        (work / name).write_text(json.dumps(content))
    sys.exit(plan.get("code", 0))
"""


@frozen
class Dbt:
    """Where the package and the project lie, and what was asked of it."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def plan(self, **plan: Any) -> None:
        """Say what the next calls do: `say` lines, `artifacts` to write, a `code`, `wait` for ever."""
        (self.folder / "plan.json").write_text(json.dumps(plan), "utf-8")

    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


@pytest.fixture
def dbt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dbt:
    folder = tmp_path / "fake"
    (folder / "dbt" / "cli").mkdir(parents=True)
    (folder / "dbt" / "__init__.py").touch()
    (folder / "dbt" / "cli" / "__init__.py").touch()
    (folder / "dbt" / "cli" / "main.py").write_text(_CLI, "utf-8")
    (folder / "project").mkdir()
    (folder / "project" / "dbt_project.yml").write_text("name: p\n", "utf-8")
    (folder / "project" / "profiles.yml").write_text("p: {}\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return Dbt(folder)


def logged(message: str, *, level: str = "info", **data: object) -> str:
    """A line of dbt's JSON log."""
    return json.dumps({"data": data, "info": {"msg": message, "level": level}})


def results(*nodes: Mapping[str, Any], which: str = "build") -> dict[str, Any]:
    """A run_results.json."""
    defaults = {"execution_time": 0.25, "message": None, "failures": None, "compiled_code": None}
    return {
        "metadata": {"invocation_id": "inv-1"},
        "args": {"which": which},
        "results": [{**defaults, **node} for node in nodes],
    }


MODEL = {"unique_id": "model.p.fct", "status": "success", "message": "OK"}
RED = {
    "unique_id": "test.p.within_fct_rate.abc", "status": "fail", "failures": 7,
    "message": "Got 7 results, configured to fail if != 0", "compiled_code": "select id, rate from fct",
}  # fmt: skip
MANIFEST = {
    "nodes": {
        "model.p.fct": {"name": "fct", "schema": "MART", "alias": "fct", "relation_name": '"w"."MART"."fct"'},
        "test.p.within_fct_rate.abc": {
            "name": "within_fct_rate", "schema": "audit", "attached_node": "model.p.fct",
            "test_metadata": {"name": "within", "kwargs": {"columns": ["rate"]}},
        },
    },
    "sources": {
        "source.p.raw.events": {"name": "events", "schema": "RAW", "identifier": "EVENTS"},
    },
}  # fmt: skip
