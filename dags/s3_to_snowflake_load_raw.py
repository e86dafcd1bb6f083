"""Log → RAW, and proof that RAW holds what the log does."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag
from eventreplay_defaults import LOG_URL, SCHEMAS, SINK_URL, count, dag_arguments, parameter, switch

from eventreplay_airflow import ReplayOperator, VerifyOperator, WaitForCommitsOperator
from eventreplay_airflow.assets import LOG, RAW_EVENTS

DOC = """
### Log → RAW

Loads everything the log holds and RAW does not, of all partitions, then compares the two by counts and sums
of hashes, without moving a row. Runs when the log's asset changes, and by hand.

| parameter | |
|---|---|
| `workers` | processes that decode; no influence on the result |
| `beyond` | wait first, without a worker, for commits beyond these numbers, e.g. `{"live-0": 41}` |
| `accept_codec_change` | load although what is there was decoded otherwise; mixes two meanings in RAW |

**On retry**: rows and checkpoint are committed in one transaction, so a load goes on behind the last one.

**On failure**: `load` with a changed codec: run `full_rebuild`, which decodes everything again beside the
live tables. `load` with a moved checkpoint: another load runs; this one wrote nothing and is tried again.
`verify` names missing, doubled or altered events: RAW was changed by something else than a load. Find out by
what; `eventreplay verify --repair` puts right exactly those, or run `full_rebuild` with `accept_unexplained`.
"""


@dag(
    schedule=[LOG],
    description="What the log holds and RAW does not, then a comparison of both.",
    doc_md=DOC,
    params={
        "workers": count(1, "Processes that decode.", most=64),
        "beyond": Param(
            {},
            description="Commit number by partition; the run waits until each holds a later one.",
            type="object",
            additionalProperties={"type": "integer", "minimum": 0},
        ),
        "accept_codec_change": switch("Load although what is there was decoded otherwise.", default=False),
    },
    **dag_arguments(name="s3_to_snowflake_load_raw", tags=["replay"], limit=timedelta(hours=3)),
)
def s3_to_snowflake_load_raw() -> None:
    """Wait if told to, load, compare."""
    wait = WaitForCommitsOperator(
        task_id="wait",
        beyond=parameter("beyond"),
        timeout=timedelta(hours=1).total_seconds(),
        doc_md="Holds no worker while it waits; passes at once where nothing is waited for.",
        log=LOG_URL,
    )
    load = ReplayOperator(
        task_id="load",
        schemas=SCHEMAS,
        workers=parameter("workers"),
        accept_codec_change=parameter("accept_codec_change"),
        execution_timeout=timedelta(hours=6),
        announce=False,  # once, when it is compared
        doc_md="Loads every commit that RAW does not hold yet, of all partitions.",
        log=LOG_URL,
        sink=SINK_URL,
    )
    verify = VerifyOperator(
        task_id="verify",
        outlets=[RAW_EVENTS],
        doc_md="Counts and sums of hashes by commit, in the log and in RAW; names what differs.",
        log=LOG_URL,
        sink=SINK_URL,
    )
    wait >> load >> verify


s3_to_snowflake_load_raw()
