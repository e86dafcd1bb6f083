"""The work of `RebuildDiffOperator`."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from eventreplay.errors import EventReplayError
from eventreplay.rebuild.diff import diff
from eventreplay.rebuild.difference import Compared, Difference
from eventreplay_airflow.jobs.outcome import Outcome
from eventreplay_airflow.jobs.rebuild import NAMES_SHOWN_MAX, StepRequest, StepWork

TABLES_SHOWN_MAX = 60


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
            named = ", ".join(found.unexplained[:NAMES_SHOWN_MAX])
            raise UnexplainedError(
                f"{self._plan.name} differs where nothing explains it: {named}.",
                hint="`eventreplay rebuild diff` shows the rows. Somebody edited them, or a model's result "
                "hangs on something else than what it reads; `accept_unexplained` goes on all the same.",
            )

    def outcome(self) -> Outcome:
        """Counts by model."""
        found = self._found
        if found is None:
            return Outcome(facts={}, said="Nothing was compared.", changed=False)
        different = [one for one in found.tables if not one.difference.equal]
        facts: dict[str, Any] = {
            "name": found.generation,
            "plan": found.plan,
            "ok": found.ok,
            "equal": found.equal,
            "unexplained": list(found.unexplained),
            "undecided": list(found.undecided),
            "tables": {f"{one.name} {one.note}".strip(): _counts(one) for one in different},
            "notes": list(found.notes),
            "summary": summary_of(found),
        }
        count, of, odd = len(different), len(found.tables), len(found.unexplained)
        return Outcome(facts=facts, said=f"{count} of {of} tables differ, {odd} unexplained.", changed=False)


def _counts(one: Compared) -> dict[str, Any]:
    """No rows and no keys: they would stand in Airflow's database."""
    rows = one.difference.counts
    counts = {name: getattr(rows, name) for name in ("before", "after", "added", "removed", "changed")}
    return {**counts, "columns": dict(one.difference.columns), "state": one.verdict.state}


def summary_of(found: Difference) -> str:
    """What differs, as a table in Markdown."""
    different = [one for one in found.tables if not one.difference.equal]
    if not different:
        return "Nothing differs."
    lines = ["| table | added | removed | changed | |", "|---|---|---|---|---|"]
    for one in different[:TABLES_SHOWN_MAX]:
        rows = one.difference.counts
        lines.append(
            f"| {one.name} | {rows.added:,} | {rows.removed:,} | {rows.changed:,} | {one.verdict.state} |"
        )
    left = len(different) - TABLES_SHOWN_MAX
    return "\n".join([*lines, *([f"And {left} more."] if left > 0 else []), *found.notes])
