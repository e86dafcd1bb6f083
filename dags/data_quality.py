"""Is what is there fresh, as much as usual, sane, and the same from both ways in?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag
from eventreplay_defaults import DBT_THRESHOLDS, SINK_URL, dag_arguments

from eventreplay_airflow import DbtOperator

DOC = """
### Data quality

Four checks over what is in the warehouse, none of which changes anything. They run one after the other,
each whether or not the one before was red.

| task | red when |
|---|---|
| `freshness` | the last load into RAW.EVENTS is older than `RAW_EVENTS_FRESHNESS_ERROR_HOURS` |
| `volume` | a day's count is further than `VOLUME_ANOMALY_PCT` percent from the mean of the days before |
| `domain` | a test fails: keys, nulls, shares outside [0, 1], negative quantities or prices, sums |
| `reconciliation` | history and live disagree about the events of a day that both have |

Thresholds are Airflow variables of these names, `RAW_EVENTS_FRESHNESS_WARN_HOURS` and
`VOLUME_ANOMALY_LOOKBACK_DAYS` too. The message of a red check names the test, the table and rows.

**On retry**: a check reads only. A red one is not tried again: the data would have to change.

**On failure**: read the message. Old data: look at `events_live` and `s3_to_snowflake_load_raw`. Odd
volume: look at the producers. Domain: the rows named came so from their producer; correct the source, never
RAW. Reconciliation: run `events_backfill_to_s3`, which takes what live missed, and the check again.
"""


@dag(
    schedule="0 6 * * *",
    description="Freshness, volume, domain tests, history against live.",
    doc_md=DOC,
    max_active_tasks=1,
    **dag_arguments(name="data_quality", tags=["dbt", "quality"], limit=timedelta(hours=1)),
)
def data_quality() -> None:
    """Four checks; none waits for another's verdict."""
    ends: dict[str, Any] = {
        "sink": SINK_URL,
        "environment": {**DBT_THRESHOLDS, "VOLUME_ANOMALY_SEVERITY": "error"},
    }
    DbtOperator(
        task_id="freshness",
        command="source freshness",
        doc_md="Age of the last load into RAW.EVENTS.",
        **ends,
    )
    DbtOperator(
        task_id="volume",
        command="test",
        select=("raw_volume_anomaly",),
        doc_md="A day's events against the mean of the days before.",
        **ends,
    )
    DbtOperator(
        task_id="domain",
        command="test",
        select=("test_type:data",),
        exclude=("raw_volume_anomaly", "history_and_live_agree"),
        doc_md="Keys, nulls, bounds and sums, as the project's tests say.",
        **ends,
    )
    DbtOperator(
        task_id="reconciliation",
        command="test",
        select=("history_and_live_agree",),
        doc_md="Events of the journal's partitions against those of the live ones, day by day.",
        **ends,
    )


data_quality()
