"""How far both generations have read the log: what lies beyond is a matter of position, not of a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eventreplay.capabilities.generations import Generation, SupportsGenerations
from eventreplay.interfaces import Sink
from eventreplay.log import Commit, Log
from eventreplay.rebuild.difference import Standing
from eventreplay.rebuild.plan import Plan

PARTIAL = (
    "the generation holds a part of the rows: a table that is made of a part may differ in every row, so"
    " nothing is said of why"
)


def standings_of(
    plan: Plan, log: Log, sink: SupportsGenerations, generation: Generation
) -> Iterator[Standing]:
    """How far either side has read each partition, and up to where both have.

    A generation of models alone reads the live RAW, and may have been built of less than that holds by now.
    """
    partitions = sorted({*log.partitions(), *(part.partition for part in plan.partitions)})
    with_names = {name: f"{plan.replay_id}/{name}" for name in partitions}
    before = _positions(sink, with_names)  # type: ignore[arg-type]
    after: dict[str, int] = {}
    if plan.makes_raw:
        shadow = sink.shadow(plan.name)
        try:
            after = _positions(shadow, with_names)
        finally:
            shadow.close()
    built: Mapping[str, int] | None = generation.facts.get("built")
    for name in partitions:
        ends = [_offset(log, name, at) for at in (before[name], after.get(name, before[name]))]
        yield Standing(
            partition=name,
            before=before[name],
            after=after.get(name),
            built=None if built is None else int(built.get(name, 0)),
            compared_below=min(ends),
            beyond=max(ends) - min(ends),
        )


def _positions(sink: Sink, replays: Mapping[str, str]) -> dict[str, int]:
    found = {name: sink.begin(replay_id) for name, replay_id in replays.items()}
    return {name: 0 if known is None else known.position for name, known in found.items()}


def _offset(log: Log, partition: str, number: int) -> int:
    commit = _commit(log, partition, number)
    return 0 if commit is None else commit.next_offset


def refused_below(log: Log, standing: Standing) -> int:
    """Of records that capture refused, the offset of the first that one side may not have read."""
    numbers = [number for number in (standing.before, standing.after) if number is not None]
    commit = _commit(log, standing.partition, min(numbers))
    return 0 if commit is None else commit.next_quarantine_offset


def _commit(log: Log, partition: str, number: int) -> Commit | None:
    return log.reader(partition).commit(number) if number else None


def unlike(plan: Plan, standings: Sequence[Standing]) -> str:
    """Why the models of both sides were not made of the same part of the log; empty if they were."""
    if plan.is_partial:
        return PARTIAL
    apart = [
        one for one in standings if one.after not in (None, one.before) or one.built not in (None, _read(one))
    ]
    if not apart:
        return ""
    first = apart[0]
    return (
        f"both sides stand at other places in the log ({first.partition}: commit {first.before} and"
        f" {_read(first)}, models built up to {_known(first.built)}): run `eventreplay rebuild run`"
        " again to catch up, and build what is live"
    )


def _read(standing: Standing) -> int:
    """Up to where the RAW goes that the other side's models are made of."""
    return standing.before if standing.after is None else standing.after


def _known(number: int | None) -> str:
    return "an unknown one" if number is None else str(number)
