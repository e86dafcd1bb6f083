"""Back to what was live before the last promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag
from eventreplay_defaults import LOG_URL, MARTS_POOL, SINK_URL, dag_arguments, parameter

from eventreplay_airflow import RebuildRollbackOperator, VerifyOperator
from eventreplay_airflow.assets import LOG, MARTS

DOC = """
### Rollback of a rebuild

Lets what was live before the last promotion change places again with what is live now: tables, views and
checkpoints. A promotion that was broken off half-way is undone the same way. What is live now is kept.

| parameter | |
|---|---|
| `sink_conn_id` | the connection; its role owns the tables that change places |

Loads have to be done by the code of what is live again: give the variables `eventreplay_schemas` and
`eventreplay_dbt_project` their former values, restart the live service with the former code. The next load
goes on where the old generation stood and takes what came since.

**On retry**: what has changed places already is left so; a rollback is not undone by a second one.

**On failure**: the message says what stands where. If nothing was promoted, or what was live is dropped,
there is nothing to go back to: run `full_rebuild` with the former code.
"""


@dag(
    schedule=None,
    description="What was live before the last promotion is live again.",
    doc_md=DOC,
    params={
        "sink_conn_id": Param(
            "eventreplay_warehouse",
            description="Connection to work with.",
            type="string",
            pattern="^[A-Za-z0-9_.-]{1,200}$",
        ),
    },
    **dag_arguments(name="rebuild_rollback", tags=["rebuild"], limit=timedelta(hours=2)),
)
def rebuild_rollback() -> None:
    """Roll back, and compare."""
    ends: dict[str, Any] = {"log": LOG_URL, "sink": SINK_URL, "sink_conn_id": parameter("sink_conn_id")}
    rollback = RebuildRollbackOperator(
        task_id="rollback",
        pool=MARTS_POOL,  # not while dbt writes the live marts
        outlets=[MARTS],
        doc_md="Lets the last two generations change places again.",
        **ends,
    )
    after = VerifyOperator(
        task_id="verify_live",
        outlets=[LOG],
        doc_md="The live RAW against the log, as far as it was loaded; a load takes what came since.",
        **ends,
    )
    rollback >> after


rebuild_rollback()
