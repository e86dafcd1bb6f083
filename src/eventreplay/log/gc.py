"""Removing what no commit names and none ever will: segments that the chain has passed, and staging files.

A delete cannot be fenced: a `gc` that was stopped after it had looked, and goes on much later, deletes
then, whatever has happened since. So it may only ever delete what no later commit can name. Commits go
on at the head's next offset; a segment's name begins with its first offset; so an orphan that begins below
that offset is dead for good, and one at or above it is left alone: the next run may take it up under the
same name. No claim is needed, and no writer is disturbed. See docs/decisions/011.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from eventreplay.log import layout
from eventreplay.log.commit import SegmentRef
from eventreplay.log.reader import PartitionReader
from eventreplay.log.receipts import FOLDER as RECEIPTS
from eventreplay.log.storage import Storage


@frozen(kw_only=True)
class GcReport:
    """What was removed, or would be.

    Attributes:
        orphans: keys of segments that no commit names or ever will.
        staging: keys of half-written objects.
        ahead: keys that no commit names yet; kept, since the next run may.
        dry_run: whether all of them still stand.
    """

    orphans: tuple[str, ...]
    staging: tuple[str, ...]
    ahead: tuple[str, ...]
    dry_run: bool


def collect_garbage(storage: Storage, *, dry_run: bool) -> GcReport:
    """Remove orphans and staging files of every partition; see `Log.gc`.

    Raises:
        CorruptLogError: a chain is damaged. Nothing of that partition is removed: what looks like an
            orphan may be named by the damaged commit.
    """
    orphans: list[str] = []
    ahead: list[str] = []
    staging = [key for folder in ("", f"{RECEIPTS}/") for key in storage.stale(folder)]
    for partition in all_partitions(storage):
        dead, alive = _orphans_of(storage, partition)
        orphans += dead
        ahead += alive
        staging += [key for folder in layout.folders(partition) for key in storage.stale(folder)]
    if not dry_run:
        # A live writer whose staging file goes puts it again.
        for key in (*orphans, *staging):
            storage.delete(key)
    return GcReport(orphans=tuple(orphans), staging=tuple(staging), ahead=tuple(ahead), dry_run=dry_run)


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


def _orphans_of(storage: Storage, partition: str) -> tuple[list[str], list[str]]:
    """Segments that no commit names: below the head's next offset, and at or above it."""
    reader = PartitionReader(storage, partition)
    # The head comes first: what is committed while we look lies at or above its next offset.
    head = reader.head()
    dead: list[str] = []
    ahead: list[str] = []
    for kind in (layout.EVENTS, layout.QUARANTINE):
        bound = 0
        if head is not None:
            bound = head.next_offset if kind == layout.EVENTS else head.next_quarantine_offset
        refs = (ref for commit in reader.commits() for ref in commit.refs(kind))
        for key in unreferenced(storage.keys(layout.segment_folder(kind, partition)), refs):
            (dead if layout.segment_offset(key) < bound else ahead).append(key)
    # To the end of the chain before anything goes: damage further on must stop us, too.
    for _ in reader.commits():
        continue
    return dead, ahead
