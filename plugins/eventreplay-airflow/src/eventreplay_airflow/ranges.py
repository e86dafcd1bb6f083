"""A journal cut into ranges of positions, one log partition and one mapped task each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventreplay.errors import ConfigError
from eventreplay_airflow import values
from eventreplay_airflow.failures import as_airflow

RANGES_MAX = 10_000
"""Ranges of one call; Airflow maps 1024 tasks unless `max_map_length` says more."""


def journal_ranges(
    *,
    source: str,
    range_positions: int | str,
    source_conn_id: str | None = None,
    source_options: Mapping[str, Any] | None = None,
    first: int | str | None = None,
    upto: int | str | None = None,
    prefix: str = "journal",
) -> list[dict[str, Any]]:
    """The ranges that hold positions from `first` to `upto`, up to the journal's safe head.

    Range n is `[n * range_positions, (n + 1) * range_positions - 1]`, for ever: its name and its beginning
    follow from n alone, so running this again later continues the last range and adds new ones. Plain data,
    for `CaptureOperator.partial(...).expand_kwargs`.

    Args:
        source: a re-readable source, as `CaptureOperator` has it.
        range_positions: positions in a range; fixed for the life of a log.
        source_conn_id: its connection; None: the usual one; empty: none.
        source_options: further settings of the source.
        first: only ranges that hold this position or later ones.
        upto: last position; None: the safe head, below which nothing can still appear.
        prefix: what the names of the partitions begin with.

    Returns:
        `partition`, `first` and `upto` of each, ascending; empty if the journal is.
    """
    from eventreplay_airflow.hook import EventReplayHook  # noqa: PLC0415 - see `jobs`

    with as_airflow():
        width = values.whole("range_positions", range_positions, least=1)
        begin, end = values.whole("first", first) or 0, values.whole("upto", upto)
        if width is None:
            raise ConfigError("range_positions is empty.", hint="Give the width of a range.")
        maker = EventReplayHook(source_conn_id=source_conn_id).source_maker(source, source_options)
        if maker.is_queue():
            raise ConfigError(f"{maker.name} has no positions to cut.", hint="Name a journal or files.")
        opened: Any = maker.make()
        try:
            if begin > 0 and hasattr(opened, "resume"):
                opened.resume(begin - 1)  # holes below concern none of the ranges: they are not looked for
            head = opened.head()
        finally:
            opened.close()
        last = head if end is None or head is None else min(int(head), end)
        if last is None or last < begin:
            return []
        numbers = range(begin // width, int(last) // width + 1)
        if len(numbers) > RANGES_MAX:
            raise ConfigError(
                f"That makes {len(numbers):,} ranges, more than {RANGES_MAX:,}.",
                hint="Give a larger range_positions.",
            )
        return [
            {
                "partition": f"{prefix}-{number:06d}",
                "first": number * width,
                "upto": min((number + 1) * width - 1, int(last)),
            }
            for number in numbers
        ]
