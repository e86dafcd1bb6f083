"""Whether every position of a journal's ranges is accounted for: an event, in quarantine, or a proven gap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from eventreplay.errors import CorruptLogError
from eventreplay_airflow.failures import as_airflow

if TYPE_CHECKING:  # a DAG is parsed without Arrow
    from eventreplay.assembly import Maker
    from eventreplay.log import Log

WRONG_SHOWN_MAX = 20


def balance_of_ranges(
    *,
    source: str,
    log: str,
    ranges: Iterable[Mapping[str, Any]],
    source_conn_id: str | None = None,
    log_conn_id: str | None = None,
) -> dict[str, Any]:
    """Compare the positions of each range with what its partition of the log holds; reads commits only.

    A source that proves its gaps has to balance exactly: events + quarantined + gaps = positions. One that
    does not, such as files with blank lines, may have fewer records than positions, never more.

    Args:
        source: as the captures had it.
        log: where they wrote.
        ranges: as `journal_ranges` gave them.
        source_conn_id: connection of the source; None: the usual one.
        log_conn_id: connection of the log's store; None: the usual one.

    Returns:
        ranges, positions, events, quarantined and gaps, in all.

    Raises:
        AirflowFailException: a range does not balance; names partition and figures.
    """
    from eventreplay_airflow.hook import EventReplayHook  # noqa: PLC0415 - see `jobs`

    with as_airflow():
        hook = EventReplayHook(source_conn_id=source_conn_id, log_conn_id=log_conn_id)
        begin = _begin(hook.source_maker(source))
        opened = hook.open_log(log, must_exist=False)
        found = {"ranges": 0, "positions": 0, "events": 0, "quarantined": 0, "gaps": 0}
        wrong = []
        for each in ranges:
            partition, first, upto = str(each["partition"]), int(each["first"]), int(each["upto"])
            held = _held(opened, partition, max(first, begin or 0), upto)
            accounted = held["events"] + held["quarantined"] + held["gaps"]
            if accounted > held["positions"] or (begin is not None and accounted < held["positions"]):
                wrong.append(f"{partition}: {accounted} of {held['positions']} positions ({_said(held)})")
            for name, number in held.items():
                found[name] += number
            found["ranges"] += 1
        if wrong:
            raise CorruptLogError(
                f"{len(wrong)} ranges of {source} do not balance: {'; '.join(wrong[:WRONG_SHOWN_MAX])}.",
                hint="Capture them again; if they stay so, the journal's ids or the log were changed.",
                ranges=wrong,
            )
        return found


def _begin(maker: Maker) -> int | None:
    """The journal's lowest position; None: the source proves no gaps, so its ranges need not be full."""
    source: Any = maker.make()
    try:
        return int(source.begins_at()) if hasattr(source, "begins_at") else None
    finally:
        source.close()


def _held(log: Log, partition: str, first: int, upto: int) -> dict[str, int]:
    """What a partition holds of its range; one that has gone on meanwhile is taken as it stands."""
    head = log.reader(partition).head()
    end = upto if head is None else max(upto, head.checkpoint.position)
    gaps = 0
    for entry in log.gaps(partition).open():
        for begin, last in zip(entry.first.to_pylist(), entry.last.to_pylist(), strict=True):
            gaps += max(0, min(last, end) - max(begin, first) + 1)
    return {
        "positions": max(0, end - first + 1),
        "events": 0 if head is None else head.next_offset,
        "quarantined": 0 if head is None else head.next_quarantine_offset,
        "gaps": gaps,
    }


def _said(held: Mapping[str, int]) -> str:
    return ", ".join(f"{held[name]} {name}" for name in ("events", "quarantined", "gaps"))
