"""How long a rebuild will take: from what runs before it took, else from a short measurement."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eventreplay.interfaces import Codec
from eventreplay.log import Log, PartitionReader, SegmentRef
from eventreplay.raw_rows import raw_rows
from eventreplay.rebuild.history import History
from eventreplay.rebuild.parts import Estimate, PlannedPartition

ROWS_MIN = 10_000
"""A load of fewer rows says nothing of a rate."""
CALIBRATION_ROWS_MAX = 200_000
CALIBRATION_S_MAX = 2.0
"""After which no further segment is decoded for a measurement."""
_BATCH_ROWS = 65_536


def estimate(
    log: Log,
    history: History,
    codec: Codec,
    partitions: Sequence[PlannedPartition],
    *,
    makes_raw: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Estimate:
    """How long loading and building will take.

    Args:
        log: for a measurement, if nothing is known.
        history: what runs over this warehouse took.
        codec: decodes what is measured.
        partitions: what is to be read.
        makes_raw: whether RAW is loaded at all.
        clock: monotonic seconds.
    """
    rows = sum(part.events + part.rejects for part in partitions) if makes_raw else 0
    basis: list[str] = []
    load_seconds: int | None = 0
    if rows:
        rate, told = _load_rate(history)
        if rate is None:
            rate, told = _calibrated(log, codec, partitions, clock)
        basis.append(told)
        load_seconds = None if rate is None else math.ceil(rows / rate)
    dbt_seconds, told = _dbt_seconds(history)
    basis.append(told)
    return Estimate(load_seconds=load_seconds, dbt_seconds=dbt_seconds, basis=basis)


def _load_rate(history: History) -> tuple[float | None, str]:
    for facts in history.of_kind("replay", "rebuild"):
        rows = facts.get("read")
        seconds = facts.get("load_seconds", facts.get("seconds"))
        if isinstance(rows, int) and rows >= ROWS_MIN and isinstance(seconds, int | float) and seconds > 0:
            return (
                rows / seconds,
                f"loading: {rows:,} rows in {seconds:,.1f} s, the last load of this warehouse",
            )
    return None, ""


def _calibrated(
    log: Log, codec: Codec, partitions: Sequence[PlannedPartition], clock: Callable[[], float]
) -> tuple[float | None, str]:
    """Decode some segments now; writing is not in it, so that a load takes longer."""
    rows, begun_s = 0, clock()
    for part in sorted(partitions, key=lambda each: -each.events):
        for ref in _segments(log.reader(part.partition), part.upto):
            for made in raw_rows(log.read(ref), part.partition, codec, _BATCH_ROWS, rejects=False):
                rows += made.rows.num_rows + made.refused.num_rows
            if rows >= CALIBRATION_ROWS_MAX or clock() - begun_s >= CALIBRATION_S_MAX:
                break
        if rows >= CALIBRATION_ROWS_MAX or clock() - begun_s >= CALIBRATION_S_MAX:
            break
    spent_s = clock() - begun_s
    if not rows or spent_s <= 0:
        return None, "loading: nothing is known, and the log has no event to measure by"
    return rows / spent_s, (
        f"loading: {rows:,} events of this log read and decoded now in {spent_s:,.2f} s; no load of this "
        "warehouse is on record, and writing is not in it"
    )


def _segments(reader: PartitionReader, upto: int) -> Sequence[SegmentRef]:
    """Some segments from the beginning: as many as a measurement takes at most."""
    found: list[SegmentRef] = []
    rows = 0
    for number in range(1, upto + 1):
        commit = reader.commit(number)
        for ref in () if commit is None else commit.segments:
            found.append(ref)
            rows += ref.rows
        if rows >= CALIBRATION_ROWS_MAX:
            break
    return found


def _dbt_seconds(history: History) -> tuple[int | None, str]:
    """The longest of the builds on record: a first build makes all tables."""
    best: Mapping[str, Any] | None = None
    for facts in history.of_kind("dbt", "rebuild"):
        if _dbt_part(facts) > (0.0 if best is None else _dbt_part(best)):
            best = facts
    if best is None:
        return None, "dbt: no build of this warehouse is on record"
    seconds = _dbt_part(best)
    return math.ceil(seconds), f"dbt: {seconds:,.1f} s, the longest build of this warehouse on record"


def _dbt_part(facts: Mapping[str, Any]) -> float:
    is_build = str(facts.get("command") or "").split(" ")[0] in {"build", "run"}
    found = facts.get("seconds") if is_build else facts.get("first_build_seconds")
    return float(found) if isinstance(found, int | float) else 0.0
