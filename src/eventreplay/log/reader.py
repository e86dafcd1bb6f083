"""Reading a partition: by its chain of commits, never by listing segments, one segment in memory at most."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NoReturn

import pyarrow as pa

from eventreplay.errors import CorruptLogError
from eventreplay.event import Checkpoint
from eventreplay.log import layout
from eventreplay.log.commit import Claim, Commit, SegmentRef, parse_slot
from eventreplay.log.s3 import S3Settings
from eventreplay.log.segment import decode_segment
from eventreplay.log.storage import Storage, open_storage


class PartitionReader:
    """The committed part of one partition. Sees a snapshot that only ever grows; takes no lock.

    Readers and one writer may run at once: a commit is there whole or not at all, and a claim ends the
    chain for a reader. Not for use by several threads at once.

    Attributes:
        partition: its name.
        is_wary: whether each look also makes sure that nothing stands behind a missing commit, which takes a
            listing of all that are there. Who looks every second sets it only now and then.
    """

    def __init__(self, storage: Storage, partition: str) -> None:
        self._storage = storage
        self.partition = layout.check_partition(partition)
        self.is_wary = True
        self._known: Commit | None = None

    def head(self) -> Commit | None:
        """The last commit, or None before the first.

        One listing of the commits since the last call; once one was seen, a reader that is not wary asks for
        the next ones by their names instead.

        Raises:
            CorruptLogError: a commit below the last one is missing, or the last one is damaged.
        """
        if self._known is not None and not self.is_wary:
            while (following := self.commit(self._known.number + 1)) is not None:
                self._known = following
            return self._known
        number = 0 if self._known is None else self._known.number
        after = layout.commit_key(self.partition, number)
        for key in self._storage.keys(layout.commit_folder(self.partition), after):
            found = layout.commit_number(key)
            if found is None:
                continue
            if found != number + 1:
                _missing(layout.commit_key(self.partition, number + 1), found)
            number = found
        # The last slot may hold a claim, or be empty again; below it stand commits only.
        for last in (number, number - 1):
            if self._known is not None and last <= self._known.number:
                break
            commit = self.commit(last) if last > 0 else None
            if commit is not None:
                self._known = commit
                break
            if last == number - 1 and last > 0:
                _missing(layout.commit_key(self.partition, last), number)
        return self._known

    def checkpoint(self) -> Checkpoint | None:
        """How far the source is durable in this partition, or None before the first commit."""
        head = self.head()
        return None if head is None else head.checkpoint

    def epoch(self) -> str:
        """Hex hash of the first commit, empty before it; another chain is another order of offsets."""
        first = self.commit(1)
        return "" if first is None else first.sha256

    def commit(self, number: int) -> Commit | None:
        """One commit by its number, or None if it does not exist (yet); seal and name verified."""
        key = layout.commit_key(self.partition, number)
        data = self._storage.get(key)
        if data is None:
            return None
        slot = parse_slot(key, data)
        if (slot.partition, slot.number) != (self.partition, number):
            raise CorruptLogError(
                f"{key} is damaged: it belongs to another slot.",
                hint="Run `eventreplay log check`, then restore this object from a copy.",
                key=key,
            )
        return None if isinstance(slot, Claim) else slot

    def commits(self, after_number: int = 0) -> Iterator[Commit]:
        """Commits in order from `after_number + 1` to the head at that moment; the chain is verified.

        Each commit must name its predecessor's hash and go on at its offsets; the first one after
        `after_number` is held against that commit, too.

        Raises:
            CorruptLogError: a commit is missing, damaged or does not follow from the one before it.
        """
        previous = None
        if after_number > 0:
            previous = self.commit(after_number)
            if previous is None:
                _missing(layout.commit_key(self.partition, after_number), after_number + 1)
        number = after_number
        while True:
            commit = self.commit(number + 1)
            if commit is None:
                self._see_end(number)
                return
            fault = chain_fault(previous, commit)
            if fault is not None:
                key = layout.commit_key(self.partition, commit.number)
                raise CorruptLogError(
                    f"{key} does not follow from the commit before it: {fault}.",
                    hint="Run `eventreplay log check` to see which object changed.",
                    key=key,
                    detail=fault,
                )
            yield commit
            previous, number = commit, commit.number

    def segments(
        self, after_offset: int | None = None, upto_offset: int | None = None
    ) -> Iterator[SegmentRef]:
        """Event segments that hold any offset in (after_offset, upto_offset], in order.

        The first commit is found by bisection, so that resuming costs the same in a long log.
        """
        first = 0 if after_offset is None else after_offset + 1
        start = self.commit_covering(first)
        if start is None or (upto_offset is not None and upto_offset < first):
            return
        for commit in self.commits(start.number - 1):
            for ref in commit.segments:
                if upto_offset is not None and ref.first_offset > upto_offset:
                    return
                if ref.next_offset > first:
                    yield ref

    def commit_covering(self, offset: int) -> Commit | None:
        """The commit that holds the event at `offset`; None if it is not committed yet."""
        head = self.head()
        if head is None or offset >= head.next_offset:
            return None
        low, high, found = 1, head.number, head
        while low < high:
            middle = (low + high) // 2
            commit = self.commit(middle)
            if commit is None:
                _missing(layout.commit_key(self.partition, middle), head.number)
            if commit.next_offset > offset:
                high, found = middle, commit
            else:
                low = middle + 1
        return found

    def read(self, ref: SegmentRef) -> pa.Table:
        """The rows of one segment, verified against `ref` before they are parsed.

        Returns:
            table of `batch.LOG_SCHEMA` (or `segment.QUARANTINED_SCHEMA` for a quarantine segment).

        Raises:
            CorruptLogError: it is missing, or its bytes are not the committed ones.
        """
        return read_ref(self._storage, ref)

    def _see_end(self, number: int) -> None:
        """A missing slot is the end only if nothing stands behind it."""
        if not self.is_wary:
            return
        slot = layout.commit_key(self.partition, number + 1)
        for key in self._storage.keys(layout.commit_folder(self.partition), slot):
            found = layout.commit_number(key)
            # Between our two looks a writer may have filled the slot and gone on.
            if found is not None and self.commit(number + 1) is None:
                _missing(slot, found)
            return


class CommitRange(PartitionReader):
    """A reader that sees only some commits of its partition, under their own numbers and offsets.

    Args:
        after: number of the commit before the first one seen.
        upto: number of the last one seen; it must exist.
    """

    def __init__(self, storage: Storage, partition: str, *, after: int, upto: int) -> None:
        super().__init__(storage, partition)
        self.after = after
        self.upto = upto

    def head(self) -> Commit | None:
        """The last commit of the range."""
        return self.commit(self.upto)

    def commits(self, after_number: int = 0) -> Iterator[Commit]:
        """Those of the range behind `after_number`; the chain is verified from the one before them."""
        for commit in super().commits(max(after_number, self.after)):
            if commit.number > self.upto:
                return
            yield commit


def chain_fault(previous: Commit | None, commit: Commit) -> str | None:
    """What keeps `commit` from following `previous` (None: from being the first); None if it does."""
    number, digest, offset, quarantine = 0, layout.GENESIS, 0, 0
    if previous is not None:
        number, digest = previous.number, previous.sha256
        offset, quarantine = previous.next_offset, previous.next_quarantine_offset
    if commit.number != number + 1:
        return f"its number is {commit.number} after {number}"
    if commit.previous != digest:
        return "it names another predecessor"
    for refs, after, name in (
        (commit.segments, commit.next_offset, "events"),
        (commit.quarantine, commit.next_quarantine_offset, "quarantine"),
    ):
        at = offset if name == "events" else quarantine
        for ref in refs:
            if ref.first_offset != at:
                return f"the {name} go on at offset {ref.first_offset} instead of {at}"
            at = ref.next_offset
        if at != after:
            return f"the {name} end at offset {at}, it says {after}"
    return None


def read_ref(storage: Storage, ref: SegmentRef) -> pa.Table:
    """One verified segment out of a store; see `PartitionReader.read`."""
    data = storage.get(ref.key)
    if data is None:
        raise CorruptLogError(
            f"{ref.key} is missing.",
            hint="Restore it from a copy; `eventreplay log check` names all that is missing.",
            key=ref.key,
            detail="missing",
        )
    return decode_segment(ref, data)


_reached: dict[str, S3Settings | None] = {}
"""How a log on S3 is reached, by its URL; filled once, as a worker process starts."""


def reach(url: str, s3: S3Settings | None) -> None:
    """Tell a worker process how `read_segment` reaches the log at `url`.

    Give it to the pool as its `initializer`: settings may hold secrets, which travel to a process that is
    being started, and not with a task.
    """
    _reached[url] = s3


def read_segment(url: str, ref: SegmentRef) -> pa.Table:
    """One verified segment of the log at `url`, reached as `reach` said; else by boto3's own chain."""
    return read_ref(_opened(url, _reached.get(url)), ref)


@lru_cache(maxsize=2)
def _opened(url: str, s3: S3Settings | None) -> Storage:
    """A store is opened once per process and not once per segment: on S3 that is a client and a login."""
    return open_storage(url, s3)


def _missing(key: str, beyond: int) -> NoReturn:
    raise CorruptLogError(
        f"{key} is missing, though commit {beyond} stands.",
        hint="Restore it from a copy; without it nothing behind it can be proven.",
        key=key,
        detail="missing",
    )
