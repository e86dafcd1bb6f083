"""Airflow's REST API, as far as tests and the platform need it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from attrs import frozen

from eventreplay.testing.services.errors import ServiceError

ANSWER_S_MAX = 30
PAGE_ROWS = 100
OK, UNAUTHORIZED, NOT_FOUND = 200, 401, 404

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AirflowError(ServiceError):
    """Airflow refused a request, or a run did not end as it should. Fields: those of the case."""


@frozen
class Run:
    """One run of a DAG."""

    dag_id: str
    run_id: str


@frozen(kw_only=True)
class TaskState:
    """One task of a run, or one of a mapped task's copies, at one moment.

    Attributes:
        task_id: with its group's prefix.
        map_index: of a mapped task's copy; -1: not mapped.
        try_number: of the try that the state is about, from 1.
        state: `success`, `failed`, `up_for_retry`, …; None: not yet scheduled.
        operator: the class's name.
        seconds: how long the try took, if it has ended.
    """

    task_id: str
    map_index: int
    try_number: int
    state: str | None
    operator: str | None = None
    seconds: float | None = None


@frozen(kw_only=True)
class RunState:
    """A run at one moment.

    Attributes:
        run: which.
        state: `queued`, `running`, `success` or `failed`.
        tasks: all of them.
        run_type: `manual`, `asset_triggered`, `scheduled` or `backfill`.
        seconds: how long it took, if it has ended.
    """

    run: Run
    state: str
    tasks: tuple[TaskState, ...] = ()
    run_type: str = "manual"
    seconds: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs or will run by itself."""
        return self.state in {"success", "failed"}

    def of(self, task_id: str) -> list[TaskState]:
        """The task's states, one for each map index."""
        return sorted((each for each in self.tasks if each.task_id == task_id), key=lambda t: t.map_index)


@frozen
class _Answer:
    status: int
    body: Any


class AirflowApi:
    """Requests of one user; logs in by itself, again when the token has run out.

    Args:
        url: of the API server.
        user: its name.
        password: the user's.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self.user = url, user
        self._password = password
        self._token: str | None = None
        self._lock = threading.Lock()

    def get(self, path: str, **query: object) -> Any:
        """What GET answers; `path` below /api/v2, lists and None in `query` as one expects."""
        kept = {name: value for name, value in query.items() if value is not None}
        return self.ask("GET", path + (f"?{urlencode(kept, doseq=True)}" if kept else ""))

    def all(self, path: str, name: str, **query: object) -> list[dict[str, Any]]:
        """Every row of a collection, page by page."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=PAGE_ROWS, offset=len(rows), **query)
            rows += page[name]
            if len(page[name]) < PAGE_ROWS or len(rows) >= (page.get("total_entries") or len(rows)):
                return rows

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """One request.

        Raises:
            AirflowError: it was refused; field `status`, None if nobody answered.
        """
        answer = self._send(method, f"/api/v2{path}", body, self._login())
        if answer.status == UNAUTHORIZED:
            self._token = None
            answer = self._send(method, f"/api/v2{path}", body, self._login())
        return self._good(method, path, answer)

    def alive(self) -> dict[str, Any] | None:
        """What /monitor/health says, without a login; None: nobody answers."""
        try:
            answer = self._send("GET", "/api/v2/monitor/health", None, None)
        except AirflowError:
            return None
        return answer.body if isinstance(answer.body, dict) else None

    def takes_tasks(self) -> bool | None:
        """Whether the part that tasks speak to answers; None: not yet. Its first answer takes seconds."""
        try:
            return True if self._send("GET", "/execution/health", None, None).status == OK else None
        except AirflowError:
            return None

    def _login(self) -> str:
        with self._lock:
            if self._token is None:
                body = {"username": self.user, "password": self._password}
                answer = self._good("POST", "/auth/token", self._send("POST", "/auth/token", body, None))
                self._token = str(answer["access_token"])
            return self._token

    @staticmethod
    def _good(method: str, path: str, answer: _Answer) -> Any:
        if answer.status < 300:  # noqa: PLR2004 - HTTP's
            return answer.body
        detail = answer.body.get("detail", answer.body) if isinstance(answer.body, dict) else answer.body
        raise AirflowError(
            f"Airflow refused {method} {path} with {answer.status}: {str(detail)[:500]}", status=answer.status
        )

    def _send(self, method: str, path: str, body: Mapping[str, object] | None, token: str | None) -> _Answer:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - ours
        try:
            with _opener.open(request, timeout=ANSWER_S_MAX) as answer:
                return _Answer(answer.status, _parsed(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, _parsed(error.read()))
        except (OSError, TimeoutError) as error:
            raise AirflowError(
                f"Airflow does not answer {method} {path}: {type(error).__name__}.",
                hint="Read the tail of its processes' output: AirflowServer.log_tail().",
                status=None,
            ) from error


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode("utf-8", "replace")


def path_of(run: Run) -> str:
    """Where a run stands in the API."""
    return f"/dags/{quote(run.dag_id, safe='')}/dagRuns/{quote(run.run_id, safe='')}"


def task_state(row: Mapping[str, Any]) -> TaskState:
    """A row of taskInstances."""
    return TaskState(
        task_id=row["task_id"],
        map_index=row["map_index"],
        try_number=row["try_number"],
        state=row["state"],
        operator=row.get("operator_name") or row.get("operator"),
        seconds=row.get("duration"),
    )


def run_state(row: Mapping[str, Any], tasks: tuple[TaskState, ...] = ()) -> RunState:
    """A row of dagRuns."""
    return RunState(
        run=Run(row["dag_id"], row["dag_run_id"]),
        state=row["state"],
        tasks=tasks,
        run_type=row["run_type"],
        seconds=row.get("duration"),
    )
