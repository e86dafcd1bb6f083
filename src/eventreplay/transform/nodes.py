"""What became of each model, test and source of a run of dbt."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

FAILED = frozenset({"error", "fail", "runtime error", "partial success"})


@frozen(kw_only=True)
class Node:
    """One model, test or source as dbt ended it.

    Attributes:
        unique_id: dbt's name of it, e.g. `model.sportscards.fct_orders`.
        name: name for a person; of a generic test the test's, e.g. `within_zero_and_one`.
        kind: model, test, unit_test, source, operation, seed, snapshot.
        status: success, pass, warn, fail, error, skipped, runtime error.
        seconds: how long it took.
        message: dbt's sentence about it, or ours about a source; empty if there is none.
        relation: `SCHEMA.table` that it made, or that the test is about; None if there is none.
        column: column the test is about; None: the whole row, or several columns.
        failures: rows that a test found; None if it is no test, or did not get that far.
        rows: a sample of those rows of a failed test, as text by column; 5 at most, 200 characters a value.
    """

    unique_id: str
    name: str
    kind: str
    status: str
    seconds: float
    message: str
    relation: str | None = None
    column: str | None = None
    failures: int | None = None
    rows: tuple[Mapping[str, str], ...] = field(default=())

    def __str__(self) -> str:
        """One sentence without its full stop: what failed, where, and on which rows."""
        place = "" if self.relation is None else f" on {self.relation}"
        if self.column is not None:
            place += f".{self.column}"
        if self.kind == "source":
            return self.message
        if self.failures is None or self.kind != "test":
            return f"{self.kind} {self.name}{place}: {self.message or self.status}"
        counted = f"{self.failures} row{'' if self.failures == 1 else 's'}"
        shown = "; ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in self.rows)
        more = f"; and {self.failures - len(self.rows)} more" if 0 < len(self.rows) < self.failures else ""
        ended = "failed" if self.status == "fail" else f"ended as {self.status}"
        return f"{self.name} {ended}{place}: {counted}{': ' if shown else ''}{shown}{more}"


@frozen(kw_only=True)
class Transformation:
    """A run of dbt that ended.

    Attributes:
        nodes: what was run, in the order of ending; of a resumed run only what it ran again.
        invocation_id: dbt's identifier of the run, which its log and the warehouse's query comments carry.
        project_fingerprint: SHA-256 over the project's files, hexadecimal.
        seconds: from start to end of the process.
    """

    nodes: tuple[Node, ...]
    invocation_id: str
    project_fingerprint: str
    seconds: float

    @property
    def failed(self) -> tuple[Node, ...]:
        """Nodes that failed; empty unless this came with a `TransformError`."""
        return tuple(node for node in self.nodes if node.status in FAILED)
