"""What all operators of this provider do the same way: arguments, errors, progress, assets, receipts."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from eventreplay_airflow.assets import emit
from eventreplay_airflow.failures import StoppedError, as_airflow
from eventreplay_airflow.progress import TaskProgress

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay.log import Log
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.jobs.outcome import Outcome, Work

_USERINFO = re.compile(r"://[^/\s?#]*@")


class EventReplayOperator(BaseOperator):
    """Runs one verb, and tells Airflow what came of it.

    Args:
        announce: emit events of assets for what was committed.
        keep_receipt: keep a receipt beside the log, where the verb has one.
        kwargs: as every operator takes.
    """

    receipt_kind: ClassVar[str] = ""
    alias: ClassVar[AssetAlias | None] = None
    unit: ClassVar[str] = "events"
    ui_color = "#d9e8e3"

    def __init__(self, *, announce: bool = True, keep_receipt: bool = True, **kwargs: Any) -> None:
        if announce and self.alias is not None:
            given = kwargs.get("outlets") or []
            kwargs["outlets"] = [*(given if isinstance(given, Sequence) else [given]), self.alias]
        super().__init__(**kwargs)
        self.announce = announce
        self.keep_receipt = keep_receipt
        self._stopped = False
        self._outcome: Outcome | None = None

    @abstractmethod
    def work(self, hook: EventReplayHook, progress: TaskProgress) -> Work:
        """The piece of work, with its ends made; nothing is done yet."""

    @abstractmethod
    def title(self) -> str:
        """What the lines of the task's log begin with."""

    def hook(self) -> EventReplayHook:
        """The hook, with the connections that this operator names."""
        from eventreplay_airflow.hook import EventReplayHook  # noqa: PLC0415 - see `jobs`

        return EventReplayHook(
            source_conn_id=getattr(self, "source_conn_id", None),
            log_conn_id=getattr(self, "log_conn_id", None),
            sink_conn_id=getattr(self, "sink_conn_id", None),
        )

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Do it; returns the facts of the receipt as plain data.

        Raises:
            AirflowFailException: a final error; not tried again.
            AirflowException: one that may pass; the next try goes on at the last commit.
        """
        began = datetime.now(UTC)
        progress = TaskProgress(self.log, self.title(), self.unit)
        with as_airflow():
            work = self.work(self.hook(), progress)
            try:
                work.run()
            except BaseException as error:
                self._keep_what_was_done(work, began, error)
                raise
            outcome = self._outcome = work.outcome()
            progress.end(outcome.said)
            facts = self._kept(outcome, work.log, began)
            self._announce(outcome, context)
            if self._stopped:
                raise StoppedError
        return facts

    def _kept(self, outcome: Outcome, log: Log | None, began: datetime) -> dict[str, Any]:
        from eventreplay import receipts  # noqa: PLC0415 - see `jobs`

        facts = dict(outcome.facts)
        if not self.keep_receipt or not (outcome.changed or outcome.noteworthy) or log is None:
            return facts
        kept = receipts.keep(log, self.receipt_kind, facts, began=began, ended=datetime.now(UTC))
        return {**kept.facts, "receipt": {"number": kept.number, "sha256": kept.sha256}}

    def _keep_what_was_done(self, work: Work, began: datetime, error: BaseException) -> None:
        """A run that broke off may have committed much; it is the error that matters then."""
        from eventreplay.errors import EventReplayError, FenceError  # noqa: PLC0415 - see `jobs`

        if isinstance(error, FenceError):
            return  # what was committed since is another writer's, whose receipt speaks of it
        with suppress(EventReplayError):
            outcome = self._outcome = work.outcome()
            self._kept(outcome, work.log, began)
            self.log.info("Before it broke off: %s", outcome.said)

    def _announce(self, outcome: Outcome, context: Mapping[str, Any]) -> None:
        # What an earlier try committed before it died was never announced.
        again = getattr(context.get("ti"), "try_number", 1) > 1
        if self.announce and self.alias is not None and (outcome.changed or again):
            emit(context, self.alias, outcome.assets, outlets=self.outlets)

    def report(self, progress: TaskProgress, done: int, total: int | None) -> None:
        """Called by the verb after every commit; ends the work there if Airflow asked for it."""
        progress.note(done, total)
        if self._stopped:
            raise StoppedError

    def stopped(self) -> bool:
        """Whether Airflow asked for an end."""
        return self._stopped

    def on_kill(self) -> None:
        """End at the next commit. Called in a signal's handler: it sets a flag and does nothing else."""
        self._stopped = True

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render, and refuse a URL with a login in it before Airflow stores and shows what was rendered."""
        super().render_template_fields(context, jinja_env)
        refuse_logins(self)

    def get_openlineage_facets_on_start(self) -> Any:
        """Nothing is known yet; the provider of OpenLineage asks."""
        from eventreplay_airflow.lineage import lineage_of  # noqa: PLC0415 - an optional provider

        return lineage_of(None)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """What was read and written, with counts, and the facts of the run."""
        from eventreplay_airflow.lineage import lineage_of  # noqa: PLC0415 - an optional provider

        return lineage_of(self._outcome)


def refuse_logins(operator: Any) -> None:
    """Refuse URLs with a user name or password in the rendered arguments of an operator.

    Raises:
        AirflowFailException: names the argument, never its value.
    """
    for name in operator.template_fields:
        if _has_login(getattr(operator, name, None)):
            raise AirflowFailException(
                f"The argument {name} of {operator.task_id} has a URL with a login in it, and everybody who "
                "sees the task would see it. Put the login into a connection."
            )


def _has_login(value: object) -> bool:
    if isinstance(value, str):
        return _USERINFO.search(value) is not None
    if isinstance(value, Mapping):
        return any(_has_login(item) for item in value.values())
    return isinstance(value, Iterable) and any(_has_login(item) for item in value)
