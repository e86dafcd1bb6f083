"""The work of `RebuildDiffOperator`."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from eventreplay.errors import EventReplayError
from eventreplay.rebuild import Difference, diff
from eventreplay_airflow.jobs.outcome import Outcome
from eventreplay_airflow.jobs.rebuild import NAMES_SHOWN_MAX, StepRequest, StepWork


class UnexplainedError(EventReplayError):
    """Rows of two generations differ, and no code that changed explains it."""


@frozen(kw_only=True)
class DiffRequest(StepRequest):
    """What the operator was told; see there."""

    accept: bool


class DiffWork(StepWork[DiffRequest]):
    """One comparison; see `Work`."""

    _found: Difference | None = None

    def run(self) -> None:
        """Compare.

        Raises:
            UnexplainedError: names the models.
        """
        sink = self._open_sink()
        try:
            # No rows: they would stand in Airflow's database.
            found = self._found = diff(self._plan, self.log, sink, samples_max=0, progress=self._report)
        finally:
            sink.close()
        if not found.ok and not self._request.accept:
            raise UnexplainedError(
                f"{self._plan.name} differs where nothing explains it: {self._said()}.",
                hint="`eventreplay rebuild diff` shows the rows. Somebody edited them, or a model's result "
                "hangs on something else than what it reads; `accept_unexplained` goes on all the same.",
            )

    def outcome(self) -> Outcome:
        """Counts by model."""
        found = self._found
        facts: dict[str, Any] = {"name": self._plan.name, "plan": self._plan.sha256}
        if found is None:
            return Outcome(facts=facts, said="Nothing was compared.", changed=False)
        facts |= {"ok": found.ok, "summary": self._said(), **found.to_json()}
        return Outcome(facts=facts, said=self._said(), changed=False)

    def _said(self) -> str:
        return "" if self._found is None else str(self._found)[: 100 * NAMES_SHOWN_MAX]
