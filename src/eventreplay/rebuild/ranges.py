"""How far of each partition is read: all of it, up to a commit, or as it was at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import TIMESTAMP
from eventreplay.errors import ConfigError
from eventreplay.log import Commit, Log, PartitionReader
from eventreplay.rebuild.parts import PlannedPartition

Until = datetime | Mapping[str, int]
"""A moment, for every partition; or the number of the last commit, by partition."""


def planned_partitions(log: Log, until: Sequence[Until] = ()) -> tuple[PlannedPartition, ...]:
    """Each partition as it is now, and how far it is read.

    As of a moment: up to the last commit before the first one that holds anything recorded later. It is
    looked for by halves, as commits follow one another in time; what a queue delivered late may lie on the
    other side of it. The plan then names the commit, and is exact from there.

    Args:
        log: the log; only commits are read, and for a moment a few segments.
        until: places and moments; of several that concern a partition, the earliest.

    Raises:
        ConfigError: a partition or a commit is not there, or a moment has no zone.
    """
    names = log.partitions()
    commits, moments = _split(until)
    unknown = sorted(set(commits) - set(names))
    if unknown:
        raise ConfigError(
            f"There is no partition {unknown[0]!r} in {log.url}.",
            hint=f"It has: {', '.join(names) or 'none'}.",
            partition=unknown[0],
        )
    found = (_planned(log, log.reader(name), commits.get(name), moments) for name in names)
    return tuple(each for each in found if each is not None)


def _split(until: Iterable[Until]) -> tuple[dict[str, int], list[datetime]]:
    commits: dict[str, int] = {}
    moments: list[datetime] = []
    for each in until:
        if isinstance(each, datetime):
            if each.tzinfo is None:
                raise ConfigError(
                    f"{each.isoformat()} has no time zone.", hint="Write e.g. 2026-01-01T00:00:00Z."
                )
            moments.append(each.astimezone(UTC))
        else:
            for name, number in each.items():
                commits[name] = min(number, commits.get(name, number))
    return commits, moments


def _planned(
    log: Log, reader: PartitionReader, commit: int | None, moments: Sequence[datetime]
) -> PlannedPartition | None:
    head = reader.head()
    if head is None:
        return None
    last = head.number
    if commit is not None:
        if not 0 <= commit <= last:
            raise ConfigError(
                f"There is no commit {commit} in {reader.partition!r}, which has {last}.",
                hint="Give the number of a commit; `eventreplay log ls` shows how many there are.",
                partition=reader.partition,
            )
        last = commit
    for moment in moments:
        last = _as_of(log, reader, last, moment)
    upto = reader.commit(last) if last else None
    return PlannedPartition(
        partition=reader.partition,
        epoch=reader.epoch(),
        commit=head.number,
        digest=head.sha256,
        upto=last,
        upto_digest="" if upto is None else upto.sha256,
        events=0 if upto is None else upto.next_offset,
        rejects=0 if upto is None else upto.next_quarantine_offset,
        bytes=_bytes(reader, last),
    )


def _bytes(reader: PartitionReader, upto: int) -> int:
    total = 0
    for commit in reader.commits():
        if commit.number > upto:
            break
        total += sum(ref.bytes for ref in (*commit.segments, *commit.quarantine))
    return total


def _as_of(log: Log, reader: PartitionReader, last: int, moment: datetime) -> int:
    """The last commit, of those up to `last`, that holds nothing recorded after a moment; 0: none."""
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        commit = reader.commit(middle)
        if commit is not None and _is_later(log, commit, moment):
            high = middle - 1
        else:
            low = middle
    return low


def _is_later(log: Log, commit: Commit, moment: datetime) -> bool:
    """Whether it holds anything recorded later; what nobody recorded is judged by when it happened."""
    for ref in commit.segments:
        rows = log.read(ref)
        recorded = pc.coalesce(rows.column("recorded_at"), rows.column("occurred_at"))
        latest = pc.max(recorded)
        if latest.is_valid and pc.greater(latest, pa.scalar(moment, TIMESTAMP)).as_py():
            return True
    return False
