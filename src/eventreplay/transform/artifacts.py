"""What dbt wrote at the end of a run: run_results.json, sources.json, manifest.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.transform.nodes import Node

RESULTS, SOURCES, MANIFEST = "run_results.json", "sources.json", "manifest.json"
_TABLES_SHOWN_MAX = 4
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86_400}
_Json = Mapping[str, Any]


@frozen(kw_only=True)
class Found:
    """What one run left; `compiled` is the SQL of each test that has one, by unique id."""

    nodes: tuple[Node, ...] = ()
    invocation_id: str = ""
    compiled: Mapping[str, str] = {}


def read(work: Path, command: str) -> Found | None:
    """What the run of `command` left in `work`; None if it ended before it had run anything."""
    document = _json(work / (SOURCES if command == "source freshness" else RESULTS))
    if document is None:
        return None
    manifest = _json(work / MANIFEST) or {}
    known = {**manifest.get("nodes", {}), **manifest.get("sources", {}), **manifest.get("unit_tests", {})}
    results: Sequence[_Json] = document["results"]
    made = _source if command == "source freshness" else _node
    return Found(
        nodes=tuple(made(result, known) for result in results),
        invocation_id=str(document["metadata"]["invocation_id"]),
        compiled={
            str(result["unique_id"]): str(result["compiled_code"])
            for result in results
            if str(result["unique_id"]).startswith("test.") and result.get("compiled_code")
        },
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None


def _node(result: _Json, known: Mapping[str, _Json]) -> Node:
    unique_id = str(result["unique_id"])
    kind, _, rest = unique_id.partition(".")
    about = known.get(unique_id, {})
    generic = about.get("test_metadata") or {}
    return Node(
        unique_id=unique_id,
        name=str(generic.get("name") or about.get("name") or rest.partition(".")[2] or rest),
        kind=kind,
        status=str(result["status"]),
        seconds=float(result["execution_time"]),
        message=" ".join(str(result.get("message") or "").split()),
        relation=_relation(kind, about, known),
        column=_column(about, generic.get("kwargs") or {}),
        failures=None if result.get("failures") is None else int(result["failures"]),
    )


def _relation(kind: str, about: _Json, known: Mapping[str, _Json]) -> str | None:
    """The table of a model, or the tables that a test is about, without the database."""
    if kind == "unit_test":
        return None if about.get("model") is None else str(about["model"])
    if kind != "test":
        return _name(about) if about.get("relation_name") else None
    attached = about.get("attached_node")
    looked_at = [attached] if attached else about.get("depends_on", {}).get("nodes", [])
    names = [_name(known[unique_id]) for unique_id in looked_at if unique_id in known]
    if not names:
        return None
    return ", ".join(names[:_TABLES_SHOWN_MAX]) + (", ..." if len(names) > _TABLES_SHOWN_MAX else "")


def _name(about: _Json) -> str:
    return f"{about['schema']}.{about.get('identifier') or about.get('alias') or about['name']}"


def _column(about: _Json, arguments: _Json) -> str | None:
    """The one column that a test judges, if it is one."""
    if about.get("column_name"):
        return str(about["column_name"])
    columns = arguments.get("columns")
    return str(columns[0]) if isinstance(columns, list) and len(columns) == 1 else None


def _source(result: _Json, known: Mapping[str, _Json]) -> Node:
    unique_id = str(result["unique_id"])
    about = known.get(unique_id, {})
    table = _name(about) if about else unique_id.split(".", 2)[-1]
    status = str(result["status"])
    return Node(
        unique_id=unique_id,
        name=unique_id.split(".", 2)[-1],
        kind="source",
        status=status,
        seconds=float(result.get("execution_time") or 0.0),
        message=_freshness(table, status, result),
        relation=table,
    )


def _freshness(table: str, status: str, result: _Json) -> str:
    if "max_loaded_at_time_ago_in_s" not in result:
        said = " ".join(str(result.get("error") or status).split())
        return f"{table} could not be asked for its age: {said}"
    hours = float(result["max_loaded_at_time_ago_in_s"]) / 3600
    loaded = str(result["max_loaded_at"])
    judged = f"the last row was loaded {hours:.1f} hours ago ({loaded})"
    limits = result.get("criteria") or {}
    limit = limits.get("error_after" if status == "error" else "warn_after") or {}
    if status == "pass" or not limit.get("count"):
        return f"{table} is fresh: {judged}"
    allowed = float(limit["count"]) * _UNITS_S[str(limit["period"])] / 3600
    return f"{table} is stale: {judged}, more than {allowed:g} hour{'' if allowed == 1 else 's'}"
