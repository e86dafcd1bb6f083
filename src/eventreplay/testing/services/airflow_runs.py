"""What a user does with an Airflow, over its REST API: trigger, wait, read, clear."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from eventreplay.testing.services.airflow_api import (
    NOT_FOUND,
    AirflowApi,
    AirflowError,
    Run,
    RunState,
    TaskState,
    path_of,
    run_state,
    task_state,
)

KNOWN_S_MAX = 90
"""How long a DAG file may take from being there to being known."""

RUN_S_MAX = 240.0
STARTED_S_MAX = 90.0
LOOK_S = 0.25
QUIET_LOOKS = 8
MARKS_MAX = 5
SERVER_ERROR = 500
LOG_LINES_MAX = 40
LINE_CHARACTERS_MAX = 2_000

_WHOSE = {"dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id", "ti"}
"""Stands beside every entry of a task's log."""

T = TypeVar("T")


class AirflowRuns:
    """DAGs and runs of one Airflow.

    Attributes:
        api: for what has no method here.
    """

    def __init__(self, api: AirflowApi) -> None:
        self.api = api

    def dags(self) -> dict[str, bool]:
        """Every DAG that was parsed → whether it is paused."""
        return {row["dag_id"]: row["is_paused"] for row in self.api.all("/dags", "dags")}

    def import_errors(self) -> dict[str, str]:
        """File → what its import said."""
        rows = self.api.all("/importErrors", "import_errors")
        return {row["filename"]: row["stack_trace"] for row in rows}

    def wait_known(self, *dag_ids: str, timeout_s: float = KNOWN_S_MAX) -> None:
        """Wait until DAGs were parsed and stored.

        Raises:
            AirflowError: they are not there in time; the message has the errors of imports.
        """

        def absent() -> list[str] | None:
            known = self.dags()
            return None if all(name in known for name in dag_ids) else sorted(set(dag_ids) - set(known))

        if self._until(lambda: True if absent() is None else None, timeout_s) is None:
            errors = "; ".join(f"{name}: {text[-800:]}" for name, text in self.import_errors().items())
            raise AirflowError(
                f"No such DAG after {timeout_s:.0f} s: {', '.join(absent() or [])}."
                f" Imports say: {errors or 'nothing'}",
                hint="Look at the file's name and folder, and at the errors of its import.",
            )

    def pause_dag(self, dag_id: str) -> None:
        """Neither assets nor a timetable start it from now on."""
        self.api.ask("PATCH", f"/dags/{quote(dag_id)}", {"is_paused": True})

    def unpause_dag(self, dag_id: str) -> None:
        """Let runs of it be started and go on; waits until it is known."""
        self.wait_known(dag_id)
        self.api.ask("PATCH", f"/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(
        self,
        dag_id: str,
        conf: Mapping[str, object] | None = None,
        *,
        run_id: str | None = None,
        logical_date: str | None = None,
    ) -> Run:
        """Start a run; waits until the DAG is known, and unpauses it.

        Args:
            dag_id: which.
            conf: the run's parameters.
            run_id: its name; None: Airflow makes one up.
            logical_date: ISO 8601; None: the run has none.
        """
        self.unpause_dag(dag_id)
        body = {"dag_run_id": run_id, "conf": dict(conf or {}), "logical_date": logical_date}
        return run_state(self.api.ask("POST", f"/dags/{quote(dag_id)}/dagRuns", body)).run

    def state(self, run: Run) -> RunState:
        """The run and its tasks now."""
        row = self.api.get(path_of(run))
        tasks = self.api.all(f"{path_of(run)}/taskInstances", "task_instances")
        return run_state(row, tuple(task_state(each) for each in tasks))

    def wait(self, run: Run, timeout_s: float = RUN_S_MAX, *, check: bool = True) -> RunState:
        """Wait until a run has ended.

        Args:
            run: which.
            timeout_s: how long at most.
            check: a run that failed is an error; else its state is returned like any other.

        Raises:
            AirflowError: it did not end in time, or (`check`) failed; the message has the ends of its logs.
        """
        ended = self._until(lambda: self._ended(run), timeout_s)
        if ended is None:
            now = self.state(run)
            raise AirflowError(
                f"{run.dag_id} did not end within {timeout_s:.0f} s; it is {now.state}."
                f" {_summary(now)}\n{self._tails(run, [t for t in now.tasks if t.state == 'running'])}",
                run=run.run_id,
            )
        if check and ended.state != "success":
            culprits = [task for task in ended.tasks if task.state == "failed"]
            raise AirflowError(
                f"{run.dag_id} is {ended.state}. {_summary(ended)}\n{self._tails(run, culprits)}",
                hint="The log's end is above; the whole of it: AirflowServer.log(run, task_id).",
                run=run.run_id,
            )
        return ended

    def wait_task(
        self,
        run: Run,
        task_id: str,
        states: Sequence[str],
        *,
        map_index: int = -1,
        try_number: int = 1,
        timeout_s: float = STARTED_S_MAX,
    ) -> TaskState:
        """Wait until a try of a task (or a later one) is in one of `states`.

        Raises:
            AirflowError: it is not, in time, or the run ended before it was; with the ends of the logs of
                what failed.
        """

        def reached(now: RunState) -> TaskState | None:
            found = [each for each in now.of(task_id) if each.map_index == map_index]
            good = found and found[0].try_number >= try_number and found[0].state in states
            return found[0] if good else None

        def decided() -> RunState | None:
            now = self.state(run)
            return now if now.ended or reached(now) is not None else None

        now = self._until(decided, timeout_s) or self.state(run)
        task = reached(now)
        if task is None:
            culprits = [each for each in now.tasks if each.state == "failed"]
            raise AirflowError(
                f"{run.dag_id}.{task_id}[{map_index}] was not {' or '.join(states)} within {timeout_s:.0f} s;"
                f" the run is {now.state}. {_summary(now)}\n{self._tails(run, culprits)}",
                run=run.run_id,
            )
        return task

    def runs(self, dag_id: str, run_type: str | None = None) -> list[RunState]:
        """Runs of a DAG, the oldest first; without their tasks."""
        rows = self.api.all(
            f"/dags/{quote(dag_id)}/dagRuns", "dag_runs", order_by="run_after", run_type=run_type
        )
        return [run_state(row) for row in rows]

    def wait_runs(
        self, dag_id: str, count: int, *, run_type: str = "asset_triggered", timeout_s: float = STARTED_S_MAX
    ) -> list[RunState]:
        """Wait until a DAG has `count` runs of a kind, started by somebody else: an asset, a timetable."""

        def enough() -> list[RunState] | None:
            found = self.runs(dag_id, run_type)
            return found if len(found) >= count else None

        runs = self._until(enough, timeout_s)
        if runs is None:
            raise AirflowError(
                f"{dag_id} has {len(self.runs(dag_id, run_type))} runs of kind {run_type} after"
                f" {timeout_s:.0f} s, not {count}."
            )
        return runs

    def wait_idle(self, timeout_s: float = RUN_S_MAX) -> None:
        """Wait until no run is queued or running, and none follows: an asset's run begins a moment later.

        Runs of paused DAGs are not waited for: they do not go on.
        """
        quiet = [0]

        def idle() -> bool | None:
            active = {dag_id for dag_id, paused in self.dags().items() if not paused}
            rows = self.api.all("/dags/~/dagRuns", "dag_runs", state=["queued", "running"])
            quiet[0] = 0 if any(row["dag_id"] in active for row in rows) else quiet[0] + 1
            return True if quiet[0] > QUIET_LOOKS else None

        if self._until(idle, timeout_s) is None:
            rows = self.api.all("/dags/~/dagRuns", "dag_runs", state=["queued", "running"])
            names = ", ".join(sorted({f"{row['dag_id']} ({row['state']})" for row in rows}))
            raise AirflowError(f"Runs have not ended within {timeout_s:.0f} s: {names}.")

    def log(self, run: Run, task_id: str, map_index: int = -1, try_number: int = 1) -> str:
        """A try's log as text, one line an entry."""
        path = f"{path_of(run)}/taskInstances/{quote(task_id)}/logs/{try_number}"
        found = self.api.get(path, map_index=map_index, full_content="true")
        content = found["content"] if isinstance(found, dict) else found
        return "\n".join(_line(each) for each in content) if isinstance(content, list) else str(content)

    def xcom(self, run: Run, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task returned, or pushed under another key; None if there is nothing."""
        path = f"{path_of(run)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key, safe='')}"
        try:
            value = self.api.get(path, map_index=map_index)["value"]
        except AirflowError as error:
            if error.fields.get("status") == NOT_FOUND:
                return None
            raise
        return _json(value)

    def mark(self, run: Run, state: str = "success") -> None:
        """Give a run the state `success` or `failed`, as the button does; its running tasks are ended."""
        for attempt in range(MARKS_MAX):
            try:
                self.api.ask("PATCH", path_of(run), {"state": state})
            except AirflowError as error:
                # The scheduler changes the same rows: the database ends one of two deadlocked transactions.
                if error.fields.get("status") != SERVER_ERROR or attempt == MARKS_MAX - 1:
                    raise
            else:
                return

    def clear(
        self, run: Run, task_ids: Sequence[str] | None = None, *, downstream: bool = True
    ) -> list[TaskState]:
        """Let tasks run again, as the button does; with what comes after them. Which were cleared.

        Args:
            run: whose.
            task_ids: None: all.
            downstream: those after them too.
        """
        body = {
            "dry_run": False,
            "dag_run_id": run.run_id,
            "only_failed": False,
            "reset_dag_runs": True,
            "include_downstream": downstream,
            "task_ids": None if task_ids is None else list(task_ids),
        }
        answer = self.api.ask("POST", f"/dags/{quote(run.dag_id)}/clearTaskInstances", body)
        return [task_state(each) for each in answer["task_instances"]]

    def task_pid(
        self,
        run: Run,
        task_id: str,
        map_index: int = -1,
        *,
        try_number: int = 1,
        timeout_s: float = STARTED_S_MAX,
    ) -> int:
        """The process that runs a task's code now; waits until it does. Its parent supervises it.

        Raises:
            AirflowError: the task did not begin in time, or had ended when it was looked at.
        """
        self.wait_task(
            run, task_id, ["running"], map_index=map_index, try_number=try_number, timeout_s=timeout_s
        )
        where = f"{path_of(run)}/taskInstances/{quote(task_id)}"
        row = self.api.get(where if map_index < 0 else f"{where}/{map_index}")
        pid = row.get("pid")
        if row["state"] != "running" or pid is None or not Path(f"/proc/{pid}").exists():
            raise AirflowError(
                f"{run.dag_id}.{task_id}[{map_index}] ended before its process was looked at.",
                hint="Let the task wait for something that the test decides.",
                run=run.run_id,
            )
        return int(pid)

    @staticmethod
    def supervisor_pid(pid: int) -> int:
        """The process that supervises a task's process: it sends the heartbeats."""
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        parent = int(stat.rpartition(b")")[2].split()[1])
        if parent in {1, os.getpid()}:
            raise AirflowError(f"Process {pid} has no supervisor any more.")
        return parent

    def set_variable(self, name: str, value: str) -> None:
        """A variable in the metadata database; one of the same name in the environment wins over it."""
        body = {"key": name, "value": value}
        try:
            self.api.ask("PATCH", f"/variables/{quote(name)}", body)
        except AirflowError as error:
            if error.fields.get("status") != NOT_FOUND:
                raise
            self.api.ask("POST", "/variables", body)

    def set_pool(self, name: str, slots: int) -> None:
        """A pool: as many of its tasks run at once."""
        try:
            self.api.ask("PATCH", f"/pools/{quote(name)}?update_mask=slots", {"slots": slots})
        except AirflowError as error:
            if error.fields.get("status") != NOT_FOUND:
                raise
            self.api.ask("POST", "/pools", {"name": name, "slots": slots})

    def answer(self, run: Run, task_id: str, option: str) -> None:
        """Answer a task that asks a person, as the button does."""
        place = f"{path_of(run)}/taskInstances/{quote(task_id)}/-1/hitlDetails"
        self.api.ask("PATCH", place, {"chosen_options": [option], "params_input": {}})

    def asset_events(self, uri: str | None = None) -> list[dict[str, Any]]:
        """Events of assets, the oldest first; of all, or of the one with this URI."""
        rows = self.api.all("/assets/events", "asset_events", order_by="timestamp")
        return [row for row in rows if uri is None or row["uri"] == uri]

    def rendered(self, run: Run) -> dict[tuple[str, int], dict[str, Any]]:
        """(task, map index) → its template fields as they were rendered."""
        rows = self.api.all(f"{path_of(run)}/taskInstances", "task_instances")
        return {(row["task_id"], row["map_index"]): row["rendered_fields"] for row in rows}

    def _ended(self, run: Run) -> RunState | None:
        return self.state(run) if run_state(self.api.get(path_of(run))).ended else None

    def _tails(self, run: Run, tasks: Sequence[TaskState]) -> str:
        parts = []
        for task in tasks[:3]:
            try:
                text = self.log(run, task.task_id, task.map_index, max(task.try_number, 1))
            except AirflowError as error:
                text = str(error)
            lines = "\n".join(line[:LINE_CHARACTERS_MAX] for line in text.splitlines()[-LOG_LINES_MAX:])
            parts.append(f"--- {task.task_id}[{task.map_index}] try {task.try_number}:\n{lines}")
        return "\n".join(parts)

    @staticmethod
    def _until(probe: Callable[[], T | None], timeout_s: float) -> T | None:
        until = time.monotonic() + timeout_s
        while True:
            found = probe()
            if found is not None or time.monotonic() > until:
                return found
            threading.Event().wait(LOOK_S)


def _summary(state: RunState) -> str:
    tasks = sorted(state.tasks, key=lambda each: (each.task_id, each.map_index))
    return ", ".join(f"{each.task_id}[{each.map_index}] {each.state}" for each in tasks)


def _line(entry: object) -> str:
    """An entry of a log: when, how bad, what, and its fields."""
    if not isinstance(entry, dict):
        return str(entry)
    known = {"timestamp", "level", "logger", "event", "filename", "lineno", *_WHOSE}
    fields = {name: value for name, value in entry.items() if name not in known}
    words = [str(entry.get(name) or "") for name in ("timestamp", "level", "event")]
    return " ".join([*(word for word in words if word), json.dumps(fields, default=str) if fields else ""])


def _json(value: Any) -> Any:
    """What was pushed; the metadata database may hold it as JSON or as JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
