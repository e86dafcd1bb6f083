"""The work of `RebuildPromoteOperator` and `RebuildRollbackOperator`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from eventreplay.generations import Generation
from eventreplay.rebuild import drop_expired, promote, rollback
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

    _facts: Mapping[str, Any] | None = None

    def run(self) -> None:
        """Catch up, switch over, and drop what was kept longer than its time."""
        now = datetime.now(UTC)
        done = promote(
            self._plan,
            self.log,
            self._open_sink,
            self._codec,
            self._dbt,
            keep=timedelta(days=self._request.keep_days),
            now=now,
            screen=self,
            patience=self._patience,
        )
        self._facts = {"action": "promote", "sink": self._request.sink, **done.to_json()}
        gone = drop_expired(self._open_sink, now, self._patience)
        self._facts = {**self._facts, "dropped": [each.name for each in gone]}

    def outcome(self) -> Outcome:
        """What is live now."""
        name, facts, sink = self._plan.name, self._facts, self._request.sink
        if facts is None:
            return Outcome(facts={}, said=f"{name} is not known to be live.", changed=False)
        return Outcome(
            facts=facts,
            said=f"{name} is live.",
            changed=True,
            assets={MARTS: {"generation": name, "plan": self._plan.sha256}},
            outputs=tuple(table_place(sink, model.relation) for model in self._plan.models.values()),
        )


@frozen(kw_only=True)
class RollbackRequest(EndsRequest):
    """What the operator was told; see there."""


class RollbackWork(LogToSinkWork[RollbackRequest]):
    """One rollback; see `Work`."""

    _live: Generation | None = None

    def run(self) -> None:
        """Undo the last promotion."""
        self._live = rollback(self._open_sink, patience_of(self._logger, self._stopped))

    def outcome(self) -> Outcome:
        """What is live again."""
        live, sink = self._live, self._request.sink
        if live is None:
            return Outcome(facts={}, said="Nothing is known to be rolled back.", changed=False)
        return Outcome(
            facts={"action": "rollback", "sink": sink, "name": live.name, "schemas": list(live.schemas)},
            said=f"{live.name} is live again.",
            changed=True,
            assets={MARTS: {"generation": live.name, "plan": live.plan}},
        )
