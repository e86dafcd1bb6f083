"""Which commits of a log are replayed: all, or some partitions, some numbers, so many events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import asdict, frozen

from eventreplay.errors import ConfigError
from eventreplay.log import Commit, Log


@frozen(kw_only=True)
class Range:
    """Commits of one partition behind `after_commit`, up to `upto_commit`, and what they hold.

    `rows` are events and refused records together; `segment_rows` those of the largest segment.
    """

    partition: str
    after_commit: int
    upto_commit: int
    digest_before: str
    digest: str
    events: int
    rows: int
    bytes: int
    segment_rows: int

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return asdict(self)


def ranges_of(
    log: Log,
    *,
    partitions: Iterable[str] | None = None,
    first: int | None = None,
    upto: int | None = None,
    events_max: int | None = None,
) -> tuple[Range, ...]:
    """The commits that are meant; their chain is verified.

    Args:
        log: the log.
        partitions: names; None: all.
        first: number of the first commit of each partition.
        upto: number of the last one, if the partition gets so far.
        events_max: whole commits that hold at most so many records, shared among the partitions; the first
            commit is taken in any case.

    Raises:
        ConfigError: nothing is meant by that.
        CorruptLogError: a chain does not hold.
    """
    known = log.partitions()
    chosen = known if partitions is None else list(dict.fromkeys(partitions))
    for name in chosen:
        if name not in known:
            raise ConfigError(
                f"The log has no partition {name[:80]!r}.", hint="`eventreplay log ls` lists them."
            )
    if (first is not None and first < 1) or (upto is not None and upto < (first or 1)):
        raise ConfigError(
            f"There are no commits from {first or 1} to {upto}.", hint="Numbers begin at 1; both count."
        )
    if events_max is not None and events_max < 1:
        raise ConfigError(f"{events_max} events are none.", hint="Give --events 1 or more.")
    found: list[Range] = []
    left = events_max
    for at, name in enumerate(chosen):
        share = None if left is None else left // (len(chosen) - at)
        part = _range(log, name, (first or 1) - 1, upto, share, needs_one=not found)
        if part is None:
            continue
        found.append(part)
        left = None if left is None else max(0, left - part.rows)
    if not found:
        raise ConfigError(
            "These partitions have no commits in this range.",
            hint="`eventreplay log ls` shows how far each is.",
        )
    return tuple(found)


def _range(
    log: Log, partition: str, after: int, upto: int | None, rows_max: int | None, *, needs_one: bool
) -> Range | None:
    reader = log.reader(partition)
    head = reader.head()
    if head is None or head.number <= after:
        return None
    last: Commit | None = None
    events = rows = size = largest = 0
    # Added up as they come: a partition may have more commits than memory holds.
    for commit in reader.commits(after):
        refs = (*commit.segments, *commit.quarantine)
        more = sum(ref.rows for ref in refs)
        is_first = last is None and needs_one
        is_too_much = rows_max is not None and rows + more > rows_max and not is_first
        if is_too_much or (upto is not None and commit.number > upto):
            break
        last = commit
        rows += more
        events += sum(ref.event_count for ref in refs)
        size += sum(ref.bytes for ref in refs)
        largest = max(largest, *(ref.rows for ref in refs), 0)
    if last is None:
        return None
    before = reader.commit(after) if after > 0 else None
    return Range(
        partition=partition,
        after_commit=after,
        upto_commit=last.number,
        digest_before="" if before is None else before.sha256,
        digest=last.sha256,
        events=events,
        rows=rows,
        bytes=size,
        segment_rows=largest,
    )
