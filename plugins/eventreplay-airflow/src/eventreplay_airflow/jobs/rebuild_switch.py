"""The work of `RebuildPromoteOperator` and `RebuildRollbackOperator`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import frozen

from eventreplay.capabilities.generations import Generation
from eventreplay.rebuild import Promotion, drop_expired, generations, promote, rollback
from eventreplay_airflow.assets import MARTS
from eventreplay_airflow.jobs.ends import EndsRequest, LogToSinkWork
from eventreplay_airflow.jobs.outcome import Outcome
from eventreplay_airflow.jobs.places import table_place
from eventreplay_airflow.jobs.rebuild import StepRequest, StepWork, patience_of


@frozen(kw_only=True)
class PromoteRequest(StepRequest):
    """What the operator was told; see there."""

    keep_days: int


class PromoteWork(StepWork[PromoteRequest]):
    """One promotion; see `Work`."""

    _done: Promotion | None = None
    _dropped: Sequence[Generation] = ()

    def run(self) -> None:
        """Catch up, switch over, and drop what was kept longer than its time."""
        now = datetime.now(UTC)
        self._done = promote(
            self._plan,
            self.log,
            self._open_sink,
            self._codec,
            self._dbt,
            keep=timedelta(days=self._request.keep_days),
            batch_rows_max=self._settings.batch_rows_max,
            now=now,
            screen=self,
            patience=self._patience,
        )
        self._dropped = drop_expired(self._open_sink, now, self._patience)

    def outcome(self) -> Outcome:
        """What is live now."""
        name, done, sink = self._plan.name, self._done, self._request.sink
        if done is None:
            return Outcome(facts={}, said=f"{name} is not known to be live.", changed=False)
        return Outcome(
            facts={"sink": sink, **done.to_json(), "dropped": [each.name for each in self._dropped]},
            said=f"{name} is live; before it was {done.before or name}.",
            changed=True,
            assets={MARTS: {"generation": name, "plan": self._plan.sha256}},
            outputs=tuple(table_place(sink, model.relation) for model in self._plan.models.values()),
        )


@frozen(kw_only=True)
class RollbackRequest(EndsRequest):
    """What the operator was told; see there."""


class RollbackWork(LogToSinkWork[RollbackRequest]):
    """One rollback; see `Work`."""

    _before: str = ""
    _live: Generation | None = None

    def run(self) -> None:
        """Undo the last promotion."""
        patience = patience_of(self._logger, self._stopped)
        self._before = generations(self._open_sink, patience)[0].name
        self._live = rollback(self._open_sink, patience)

    def outcome(self) -> Outcome:
        """What is live again."""
        live, sink = self._live, self._request.sink
        if live is None:
            return Outcome(facts={}, said="Nothing is known to be rolled back.", changed=False)
        return Outcome(
            facts={
                "action": "rollback",
                "sink": sink,
                "name": live.name,
                "before": self._before,
                "schemas": list(live.schemas),
            },
            said=f"{live.name} is live again.",
            changed=True,
            assets={MARTS: {"generation": live.name, "plan": live.plan}},
        )
