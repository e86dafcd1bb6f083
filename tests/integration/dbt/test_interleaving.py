"""History and live events in any order, with dbt in between: MART is what history alone would have given."""

from __future__ import annotations

from random import Random

import pytest
from attrs import evolve

from tests.integration.dbt.payloads import RawEvent
from tests.integration.dbt.test_incremental import FIRST, first_load, second_load
from tests.integration.dbt.warehouse import Warehouse

RANGE = 6
"""Events in a partition of the journal."""


def history() -> list[RawEvent]:
    """Every kind of event there is, each once, in the journal's order."""
    seen: dict[str, RawEvent] = {}
    for event in [*first_load(), *second_load()]:
        seen.setdefault(event.event_id, event)
    return list(seen.values())


def ranges() -> dict[str, list[RawEvent]]:
    """The history by partition of the journal, with offsets."""
    events, found = history(), {}
    for begin in range(0, len(events), RANGE):
        name = f"journal-{begin // RANGE:06}"
        part = events[begin : begin + RANGE]
        found[name] = [event.at(name, offset) for offset, event in enumerate(part)]
    return found


def loads(seed: int) -> list[list[RawEvent]]:
    """The journal's ranges in pieces, and live events that are half of them, some twice; all in one order."""
    dice = Random(seed)  # noqa: S311 - reproducible, not secret
    pieces = [part[begin : begin + 3] for part in ranges().values() for begin in range(0, len(part), 3)]
    live = dice.choices(history(), k=len(history()) // 2)
    taken = [evolve(event, partition=f"live-{at % 2}", offset=-1) for at, event in enumerate(live)]
    pieces += [taken[begin : begin + 4] for begin in range(0, len(taken), 4)]
    dice.shuffle(pieces)
    return pieces


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_marts_are_those_of_the_distinct_events(warehouse: Warehouse, seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - the same
    for number, piece in enumerate(loads(seed)):
        warehouse.load(*piece)
        if number == 0 or dice.random() < 1 / 4:
            warehouse.succeed("run")
    warehouse.succeed("build")
    disturbed, distinct = (
        warehouse.marts(),
        warehouse.row("SELECT count(*) FROM STAGING.stg_events__distinct"),
    )
    assert distinct == (len(history()),)
    quiet = Warehouse.create(warehouse.path.parent)
    for part in ranges().values():
        quiet.load(*part, inserted_at=FIRST)
    quiet.succeed("build")
    assert quiet.marts() == disturbed
