"""The work of `RebuildDiffOperator`."""

from __future__ import annotations

from attrs import frozen

from eventreplay.errors import EventReplayError
from eventreplay.rebuild.diff import diff
from eventreplay.rebuild.difference import Difference
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
        brief = found.brief()
        count, of, odd = len(brief["tables"]), brief["compared"], len(found.unexplained)
        return Outcome(
            facts={**brief, "notes": list(found.notes), "summary": summary_of(found)},
            said=f"{count} of {of} tables differ, {odd} unexplained.",
            changed=False,
            noteworthy=True,
        )


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
