"""What the DAGs share: templates of variables, default arguments, parameters.

Nothing is read here. A variable is a template, rendered when a task runs, with the default that stands in it.
Connections have the names that the operators look for (`eventreplay_journal`, `eventreplay_queue`,
`eventreplay_log`, `eventreplay_warehouse`), each only where an end needs one. So the DAG processor can parse
these files every few seconds without asking anybody.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from eventreplay_callbacks import deadline_missed, task_failed

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Before any run; no DAG catches up, and no task looks at a logical date."""


def variable(name: str, default: str | None = None) -> str:
    """The template of an Airflow variable; without a default, a task fails that finds none, and names it."""
    return (
        f"{{{{ var.value.{name} }}}}"
        if default is None
        else f"{{{{ var.value.get('{name}', '{default}') }}}}"
    )


LOG_URL = variable("eventreplay_log_url")
SINK_URL = variable("eventreplay_sink_url")
JOURNAL_SOURCE = variable("eventreplay_journal_source", "postgres:public.events")
LIVE_SOURCE = variable("eventreplay_live_source", "rabbitmq:events")
SCHEMAS = variable("eventreplay_schemas", "sportscards")

MARTS_POOL = "eventreplay_marts"
"""A pool of one slot: who writes the live marts, or lets them change places, does it alone."""

DBT_THRESHOLDS = {
    name: variable(name, default)
    for name, default in {
        "RAW_EVENTS_FRESHNESS_WARN_HOURS": "24",
        "RAW_EVENTS_FRESHNESS_ERROR_HOURS": "168",
        "VOLUME_ANOMALY_PCT": "50",
        "VOLUME_ANOMALY_LOOKBACK_DAYS": "7",
    }.items()
}
"""Airflow variables of the same names, handed to dbt as its environment."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "eventreplay",
    "retries": 6,
    "retry_delay": timedelta(seconds=5),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": task_failed,
}
"""Every task goes on at its checkpoint: it is tried again after 5, 10, 20, ... seconds, 5 minutes long."""


def parameter(name: str) -> Any:
    """The template of a parameter; where it is rendered it becomes the value, of its own type."""
    return f"{{{{ params.{name} }}}}"


def parameter_or(name: str, other: str, default: str) -> str:
    """The template of a parameter; where that is empty, of a variable with a default."""
    return f"{{{{ params.{name} or var.value.get('{other}', '{default}') }}}}"


def deadline(name: str, interval: timedelta) -> DeadlineAlert:
    """Tell somebody when a run has not ended so long after it was queued; the run goes on."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=SyncCallback(deadline_missed, kwargs={"limit_s": int(interval.total_seconds())}),
        name=name,
    )


def dag_arguments(*, tags: list[str], limit: timedelta, name: str) -> dict[str, Any]:
    """What every DAG is made with; `limit` is when its deadline alert goes off."""
    return {
        "dag_id": name,
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "render_template_as_native_obj": True,  # numbers of parameters arrive as numbers
        "deadline": deadline(f"{name} is late", limit),
        "tags": ["eventreplay", *tags],
    }


def count(default: int, description: str, *, least: int = 1, most: int) -> Param:
    """A whole number within bounds."""
    return Param(default, description=description, type="integer", minimum=least, maximum=most)


def seconds(default: float, description: str, *, most: float) -> Param:
    """A duration; 0 is none."""
    return Param(default, description=description, type="number", exclusiveMinimum=0, maximum=most)


def position(description: str) -> Param:
    """A position of a journal, or null."""
    return Param(None, description=description, type=["null", "integer"], minimum=0, maximum=2**63 - 1)


def switch(description: str, *, default: bool) -> Param:
    """Yes or no."""
    return Param(default, description=description, type="boolean")


def text(default: str, description: str, pattern: str) -> Param:
    """A text of a form."""
    return Param(default, description=description, type="string", pattern=pattern)
