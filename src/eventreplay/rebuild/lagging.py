"""Live models that were last built before RAW's latest rows came: a matter of position, not a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from eventreplay.log import Log
from eventreplay.rebuild.history import History
from eventreplay.rebuild.plan import Plan


def lagging(
    plan: Plan, log: Log, names: Iterable[str], rows_since: Callable[[datetime], int]
) -> dict[str, str]:
    """Which live models have not seen all of the live RAW, and why that is thought.

    A run of dbt reads RAW after its receipt's `began`, so rows that were inserted from that moment on may
    have been too late for it. The clocks of dbt and of loads are two: what came within their difference may
    be taken for late, and is then looked at again after the next run.

    Args:
        plan: names the warehouse and what is live.
        log: beside which the receipts of dbt stand.
        names: of models.
        rows_since: how many rows of the live RAW.EVENTS were inserted at a moment or later.

    Returns:
        A sentence for each that lags; nothing of one that no receipt speaks of.
    """
    history = History.of(log, plan.sink_url, plan.live)
    built = {name: at for name in names if (at := history.built_at(name, plan.live)) is not None}
    late = {at: rows_since(at) for at in set(built.values())}
    return {
        name: (
            f"the live one was built at {at:%Y-%m-%d %H:%M:%S} UTC, and {late[at]:,} rows of RAW are younger:"
            " run dbt over what is live, and compare again"
        )
        for name, at in built.items()
        if late[at]
    }
