"""OpenLineage's own extractor takes what the operators say, and its client sends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.sdk import DAG, TaskInstanceState
from airflow.sdk.exceptions import AirflowException
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.uuid import generate_new_uuid

from eventreplay_airflow import CaptureOperator


class DagRun:
    run_id = "manual"


@pytest.fixture(autouse=True)
def dag() -> Iterator[DAG]:
    """Tasks stand in one: their lineage names it."""
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as made:
        yield made


def extracted(operator: Any, state: TaskInstanceState) -> Any:
    manager: Any = ExtractorManager
    return manager().extract_metadata(DagRun(), operator, state, None)


def test_what_was_captured_is_sent_with_counts_and_hashes(orders: str, tmp_path: Path, run: Any) -> None:
    operator = CaptureOperator(
        task_id="capture", source=orders, log=str(tmp_path / "log"), partition="journal"
    )
    begun = extracted(operator, TaskInstanceState.RUNNING)
    assert (begun.inputs, begun.run_facets) == ([], {})
    found = operator.execute(run.context)
    ended = extracted(operator, TaskInstanceState.SUCCESS)
    sent = tmp_path / "events.json"
    client = OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(sent), append=True)))
    client.emit(
        RunEvent(
            eventType=RunState.COMPLETE,
            eventTime="2026-01-01T00:00:00Z",
            run=Run(runId=str(generate_new_uuid()), facets=ended.run_facets),
            job=Job(namespace="default", name="dag.capture"),
            inputs=ended.inputs,
            outputs=ended.outputs,
        )
    )
    event = json.loads(sent.read_text("utf-8"))
    (read,), (written,) = event["inputs"], event["outputs"]
    assert (read["name"], read["inputFacets"]["inputStatistics"]["rowCount"]) == ("files:orders.jsonl", 10)
    assert (written["namespace"], written["name"]) == ("file", str(tmp_path / "log" / "journal"))
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 10
    facts = event["run"]["facets"]["eventreplay"]["facts"]
    assert (facts["digest"], facts["received"]) == (found["digest"], 10)


def test_what_a_failed_run_committed_is_told_too(orders: str, tmp_path: Path, run: Any) -> None:
    operator = CaptureOperator(
        task_id="capture", source=orders, log=str(tmp_path / "log"), partition="journal", segment_positions=4
    )
    operator.on_kill()
    with pytest.raises(AirflowException, match="at a commit"):
        operator.execute(run.context)
    (written,) = extracted(operator, TaskInstanceState.FAILED).outputs
    assert written.outputFacets["outputStatistics"].rowCount == 4
