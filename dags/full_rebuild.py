"""Everything again from the log by today's code, beside the live tables; compared; then switched over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from eventreplay_defaults import (
    DBT_THRESHOLDS,
    LOG_URL,
    MARTS_POOL,
    SINK_URL,
    count,
    dag_arguments,
    parameter,
    parameter_or,
    switch,
    text,
)

from eventreplay_airflow import (
    ApprovalIfWantedOperator,
    RebuildDiffOperator,
    RebuildPlanOperator,
    RebuildPromoteOperator,
    RebuildRunOperator,
    VerifyOperator,
)
from eventreplay_airflow.assets import LOG, MARTS

DOC = """
### Full rebuild

The logic has changed: a decoder, an upcaster, a dbt model. Plans what has to be made again, builds it from
the log as a generation of its own (`RAW_<name>`, `STAGING_<name>`, `MART_<name>`), compares it with the log
and, row by row, with what is live, and lets the two change places. Readers and loads go on all the while.

| parameter | |
|---|---|
| `name` | of the generation; empty: after the run's date, such as `g260131120000` |
| `schemas` | what payloads are decoded with from now on; empty: the variable `eventreplay_schemas` |
| `project` | folder of the dbt project as it is to be; empty: the variable `eventreplay_dbt_project` |
| `raw` | load RAW again although the codec is the same; if not, a change of models leaves it as it is |
| `workers` | processes that decode |
| `approve` | ask a person before the rebuild begins, and again before it is switched over |
| `accept_unexplained` | go on although rows differ that no changed code explains |
| `promote` | switch over at the end; if not, the generation stays and the command line can promote it |
| `keep_days` | how long what was live is kept for `rebuild_rollback` |
| `sink_conn_id` | the connection; its role creates schemas and owns the tables that change places |

While it runs, live loads go on with the code that they have. After `promote` they have to be done by the new
code: give the variables `eventreplay_schemas` and `eventreplay_dbt_project` the new values, restart the live
service; a load by the old code stops with `CodecChangedError` and loses nothing.

**On retry**: each step goes on where it was. A step refuses to go on if log or code moved under the plan,
and says what moved.

**On failure**: before `promote` nothing has changed for readers; clear the task or leave it. `verify` names
events, `diff` the tables whose rows differ though nothing explains it; `eventreplay rebuild diff` shows them.
In `promote`: clear the task, it finishes what it began, or run `rebuild_rollback`, which undoes it.
"""

NAME = "{{ params.name or 'g' ~ dag_run.run_after.strftime('%y%m%d%H%M%S') }}"
"""The same on every try."""
PLAN = "{{ ti.xcom_pull(task_ids='plan')['plan'] }}"


@task.short_circuit(task_id="promote_wanted", doc_md="Ends here if nothing is to be switched over.")
def promote_wanted(wanted: bool) -> bool:  # noqa: FBT001 - the parameter's value
    """As the parameter says."""
    return wanted


def approval(task_id: str, subject: str, body: str) -> ApprovalIfWantedOperator:
    """Ask a person, if that is wanted."""
    return ApprovalIfWantedOperator(
        task_id=task_id,
        wanted=parameter("approve"),
        subject=subject,
        body=body,
        response_timeout=timedelta(days=7),
        execution_timeout=None,  # the wait is not an execution
        doc_md="Waits for a person under *Required actions* if `approve` is set; holds no worker.",
    )


@dag(
    schedule=None,
    description="The whole log by today's code beside the live tables; compared, then promoted.",
    doc_md=DOC,
    params={
        "name": text("", "Of the generation; empty: after the run's date.", "^([a-z][a-z0-9]{0,15})?$"),
        "schemas": text("", "Set of schemas; empty: the variable's.", "^[A-Za-z0-9_.-]{0,200}$"),
        "project": text("", "Folder of the dbt project; empty: the variable's.", "^[^{}]{0,1000}$"),
        "raw": switch("Load RAW again although the codec is the same.", default=True),
        "workers": count(1, "Processes that decode.", most=64),
        "approve": switch("Ask a person before building and before switching over.", default=False),
        "accept_unexplained": switch("Go on although rows differ that nothing explains.", default=False),
        "promote": switch("Switch over at the end.", default=True),
        "keep_days": count(7, "Days for which what was live is kept.", most=3_650),
        "sink_conn_id": Param(
            "eventreplay_warehouse",
            description="Connection to work with.",
            type="string",
            pattern="^[A-Za-z0-9_.-]{1,200}$",
        ),
    },
    **dag_arguments(name="full_rebuild", tags=["replay", "dbt", "rebuild"], limit=timedelta(hours=24)),
)
def full_rebuild() -> None:
    """Plan, build, compare, switch over."""
    ends: dict[str, Any] = {"log": LOG_URL, "sink": SINK_URL, "sink_conn_id": parameter("sink_conn_id")}
    code: dict[str, Any] = {
        **ends,
        "schemas": parameter_or("schemas", "eventreplay_schemas", "sportscards"),
        "project": parameter_or("project", "eventreplay_dbt_project", ""),
        "environment": DBT_THRESHOLDS,
    }
    plan = RebuildPlanOperator(
        task_id="plan",
        generation=NAME,
        raw=parameter("raw"),
        doc_md="What will be made again, and why; events, bytes, models, dashboards, time. Changes nothing.",
        **code,
    )
    run = RebuildRunOperator(
        task_id="run",
        plan=PLAN,
        workers=parameter("workers"),
        execution_timeout=timedelta(hours=24),
        doc_md="Loads and builds the generation beside the live one, and catches up with the log.",
        **code,
    )
    verify = VerifyOperator(
        task_id="verify",
        generation="{{ ti.xcom_pull(task_ids='plan')['raw_of'] }}",
        doc_md="The RAW that the generation reads, against the log.",
        **ends,
    )
    diff = RebuildDiffOperator(
        task_id="diff",
        plan=PLAN,
        accept_unexplained=parameter("accept_unexplained"),
        execution_timeout=timedelta(hours=6),
        doc_md="Every model row by row against the live one; red if something differs that nothing explains.",
        **code,
    )
    promote = RebuildPromoteOperator(
        task_id="promote",
        plan=PLAN,
        keep_days=parameter("keep_days"),
        pool=MARTS_POOL,  # not while dbt writes the live marts
        execution_timeout=timedelta(hours=6),
        outlets=[MARTS],
        doc_md="Catches up with the log once more, then lets the two generations change places.",
        **code,
    )
    after = VerifyOperator(
        task_id="verify_live",
        outlets=[LOG],
        doc_md="The live RAW against the log; a load takes what came since.",
        **ends,
    )
    go = approval("approve_plan", "Rebuild?", "{{ ti.xcom_pull(task_ids='plan')['summary'] }}")
    switch_over = approval(
        "approve_promotion", "Switch over?", "{{ ti.xcom_pull(task_ids='diff')['summary'] }}"
    )
    wanted = promote_wanted(parameter("promote"))
    plan >> go >> run >> verify >> diff >> wanted >> switch_over >> promote >> after


full_rebuild()
