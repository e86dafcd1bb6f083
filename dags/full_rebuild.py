"""Everything again from the log, beside the live tables, then switched over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from eventreplay_defaults import (
    DBT_THRESHOLDS,
    LOG_URL,
    SCHEMAS,
    SINK_URL,
    count,
    dag_arguments,
    parameter,
    switch,
)

from eventreplay_airflow import DbtOperator, ReplayOperator, VerifyOperator
from eventreplay_airflow.assets import LOG, MARTS

DOC = """
### Full rebuild

Decodes and loads the whole log again into `RAW<suffix>`, builds `STAGING<suffix>` and `MART<suffix>` of it,
compares it with the log, and then lets the two generations change places, `RAW.CHECKPOINTS` included: the
next load goes on where the new generation stands. The live tables serve readers all the while. What was
live stands under the suffix until the next rebuild.

| parameter | |
|---|---|
| `suffix` | of the schemas that hold the other generation |
| `workers` | processes that decode |
| `sink_conn_id` | the connection; its role creates schemas and owns the tables that change places |
| `promote` | switch over at the end; if not, look at the other generation first, then run `promote` by hand |

**Run no load while `promote` runs** (pause `events_live` and `s3_to_snowflake_load_raw`, stop the service).
On Snowflake tables change places one after the other, within seconds: a reader in between sees some of both
generations. On DuckDB it is one transaction.

**On retry**: each step goes on where it was; `promote` switches only what is not switched yet. A new run
drops what the last one left under the suffix, the generation kept for a rollback included.

**Rollback**: promote the generation that stands under the suffix, by its name in `RAW<suffix>.GENERATION`:
`dbt run-operation promote --args '{suffix: _NEXT, generation: first}'`, then `dbt run --select
config.materialized:view`.

**On failure**: before `promote` nothing has changed for readers; clear the task or leave it. In `promote`:
clear the task, it finishes what it began.
"""

SUFFIX = parameter("suffix")
GENERATION = {"suffix": SUFFIX, "generation": "{{ run_id }}"}
"""A generation has the name of the run that builds it."""


@task.short_circuit(task_id="promote_wanted", doc_md="Ends here if nothing is to be switched over.")
def promote_wanted(wanted: bool) -> bool:  # noqa: FBT001 - the parameter's value
    """As the parameter says."""
    return wanted


@dag(
    schedule=None,
    description="The whole log into a generation beside the live tables, then promoted.",
    doc_md=DOC,
    params={
        "suffix": Param(
            "_NEXT",
            description="Of the other generation's schemas.",
            type="string",
            pattern="^_[A-Z0-9]{1,16}$",
        ),
        "workers": count(1, "Processes that decode.", most=64),
        "sink_conn_id": Param(
            "eventreplay_warehouse",
            description="Connection to work with.",
            type="string",
            pattern="^[A-Za-z0-9_.-]{1,200}$",
        ),
        "promote": switch("Switch over at the end.", default=True),
    },
    **dag_arguments(name="full_rebuild", tags=["replay", "dbt", "rebuild"], limit=timedelta(hours=24)),
)
def full_rebuild() -> None:
    """Begin, load, build, compare, switch over."""
    sink: dict[str, Any] = {"sink": SINK_URL, "sink_conn_id": parameter("sink_conn_id")}
    # Nobody has to wake for what happens beside the live tables.
    quiet: dict[str, Any] = {**sink, "announce": False}
    beside: dict[str, Any] = {"log": LOG_URL, **quiet, "sink_options": {"raw_schema": f"RAW{SUFFIX}"}}
    names = {"EVENTREPLAY_RAW_SCHEMA": f"RAW{SUFFIX}", "EVENTREPLAY_SCHEMA_SUFFIX": SUFFIX, **DBT_THRESHOLDS}
    begin = DbtOperator(
        task_id="begin",
        command="run-operation begin_generation",
        arguments=GENERATION,
        doc_md="Drops what the last rebuild left under the suffix, unless it is this run's own.",
        **quiet,
    )
    load = ReplayOperator(
        task_id="load",
        schemas=SCHEMAS,
        workers=parameter("workers"),
        execution_timeout=timedelta(hours=24),
        doc_md="The whole log, with checkpoints of its own.",
        **beside,
    )
    build = DbtOperator(
        task_id="build",
        command="build",
        full_refresh=True,
        environment=names,
        execution_timeout=timedelta(hours=12),
        doc_md="Every model and test of the project, into the schemas with the suffix.",
        **quiet,
    )
    catch_up = ReplayOperator(
        task_id="catch_up", schemas=SCHEMAS, doc_md="What came into the log meanwhile.", **beside
    )
    build_again = DbtOperator(
        task_id="build_again",
        command="build",
        environment=names,
        doc_md="The models and tests again, of what came meanwhile.",
        **quiet,
    )
    verify = VerifyOperator(task_id="verify", doc_md="The new RAW against the log.", **beside)
    promote = DbtOperator(
        task_id="promote",
        command="run-operation promote",
        arguments=GENERATION,
        doc_md="Lets the two generations change places.",
        **quiet,
    )
    views = DbtOperator(
        task_id="views",
        command="run",
        select=("config.materialized:view",),
        doc_md="Views are not moved: they are made again over the tables that are live now.",
        outlets=[MARTS],
        **quiet,
    )
    after = VerifyOperator(
        task_id="verify_live",
        doc_md="The live RAW against the log; a load takes what came since.",
        outlets=[LOG],
        log=LOG_URL,
        **sink,
    )
    wanted = promote_wanted(parameter("promote"))
    begin >> load >> build >> catch_up >> build_again >> verify >> wanted >> promote >> views >> after


full_rebuild()
