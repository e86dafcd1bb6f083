"""RAW → STAGING → MART, with every test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from eventreplay_defaults import (
    DBT_THRESHOLDS,
    LOG_URL,
    MARTS_POOL,
    SINK_URL,
    dag_arguments,
    parameter,
    switch,
)

from eventreplay_airflow import DbtOperator
from eventreplay_airflow.assets import RAW_EVENTS

DOC = """
### RAW → STAGING → MART

Runs dbt over what was loaded: how fresh RAW is, then every model and its tests, in dependency order. Runs
when RAW.EVENTS changes, and by hand. Incremental: a run recomputes what later loads touched, however old
the events are.

| parameter | |
|---|---|
| `full_refresh` | build every table from RAW again, in place; `full_rebuild` does it beside them |
| `docs` | also generate dbt's documentation with its lineage |

Variables `RAW_EVENTS_FRESHNESS_WARN_HOURS` (24), `RAW_EVENTS_FRESHNESS_ERROR_HOURS` (168),
`VOLUME_ANOMALY_PCT` (50) and `VOLUME_ANOMALY_LOOKBACK_DAYS` (7) set the thresholds.

**On retry**: models note up to which load they are complete, after their data; a run that died is done
again from there.

**On failure**: the message names the test, the table and rows. RAW is unharmed. Mend the model or the
data's cause, and clear the task; a model that failed keeps what it had before.
"""


@task.short_circuit(task_id="docs_wanted", doc_md="Skips the documentation unless it was asked for.")
def docs_wanted(wanted: bool) -> bool:  # noqa: FBT001 - the parameter's value
    """As the parameter says."""
    return wanted


@dag(
    schedule=[RAW_EVENTS],
    description="dbt over what was loaded: freshness, models, tests.",
    doc_md=DOC,
    params={
        "full_refresh": switch("Build every table from RAW again, in place.", default=False),
        "docs": switch("Also generate dbt's documentation.", default=False),
    },
    **dag_arguments(name="dbt_transform_and_test", tags=["dbt"], limit=timedelta(hours=2)),
)
def dbt_transform_and_test() -> None:
    """Freshness, build, and the documentation if wanted."""
    ends: dict[str, Any] = {"sink": SINK_URL, "environment": DBT_THRESHOLDS}
    fresh = DbtOperator(
        task_id="freshness",
        command="source freshness",
        doc_md="How long ago RAW.EVENTS was loaded, against the thresholds.",
        **ends,
    )
    build = DbtOperator(
        task_id="build",
        command="build",
        full_refresh=parameter("full_refresh"),
        log=LOG_URL,  # its receipt says by which models: a rebuild compares with that
        pool=MARTS_POOL,  # not while two generations change places
        execution_timeout=timedelta(hours=4),
        doc_md="Models, their unit tests and their data tests, in dependency order.",
        **ends,
    )
    docs = DbtOperator(
        task_id="docs", command="docs generate", doc_md="dbt's documentation, into the work folder.", **ends
    )
    fresh >> build >> docs_wanted(parameter("docs")) >> docs


dbt_transform_and_test()
