"""Parses dags/ as Airflow does, in a process of its own, and prints what came of it as JSON.

Whatever a DAG file could ask the outside for is trapped while the files are imported: connections and
variables of Airflow, the environment, files, sockets, processes. Python's own import reads files and Airflow
its settings, so files and the environment count only where a DAG file asks, no import in between.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

_home = tempfile.TemporaryDirectory(prefix="eventreplay-dags-")
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
FOLDER = Path(sys.argv[1]).resolve()
sys.path.append(str(FOLDER))  # as the DAG processor does

from airflow.dag_processing.dagbag import DagBag  # noqa: E402 - Airflow reads its home when it is imported
from airflow.sdk import Connection, Variable  # noqa: E402 - the same

asked: list[str] = []
TRAPPED_EVENTS = ("socket.connect", "subprocess.Popen", "os.system", "urllib.Request", "sqlite3.connect")


def _in_dag_file() -> bool:
    """Whether a frame of a DAG file is the one that asks, no import between it and the question."""
    for frame, _ in traceback.walk_stack(sys._getframe(2)):
        name = frame.f_code.co_filename
        if "importlib" in name:
            return False
        if name.startswith(str(FOLDER)):
            return True
    return False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in TRAPPED_EVENTS or (event == "open" and _in_dag_file()):
        asked.append(f"{event} {arguments[0] if arguments else ''}")


class _Environment(type(os.environ)):  # type: ignore[misc]
    """The environment, which a DAG file must not look into."""

    def __getitem__(self, key: str) -> str:
        if not key.startswith("AIRFLOW__") and _in_dag_file():
            asked.append(f"os.environ {key}")
        return str(super().__getitem__(key))


def _refuse(what: str) -> Any:
    def refused(*arguments: object, **_: object) -> None:
        asked.append(f"{what} {arguments[-1] if arguments else ''}")
        raise AssertionError(what)

    return classmethod(refused)


def main() -> None:
    """Parse, and print."""
    for cls in (Connection, Variable):
        setattr(cls, "get", _refuse(f"{cls.__name__}.get"))  # noqa: B010 - a method is replaced
    os.environ.__class__ = _Environment
    sys.addaudithook(_audit)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        bag = DagBag(str(FOLDER), bundle_path=FOLDER, bundle_name="dags")
    found = {
        "asked": list(asked),
        "errors": bag.import_errors,
        "warnings": [f"{each.filename}: {each.message}" for each in warned if str(FOLDER) in each.filename]
        + [str(each) for each in bag.captured_warnings.values()],
        "dags": {dag_id: _described(dag) for dag_id, dag in bag.dags.items()},
    }
    sys.stdout.write(json.dumps(found, default=str))


def _described(dag: Any) -> dict[str, Any]:
    return {
        "file": Path(dag.fileloc).stem,
        "doc_md": dag.doc_md,
        "description": dag.description,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags),
        "deadline": [str(each.interval) for each in _listed(dag.deadline)],
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "defaults": {name: dag.params[name] for name in dag.params},
        "schedule": type(dag.timetable).__name__,
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _task(task: Any) -> dict[str, Any]:
    return {
        "kind": task.task_type,
        "owner": task.owner,
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "timeout_s": (task.execution_timeout or task.response_timeout).total_seconds(),
        "pool": task.pool,
        "callback": bool(task.on_failure_callback),
        "doc_md": getattr(task, "doc_md", None) or task.partial_kwargs.get("doc_md"),
        "after": sorted(task.upstream_task_ids),
    }


if __name__ == "__main__":
    with _home:
        main()
