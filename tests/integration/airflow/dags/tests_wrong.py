"""Every end asked with a password that it refuses; each task fails by itself, at once."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag

from eventreplay_airflow import CaptureOperator, DbtOperator, ReplayOperator

LOG, SINK = "{{ var.value.eventreplay_log_url }}", "{{ var.value.eventreplay_sink_url }}"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 0, "log_conn_id": "eventreplay_log"},
)
def tests_wrong() -> None:
    """No task waits for another."""
    CaptureOperator(
        task_id="journal",
        source="{{ var.value.eventreplay_journal_source }}",
        source_conn_id="wrong_journal",
        log=LOG,
        partition="wrong-journal",
    )
    CaptureOperator(
        task_id="queue",
        source="{{ var.value.eventreplay_live_source }}",
        source_conn_id="wrong_queue",
        log=LOG,
        partition="wrong-queue",
        idle_end_s=1,
    )
    ReplayOperator(task_id="load", log=LOG, sink=SINK, sink_conn_id="wrong_warehouse")
    DbtOperator(task_id="dbt", command="run", sink=SINK, sink_conn_id="wrong_warehouse")


tests_wrong()
