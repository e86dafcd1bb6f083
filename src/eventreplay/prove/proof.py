"""What a proof found: which runs were made, what came out of each, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from eventreplay.prove.combinations import WHAT, Combination
from eventreplay.prove.drill import Found
from eventreplay.prove.outputs import Output
from eventreplay.prove.ranges import Range

AGAIN = "(the same once more)"
"""A cause: not even two runs of one combination are equal."""


@frozen(kw_only=True)
class Run:
    """One run.

    Attributes:
        number: counts from 1.
        how: its combination.
        effects: what was in effect in its process.
        seconds: of the load.
        dbt_seconds: of dbt; None if there was none.
        outputs: hashes of what came out, by table.
    """

    number: int
    how: Combination
    effects: Mapping[str, Any]
    seconds: float
    dbt_seconds: float | None
    outputs: Mapping[str, Output]


@frozen(kw_only=True)
class Difference:
    """A table that is not the same in two runs.

    Attributes:
        table: `RAW.EVENTS`, or `SCHEMA.MODEL`.
        runs: numbers of the two.
        found: how many rows, in which columns, and the first of them.
        begins: for a model whether its parents are equal; None for RAW.
        causes: dimensions of which one alone makes it differ; empty: none alone, or nobody looked.
    """

    table: str
    runs: tuple[int, int]
    found: Found
    begins: bool | None = None
    causes: tuple[str, ...] = ()

    def to_json(self, *, with_values: bool = True) -> dict[str, Any]:
        """Plain JSON data; a receipt gets no values."""
        return {
            "table": self.table,
            "runs": list(self.runs),
            "rows": self.found.rows,
            "columns": list(self.found.columns),
            "first": [named.to_json(with_values=with_values) for named in self.found.named],
            "begins": self.begins,
            "causes": list(self.causes),
        }


@frozen(kw_only=True)
class Proof:
    """Everything about a proof.

    Attributes:
        log: what was replayed.
        ranges: which commits of it.
        codec: name of the codec.
        fingerprint: of the codec.
        seed: of the shuffle; with the same number of runs it gives the same combinations here again.
        project: fingerprint of the dbt project; None: no models were built.
        runs: each with its hashes.
        differences: empty if all is equal.
        varied: values of each dimension that were in effect, where there were two at least.
        constant: why each other dimension was not varied.
        skipped: columns that were not compared, by table.
        asking: models whose SQL asks the clock or chance, although their rows are equal: not proven.
        folder: where everything lies, if it was kept.
    """

    log: str
    ranges: tuple[Range, ...]
    codec: str
    fingerprint: str
    seed: int
    project: str | None
    runs: tuple[Run, ...]
    differences: tuple[Difference, ...]
    varied: Mapping[str, tuple[str, ...]]
    constant: Mapping[str, str]
    skipped: Mapping[str, tuple[str, ...]]
    asking: Mapping[str, tuple[str, ...]]
    folder: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all runs gave the same."""
        return not self.differences

    @property
    def rows(self) -> int:
        """Records of the log that each run replayed."""
        return sum(part.rows for part in self.ranges)

    def to_json(self, *, with_values: bool = True) -> dict[str, Any]:
        """Plain JSON data; a receipt gets no values."""
        return {
            "log": self.log,
            "equal": self.ok,
            "read": self.rows,
            "partitions": [part.to_json() for part in self.ranges],
            "schemas": self.codec,
            "codec": self.fingerprint,
            "project": self.project,
            "seed": self.seed,
            "runs": [_run(run, self.rows) for run in self.runs],
            "tables": {name: output.rows for name, output in self.runs[0].outputs.items()},
            "hashes": {name: output.sha256 for name, output in self.runs[0].outputs.items()},
            "differences": [one.to_json(with_values=with_values) for one in self.differences],
            "varied": {name: list(values) for name, values in self.varied.items()},
            "not_varied": dict(self.constant),
            "not_compared": {table: list(columns) for table, columns in self.skipped.items()},
            "asking": {model: list(words) for model, words in self.asking.items()},
        }


def _run(run: Run, rows: int) -> dict[str, Any]:
    return {
        "number": run.number,
        "how": run.how.to_json(),
        "seconds": run.seconds,
        "per_second": round(rows / run.seconds) if run.seconds > 0 else None,
        "dbt_seconds": run.dbt_seconds,
        "outputs": {name: output.sha256 for name, output in run.outputs.items()},
    }


def varied_in(
    runs: list[tuple[Combination, Mapping[str, Any]]], segment_rows: int, *, with_dbt: bool
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Which dimensions were in effect with two values at least, and why the others were not.

    What was asked for is not enough: a zone or locale that a machine does not have leaves all as it is.
    """
    varied: dict[str, tuple[str, ...]] = {}
    constant: dict[str, str] = {}
    for name in WHAT:
        if not with_dbt and name in {"dbt_threads", "duckdb_threads", "row_order"}:
            continue
        values = [getattr(how, name) for how, _ in runs]
        effects = [effect[name] if name in effect else getattr(how, name) for how, effect in runs]
        if name == "batch_rows_max":
            effects = [min(value, segment_rows) for value in values]
        different = {repr(effect): value for effect, value in zip(effects, values, strict=True)}
        if len(different) > 1:
            varied[name] = tuple(map(str, dict.fromkeys(different.values())))
        else:
            constant[name] = _why(name, values)
    return varied, constant


def _why(name: str, values: list[Any]) -> str:
    if name == "batch_rows_max":
        return "the segments are too small"
    if len(set(values)) > 1:
        return "what was asked for had no effect on this machine"
    return {
        "python": "no other interpreter was named",
        "locale": f"no locale but {values[0]} is installed",
    }.get(name, f"it was {values[0]} in every run")
