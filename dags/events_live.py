"""Queue → log → RAW, in bounded runs."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from eventreplay_defaults import (
    LIVE_SOURCE,
    LOG_URL,
    SCHEMAS,
    SINK_URL,
    count,
    dag_arguments,
    parameter,
    seconds,
)

from eventreplay_airflow import CaptureOperator, ReplayOperator

DOC = """
### Queue → log → RAW

Takes what the queue holds into the log, one partition per consumer (`live-0`, `live-1`, ...), and loads it.
A run ends when the queue has been silent for `idle_end_s`, at the latest after `run_for_s`; the next one
goes on.

| parameter | |
|---|---|
| `consumers` | consumers at once, each with a partition of its own; more than the queue can feed are idle |
| `run_for_s` | longest capture of a run, seconds |
| `idle_end_s` | silence after which a capture ends, seconds |
| `age_s` | oldest a received event may get before it is committed and acknowledged, seconds |

**For events in the warehouse within seconds** run the service `eventreplay live` instead: the same loop in
one process, under a supervisor, and pause this DAG. A partition has one writer, the newest, and the log sees
to that (the fence): with both on `live-0` this DAG ends the service at its next tick. To run both all the
same, give the service partitions of its own (`--partition service`). The loser commits nothing and
acknowledges nothing, so the queue delivers to the other what it held.

**On retry**: a message is acknowledged only after the commit that holds it. What a killed capture held is
delivered again, and what is in the log twice counts once in STAGING.

**On failure**: a capture that names the fence lost its partition to another writer: find out who else runs
(the service, another Airflow) and stop one. Otherwise see the hint in the task's log. Nothing has to be
cleaned up; clear the task.
"""


@task(task_id="partitions", doc_md="Names the partitions: one for each consumer.")
def partitions(consumers: int) -> list[str]:
    """`live-0` up to the number of consumers."""
    return [f"live-{number}" for number in range(consumers)]


@dag(
    schedule="*/5 * * * *",
    description="The queue into the log and into RAW, in bounded runs.",
    doc_md=DOC,
    params={
        "consumers": count(1, "Consumers at once, each with a partition of its own.", most=64),
        "run_for_s": seconds(240, "Longest capture of a run, seconds.", most=3000),
        "idle_end_s": seconds(20, "Silence after which a capture ends, seconds.", most=3000),
        "age_s": seconds(5, "Oldest an event may get before it is committed, seconds.", most=600),
    },
    **dag_arguments(name="events_live", tags=["capture", "live"], limit=timedelta(minutes=30)),
)
def events_live() -> None:
    """Capture by every consumer, then load."""
    captured = CaptureOperator.partial(
        task_id="capture",
        source=LIVE_SOURCE,
        announce=False,  # this run loads what it took: no other one has to wake for it
        run_for_s=parameter("run_for_s"),
        idle_end_s=parameter("idle_end_s"),
        age_max_s=parameter("age_s"),
        doc_md="One consumer: receives, commits, acknowledges; ends when idle or when time is up.",
        log=LOG_URL,
    ).expand(partition=partitions(parameter("consumers")))
    load = ReplayOperator(
        task_id="load",
        schemas=SCHEMAS,
        doc_md="Loads every commit that RAW does not hold yet, of all partitions.",
        log=LOG_URL,
        sink=SINK_URL,
    )
    captured >> load


events_live()
