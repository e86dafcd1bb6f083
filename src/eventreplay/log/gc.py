"""Removing what no commit names: segments of crashed runs, and staging files.

There is no clock by which to tell a crashed writer's segment from one that is about to be committed, and
none is needed: `gc` takes the partition over first, as a writer does. A live writer is thereby fenced (it
gets a FenceError and can simply be started again) rather than left to commit a segment that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from eventreplay.log import layout
from eventreplay.log.commit import SegmentRef
from eventreplay.log.reader import PartitionReader
from eventreplay.log.storage import Storage
from eventreplay.log.writer import PartitionWriter


@frozen(kw_only=True)
class GcReport:
    """What was removed, or would be.

    Attributes:
        orphans: keys of segments that no commit names.
        staging: keys of half-written objects.
        dry_run: whether they still stand. A dry run takes nothing over, so what a live writer is putting
            at the moment is among its orphans.
    """

    orphans: tuple[str, ...]
    staging: tuple[str, ...]
    dry_run: bool


def collect_garbage(storage: Storage, token_source: Callable[[], str], *, dry_run: bool) -> GcReport:
    """Remove orphans and staging files of every partition; see `Log.gc`.

    Raises:
        CorruptLogError: a chain is damaged. Nothing of that partition is removed: what looks like an
            orphan may be named by the damaged commit.
    """
    orphans: list[str] = []
    staging = storage.stale("")
    for key in () if dry_run else staging:
        storage.delete(key)
    for partition in all_partitions(storage):
        stale = [key for folder in layout.folders(partition) for key in storage.stale(folder)]
        found = list(_orphans_of(storage, partition))
        if not dry_run and (stale or found):
            found = _remove(storage, partition, token_source())
        orphans += found
        staging += stale
    return GcReport(orphans=tuple(orphans), staging=tuple(staging), dry_run=dry_run)


def _remove(storage: Storage, partition: str, token: str) -> list[str]:
    # Opening sweeps the staging files. What was an orphan a moment ago may have been committed
    # since, so look again now that nobody else can commit; and to the end before the first removal:
    # a chain that breaks later must stop us now.
    with PartitionWriter(storage, partition, token=token, segment_positions=None):
        found = list(_orphans_of(storage, partition))
        for key in found:
            storage.delete(key)
    return found


def all_partitions(storage: Storage) -> list[str]:
    """Partitions that have commits or segments, ascending."""
    names = {name for name in storage.folders(f"{layout.COMMITS}/") if layout.valid_partition(name)}
    for kind in (layout.EVENTS, layout.QUARANTINE):
        folders = (layout.partition_of(name) for name in storage.folders(f"{kind}/"))
        names |= {name for name in folders if name is not None}
    return sorted(names)


def unreferenced(keys: Iterable[str], refs: Iterable[SegmentRef]) -> Iterator[str]:
    """Segment keys that none of `refs` names; both ascend, so neither has to fit into memory."""
    rest = iter(refs)
    ref = next(rest, None)
    for key in keys:
        while ref is not None and ref.key < key:
            ref = next(rest, None)
        if (ref is None or ref.key != key) and layout.is_segment_key(key):
            yield key


def _orphans_of(storage: Storage, partition: str) -> Iterator[str]:
    for kind in (layout.EVENTS, layout.QUARANTINE):
        commits = PartitionReader(storage, partition).commits()
        refs = (ref for commit in commits for ref in commit.refs(kind))
        yield from unreferenced(storage.keys(layout.segment_folder(kind, partition)), refs)
