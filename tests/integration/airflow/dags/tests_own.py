"""DAGs of the tests' own: small tasks whose course a test decides."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, dag, task

START = datetime(2026, 1, 1, tzinfo=UTC)
GATE_S_MAX = 120
DONE = Asset("tests_own_done")


@dag(schedule=None, start_date=START, catchup=False, params={"gate": "", "fail": False})
def tests_own() -> None:
    """Says something, passes a gate if it is given one, doubles numbers."""

    @task
    def say() -> dict[str, Any]:
        print("said by", os.getpid())  # noqa: T201 - what a task prints is in its log
        return {"text": "Zo\u00eb \U0001f0cf", "number": 2**60, "connection": os.environ["AIRFLOW_HOME"]}

    @task(retries=1, retry_delay=timedelta(seconds=0.1))
    def gated(params: dict[str, Any]) -> str:
        gate = params["gate"]
        until = threading.Event()
        for _ in range(GATE_S_MAX * 10):
            if not gate or Path(gate).exists():
                return "passed"
            until.wait(0.1)
        raise TimeoutError("Nobody opened the gate.")

    @task
    def double(number: int) -> int:
        return 2 * number

    @task(outlets=[DONE])
    def end(params: dict[str, Any]) -> None:
        if params["fail"]:
            raise ValueError("As the test wanted it.")

    say() >> gated() >> double.expand(number=[1, 2, 3]) >> end()  # type: ignore[call-arg,misc]


@dag(schedule=[DONE], start_date=START, catchup=False)
def tests_after() -> None:
    """Runs when the other one has ended well."""

    @task
    def seen() -> str:
        return "seen"

    seen()


tests_own()
tests_after()
