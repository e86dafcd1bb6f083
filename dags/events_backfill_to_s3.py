"""Journal → log, in fixed ranges of positions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from eventreplay_defaults import (
    JOURNAL_SOURCE,
    LOG_URL,
    count,
    dag_arguments,
    parameter,
    position,
)

from eventreplay_airflow import CaptureOperator, journal_ranges
from eventreplay_airflow.assets import LOG
from eventreplay_airflow.balance import balance_of_ranges

DOC = """
### Journal → log

Captures history from the journal. The journal's positions are cut into ranges of `range_positions`; range
*n* has the log partition `journal-00000n`, for ever, and one mapped task. The log therefore does not depend
on how many tasks run at once, nor on how often the DAG is run: running it again takes what the journal got
meanwhile.

| parameter | |
|---|---|
| `first` | take only ranges that hold this position or later ones; null: from the beginning |
| `upto` | last position to take; null: up to the safe head, below which nothing can still appear |
| `range_positions` | positions in a range, **fixed for the life of a log** |
| `segment_positions` | positions in a segment, each a commit; fixed once a partition has begun |

Another `range_positions` would give the same names other ranges; a capture refuses where that would leave a
hole.

A range that the journal has not filled yet is captured up to the safe head and goes on in the next run.

**On retry**: a capture goes on behind the last commit of its range.

**On failure**: `capture` with an event that appeared late names its positions and the command that takes
them. `balance` names the range whose positions do not add up (captured + quarantined + gaps written down):
the log is not to be trusted for that range; keep it, and look at its gap ledger. Anything else: see the
hint in the task's log, and clear the task.
"""


@dag(
    schedule=None,
    description="History from the journal into the log, in fixed ranges of positions.",
    doc_md=DOC,
    params={
        "first": position("Take only ranges that hold this position or later ones."),
        "upto": position("Last position to take; null: the journal's safe head."),
        "segment_positions": count(65_536, "Positions in a segment of the log; fixed likewise.", most=10**7),
        "range_positions": count(
            5_000_000, "Positions in a range; fixed for the life of a log.", most=10**12
        ),
    },
    max_active_tasks=8,
    **dag_arguments(name="events_backfill_to_s3", tags=["capture", "backfill"], limit=timedelta(hours=12)),
)
def events_backfill_to_s3() -> None:
    """Plan, capture each range, and see that every position is accounted for."""
    ranges: Any = task(
        task_id="plan",
        doc_md="Cuts the journal into ranges, up to its safe head; names follow from positions alone.",
    )(journal_ranges)(
        source=JOURNAL_SOURCE,
        range_positions=parameter("range_positions"),
        first=parameter("first"),
        upto=parameter("upto"),
    )
    captured = CaptureOperator.partial(
        task_id="capture",
        source=JOURNAL_SOURCE,
        execution_timeout=timedelta(hours=6),
        segment_positions=parameter("segment_positions"),
        announce=False,  # once, when all are there
        doc_md="Captures one range into the partition of that range.",
        log=LOG_URL,
    ).expand_kwargs(ranges)
    balanced = task(
        task_id="balance",
        outlets=[LOG],
        doc_md="Every position of every range is an event, in quarantine, or a proven gap.",
    )(balance_of_ranges)(source=JOURNAL_SOURCE, log=LOG_URL, ranges=ranges)
    captured >> balanced


events_backfill_to_s3()
