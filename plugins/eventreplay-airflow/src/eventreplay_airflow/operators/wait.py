"""A wait for new commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from eventreplay_airflow import values
from eventreplay_airflow.failures import as_airflow
from eventreplay_airflow.operators.base import refuse_logins
from eventreplay_airflow.triggers import PAUSE_MAX_S, CommitsTrigger


class WaitForCommitsOperator(BaseOperator):
    """Waits until partitions of a log have commits beyond given numbers; holds no worker meanwhile.

    Looks once; if that is not enough, a trigger goes on looking. Returns the numbers of the last commits by
    partition, as `beyond` takes them.

    Args:
        log: a folder or `s3://bucket/prefix`; it need not be there yet.
        log_conn_id: connection of the log's store; None: `eventreplay_log` if it is S3; empty: none.
        beyond: commit number by partition: waits until each of them has a later one, so an empty one waits
            for nothing. None: waits for any new commit of any partition from now on.
        timeout: seconds after which the task fails, and may be tried again; None: never.
        pause_max_s: longest pause between two looks, in seconds.
        kwargs: as every operator takes.
    """

    template_fields: Sequence[str] = ("log_url", "log_conn_id", "beyond", "timeout")
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        log: str,
        log_conn_id: str | None = None,
        beyond: Mapping[str, int] | str | None = None,
        timeout: float | str | None = None,
        pause_max_s: float = PAUSE_MAX_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.log_url = log  # `log` is the operator's logger
        self.log_conn_id = log_conn_id
        self.beyond = beyond
        self.timeout = timeout
        self.pause_max_s = pause_max_s

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render, and refuse a URL with a login in it before Airflow stores and shows what was rendered."""
        super().render_template_fields(context, jinja_env)
        refuse_logins(self)

    def execute(self, context: Any) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Look once; defer if there is nothing yet."""
        from eventreplay_airflow.hook import EventReplayHook  # noqa: PLC0415 - see `jobs`
        from eventreplay_airflow.jobs.heads import Heads, beyond  # noqa: PLC0415 - see `jobs`

        with as_airflow():
            url = values.text("log", self.log_url)
            marks = _marks(values.mapping("beyond", self.beyond))
            timeout_s = values.seconds("timeout", self.timeout)
            log = EventReplayHook(log_conn_id=self.log_conn_id).open_log(url, must_exist=False)
            found = Heads(log, None if marks is None else frozenset(marks)).look()
        if marks is not None and beyond(found, marks, every=True):
            self.log.info("There already: %s.", _said(found))
            return found
        self.log.info("Now: %s. Waiting without a worker.", _said(found))
        return self.defer(
            trigger=CommitsTrigger(
                log=url,
                log_conn_id=self.log_conn_id,
                marks=found if marks is None else marks,
                every=marks is not None,
                pause_max_s=self.pause_max_s,
            ),
            method_name="execute_complete",
            timeout=None if timeout_s is None else timedelta(seconds=timeout_s),
        )

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> dict[str, int]:  # noqa: ARG002
        """The trigger has fired."""
        if "error" in event:
            raise AirflowFailException(str(event["error"]))
        found = {str(name): int(number) for name, number in event["heads"].items()}
        self.log.info("There: %s.", _said(found))
        return found


def _marks(given: Mapping[str, Any] | None) -> dict[str, int] | None:
    if given is None:
        return None
    return {name: values.whole(f"beyond[{name!r}]", number) or 0 for name, number in given.items()}


def _said(heads: Mapping[str, int]) -> str:
    return ", ".join(f"{name} at commit {number}" for name, number in heads.items()) or "no partition"
