"""Which dimension it is: runs again with one thing changed at a time, over as little as will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from attrs import evolve

from eventreplay.log import Log
from eventreplay.prove import models as dbt
from eventreplay.prove.combinations import OF_DBT, OF_REPLAY, WHAT, Combination
from eventreplay.prove.outputs import Output
from eventreplay.prove.proof import AGAIN, Difference
from eventreplay.prove.ranges import Range, ranges_of

Again = Callable[[str, Combination, tuple[Range, ...]], tuple[Output, ...]]
Step = Callable[[str, str], AbstractContextManager[Callable[[int, int | None], None]]]


def raw_causes(
    again: Again,
    log: Log,
    ranges: tuple[Range, ...],
    difference: Difference,
    one: Combination,
    other: Combination,
) -> tuple[str, ...]:
    """Dimensions of a replay of which one alone makes the table differ.

    Args:
        again: replays in a combination, and gives hashes.
        log: the log.
        ranges: what was replayed.
        difference: of RAW; what comes behind its first row is left out.
        one: the first run's combination.
        other: that of the run that differs.
    """
    table = difference.table
    upto = _upto(log, ranges, difference)

    def output(title: str, how: Combination) -> Output:
        return next(each for each in again(title, how, upto) if each.table == table)

    base = output("the same", one)
    if output("the same again", one) != base:
        return (AGAIN,)
    return tuple(
        WHAT[name]
        for name in OF_REPLAY
        if getattr(one, name) != getattr(other, name)
        and output(WHAT[name], evolve(one, **{name: getattr(other, name)})) != base
    )


def _upto(log: Log, ranges: tuple[Range, ...], difference: Difference) -> tuple[Range, ...]:
    """The range of the first row that differs, as far as the commit that holds it."""
    key = difference.found.named[0].key
    part = next((each for each in ranges if each.partition == key.get("log_partition")), None)
    if part is None:
        return ranges
    offset = int(key.get("log_offset") or 0)
    is_reject = key.get("stage") == "capture"
    last = part.upto_commit
    for commit in log.between(part.partition, after=part.after_commit, upto=part.upto_commit).commits():
        if offset < (commit.next_quarantine_offset if is_reject else commit.next_offset):
            last = commit.number
            break
    return ranges_of(log, partitions=[part.partition], first=part.after_commit + 1, upto=last)


def model_causes(
    project: Path,
    models: Sequence[dbt.Model],
    warehouse: Path,
    hows: tuple[Combination, Combination],
    outputs: Mapping[str, Output],
    *,
    seed: int,
    ignored: Sequence[str],
    ascii_only: bool,
    step: Step,
) -> dict[str, tuple[str, ...]]:
    """For each model that begins to differ the dimensions of dbt of which one alone makes it differ.

    They are built again, with all that is above them, in the warehouse that the first run left.

    Args:
        project: the dbt project.
        models: those that begin to differ between two runs.
        warehouse: the first run's.
        hows: both runs' combinations.
        outputs: the first run's hashes.
        seed: of the shuffle of rows.
        ignored: columns that are not compared.
        ascii_only: see `Combination.environment`.
        step: shown progress.
    """
    one, other = hows
    work = warehouse.parent / "dbt-causes"
    tables = {model.unique_id: ".".join(model.place[-2:]) for model in models}
    found: dict[str, list[str]] = {table: [] for table in tables.values()}
    tries = [(AGAIN, one)] + [
        (WHAT[name], evolve(one, **{name: getattr(other, name)}))
        for name in OF_DBT
        # The moments that RAW has are those of the first run.
        if name != "clock" and getattr(one, name) != getattr(other, name)
    ]
    for title, how in tries:
        # Those that differ by themselves say nothing more.
        left = [model for model in models if AGAIN not in found[tables[model.unique_id]]]
        if not left:
            break
        if how.row_order != one.row_order:
            dbt.lay(warehouse, _to(one.row_order, how.row_order), seed)
        with step(f"cause: {title}", "nodes") as report:
            dbt.build(
                project,
                warehouse,
                how,
                work=work,
                label=f"Looking for the cause, {title}",
                ascii_only=ascii_only,
                progress=report,
                select=[f"+{model.name}" for model in left],
                full_refresh=True,
            )
        made = dbt.model_outputs(warehouse, left, ignored)
        for model in left:
            table = tables[model.unique_id]
            if made[model.unique_id] != outputs[table]:
                found[table].append(title)
    return {table: tuple(causes) for table, causes in found.items()}


def _to(before: str, after: str) -> str:
    """How rows that lie in one order are brought into another that is none of it."""
    return "reversed" if {before, after} == {"log", "reversed"} else "shuffled"
