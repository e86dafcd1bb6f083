"""Airflow with a home of its own and no network; doubles of what a task runner gives; the core's servers."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

# Airflow reads its configuration as it is imported, and writes one where there is none.
if "AIRFLOW_HOME" not in os.environ:
    _home = tempfile.mkdtemp(prefix="eventreplay-provider-")
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    os.environ["AIRFLOW_HOME"] = _home
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_home}/airflow.db"
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

# Servers, and the guard against the network, are the same as for the core's tests.
from tests.conftest import (  # noqa: F401
    postgres_server,
    postgres_url,
    pytest_configure,
    rabbitmq_server,
    rabbitmq_url,
    s3_bucket,
    s3_server,
)


@define
class Accessor:
    """What `outlet_events[...]` gives: events of one outlet."""

    added: list[tuple[str, dict[str, Any]]] = field(factory=list)
    extra: dict[str, Any] = field(factory=dict)

    def add(self, asset: Any, extra: dict[str, Any] | None = None) -> None:
        self.added.append((asset.name, extra or {}))


@define
class TaskInstance:
    try_number: int = 1
    dag_id: str = "dag"
    run_id: str = "manual"
    task_id: str = "task"
    map_index: int = -1


class Run:
    """A run of a task, as an operator sees it."""

    def __init__(self, try_number: int = 1) -> None:
        self.events: dict[Any, Accessor] = defaultdict(Accessor)
        self.ti = TaskInstance(try_number=try_number)

    @property
    def context(self) -> dict[str, Any]:
        return {"outlet_events": self.events, "ti": self.ti}

    @property
    def announced(self) -> dict[str, dict[str, Any]]:
        """Extra by name of asset, of all aliases."""
        return {name: extra for each in self.events.values() for name, extra in each.added}


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def runs() -> type[Run]:
    """Makes further ones: `runs(try_number=2)`."""
    return Run


@pytest.fixture
def json_line() -> str:
    """One event as a line of JSON."""
    return event(99)


@pytest.fixture
def orders(tmp_path: Path) -> str:
    """A source of ten JSON events."""
    path = tmp_path / "orders.jsonl"
    path.write_text("".join(event(number) for number in range(10)), "utf-8")
    return f"files:{path}"


def event(number: int) -> str:
    record = {
        "event_id": str(number),
        "event_type": "web.viewed",
        "occurred_at": "2026-01-31T23:59:59.123456Z",
        "content_type": "application/json",
        "payload": {"n": number},
    }
    return json.dumps(record) + "\n"


@pytest.fixture(autouse=True)
def _no_connections_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_", "AWS_"))]:
        monkeypatch.delenv(name)
