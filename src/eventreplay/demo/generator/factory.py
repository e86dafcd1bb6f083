"""Manufacturing batches as columns of integers: a function of the batch's number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from attrs import frozen

from eventreplay.demo.generator import names
from eventreplay.demo.generator.catalog import Catalog
from eventreplay.demo.generator.columns import numbered
from eventreplay.demo.generator.dice import Dice, Flags, Ints
from eventreplay.demo.generator.layout import PERIOD_BATCHES

DEFECT_KINDS = ("DEFECT_KIND_CENTERING", "DEFECT_KIND_SURFACE", "DEFECT_KIND_CORNER", "DEFECT_KIND_PRINT")
CURRENCY = "USD"


@frozen(eq=False)
class Started:
    """Batches as started; `line` indexes `names.LINES`, `machine` counts 1 to 3 on its line."""

    batch: Ints
    sku: Ints
    line: Ints
    machine: Ints
    shift: Ints
    planned: Ints


@frozen(eq=False)
class Defects:
    """Defects found, flat: kinds 1 to 4 with their counts; `offsets` says where each batch begins."""

    offsets: Ints
    kind: Ints
    count: Ints


class Factory:
    """Makes batches and their inspections from batch numbers."""

    def __init__(self, dice: Dice, catalog: Catalog) -> None:
        self._dice = dice
        self._catalog = catalog

    def started(self, batch: Ints) -> Started:
        """Batches as they were started."""
        dice = self._dice
        available = self._catalog.released(batch // PERIOD_BATCHES)
        nothing = np.zeros(len(batch), dtype=np.int64)
        return Started(
            batch=batch,
            sku=self._catalog.choose(dice.below("batch sku", batch, 1 << 31), available, nothing),
            line=dice.below("line", batch, len(names.LINES)),
            machine=1 + dice.below("machine", batch, 3),
            shift=1 + dice.below("shift", batch, 3),
            planned=250 * (2 + dice.below("planned", batch, 60)),
        )

    def produced(self, batch: Ints) -> Ints:
        """Cards made: a little under plan, rarely a little over, very rarely none."""
        planned, dice = self.started(batch).planned, self._dice
        made = planned * (1_005 - dice.below("shortfall", batch, 60)) // 1_000
        return np.where(dice.chance("jam", batch, 6), 0, made)

    def cost9(self, batch: Ints) -> Ints:
        """Cost in 1/1,000,000,000 of `CURRENCY`: a set-up and a price per card, to the last digit."""
        unit9 = 38_000_000 + self._dice.below("unit cost", batch, 9_000_000)
        return 125_500_000_000 + self.produced(batch) * unit9

    def defects(self, batch: Ints, again: Ints) -> Defects:
        """What an inspection found; `again` is 1 for the second inspection of a batch."""
        dice, started = self._dice, self.started(batch)
        worn = (started.line == 4) & (batch // (PERIOD_BATCHES * 6) % 5 == 2)
        rate = 4 + dice.below("defect rate", batch, 14) + np.where(worn, 45, 0)
        found = np.empty((len(batch), 4), dtype=np.int64)
        for kind in range(4):
            share = dice.below(f"defect {kind}", batch * 2 + again, 12)
            found[:, kind] = self.produced(batch) * rate * share // 24_000
        listed = found > 0
        offsets = np.concatenate([[0], np.cumsum(listed.sum(axis=1))]).astype(np.int64)
        kinds = np.broadcast_to(np.arange(1, 5, dtype=np.int64), found.shape)
        return Defects(offsets=offsets, kind=kinds[listed], count=found[listed])

    def finished(self, batch: Ints) -> Flags:
        """Whether a batch is ever finished."""
        return self._dice.chance("finishes", batch, 975)

    def inspected(self, batch: Ints, again: Ints) -> Flags:
        """Whether the first (`again` 0) or second inspection takes place; only of finished batches."""
        return self.finished(batch) & self._dice.chance("inspected", batch * 2 + again, 930)


def batch_ids(batch: Ints) -> pa.Array:
    """`B-00000001`."""
    return numbered("B-", batch, 8)


def machines(line: Ints, machine: Ints) -> pa.Array:
    """`L3-M2`."""
    every = [f"{name}-M{number}" for name in names.LINES for number in (1, 2, 3)]
    return pa.array(every).take(pa.array(line * 3 + machine - 1))
