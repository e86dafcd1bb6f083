"""Writing a partition: claim a slot, put segments, turn the claim into a commit.

The fence (promise P7) is one rule: a commit only ever replaces its own writer's claim, by compare-and-set.
Opening a writer puts its claim into the slot behind the head, over whatever claim stands there. From then
on the former writer's claim is gone, so its commit cannot happen; and it holds none for a later slot
without finding ours. See docs/decisions/009.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NoReturn, Self

from attrs import evolve

from eventreplay.errors import (
    ConfigError,
    CorruptLogError,
    FenceError,
    InvalidEventError,
    LogError,
    LogUnavailableError,
)
from eventreplay.event import Checkpoint
from eventreplay.log import layout
from eventreplay.log.beginning import begin
from eventreplay.log.commit import Claim, Commit, SegmentRef, claim_bytes, commit_bytes, parse_slot
from eventreplay.log.reader import PartitionReader
from eventreplay.log.segment import EncodedSegment
from eventreplay.log.storage import Storage

OPEN_ATTEMPTS_MAX = 64
"""Each lost attempt means that another writer got on; so many in a row mean a quarrel, not a race."""

SEGMENT_BYTES_MAX = 64 * 1024 * 1024
"""Default number of payload bytes after which a segment is to be closed."""


def segment_range(position: int, segment_positions: int) -> int:
    """Which fixed range a source position falls into: range k covers [k * width, (k + 1) * width)."""
    return position // segment_positions


class PartitionWriter:
    """The one writer of a partition, from `Log.writer` until `close` or a `FenceError`.

    Call order: `encode_events` and `encode_rejects` (pure functions, in any thread) from `next_offset`
    and `next_quarantine_offset` on; then `commit`, which is the only call that changes the log; then
    again. Blocks while the store works. Not for use by several threads at once.

    Attributes:
        partition: its name.
        segment_positions: width of the ranges that segments keep to; the log's own where it has begun.
        segment_bytes_max: payload bytes after which whoever cuts segments should close one.
    """

    def __init__(
        self,
        storage: Storage,
        partition: str,
        *,
        token: str,
        segment_positions: int | None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        if segment_positions is not None and segment_positions < 1:
            raise ConfigError(
                f"segment_positions is {segment_positions}.",
                hint="Give a width of 1 or more for an ordered source, None for a queue.",
            )
        self._storage = storage
        self._reader = PartitionReader(storage, partition)
        self._token = token
        self._fenced = False
        self._holder: bytes | None = None
        self._unknown = False
        self._spent = False
        self._closed = False
        self._staged: set[str] = set()
        self.partition = partition
        self.segment_bytes_max = segment_bytes_max
        begin(storage)
        self._head = self._take_over()
        self._claimed = True
        self._sweep()
        self.segment_positions = segment_positions if self._head is None else self._head.segment_positions

    @property
    def head(self) -> Commit | None:
        """The last commit, ours or an earlier writer's; None before the first."""
        return self._head

    @property
    def checkpoint(self) -> Checkpoint | None:
        """How far the source is durable; None: nothing is, read from the beginning."""
        return None if self._head is None else self._head.checkpoint

    @property
    def next_offset(self) -> int:
        """`log_offset` of the next event."""
        return 0 if self._head is None else self._head.next_offset

    @property
    def next_quarantine_offset(self) -> int:
        """`log_offset` of the next quarantined record."""
        return 0 if self._head is None else self._head.next_quarantine_offset

    def stage(self, events: Iterable[EncodedSegment], rejects: Iterable[EncodedSegment]) -> None:
        """Put segments under their names ahead of the commit that will name them, which then need not.

        Any thread may call, also while another one commits: to a store far away, uploads then run beside
        commits. No reader sees it. What is never committed is an orphan. Hold few ahead.

        Raises:
            LogUnavailableError: the store failed; commit them all the same.
        """
        for kind, segments in ((layout.EVENTS, events), (layout.QUARANTINE, rejects)):
            for segment in segments:
                self._put(key := layout.segment_folder(kind, self.partition) + segment.ref.key, segment.data)
                self._staged.add(key)

    def commit(
        self, events: Sequence[EncodedSegment], rejects: Sequence[EncodedSegment], checkpoint: Checkpoint
    ) -> Commit:
        """Make the segments and the checkpoint part of the log, in one atomic step; durable on return.

        Args:
            events: from `encode_events`, going on from `next_offset` without gaps.
            rejects: from `encode_rejects`, likewise from `next_quarantine_offset`.
            checkpoint: the last position that is read; never below what the segments hold.

        Raises:
            FenceError: another writer has taken over. Nothing was committed; every later call raises it.
            LogUnavailableError: the store failed. Whether the commit happened is unknown; calling again
                with the same arguments, or opening a new writer, finds out and goes on.
            InvalidEventError: the segments do not follow from the head; nothing was written.
        """
        self._see_open()
        commit = self._next(events, rejects, checkpoint)
        data = commit_bytes(commit)
        key = layout.commit_key(self.partition, commit.number)
        claim = self._claim(commit.number)
        if not self._claimed:
            self._claim_next(key, claim)
        try:
            for ref, segment in zip(commit.segments, events, strict=True):
                self._put_unless_staged(ref.key, segment.data)
            for ref, segment in zip(commit.quarantine, rejects, strict=True):
                self._put_unless_staged(ref.key, segment.data)
        except LogUnavailableError:
            # A takeover sweeps our staging files; say that, not that the store is flaky.
            found = self._storage.get(key)
            if found not in (claim, data):
                self._fence(found)
            raise
        self._put_commit(key, claim, data)
        self._head = parse_commit(key, data)
        self._claimed = self._unknown = False
        self._staged.difference_update(ref.key for ref in (*commit.segments, *commit.quarantine))
        return self._head

    def close(self) -> None:
        """Give the partition up; takes back a claim that was not used, where the store can. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._claimed and not self._fenced:
            number = self._number()
            # A claim left behind is harmless: the next writer replaces it, and readers end before it.
            with suppress(LogError):
                self._storage.discard(layout.commit_key(self.partition, number), self._claim(number))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _number(self) -> int:
        return 1 if self._head is None else self._head.number + 1

    def _claim(self, number: int) -> bytes:
        return claim_bytes(Claim(partition=self.partition, number=number, token=self._token))

    def _take_over(self) -> Commit | None:
        """Claim the slot behind the head, over whichever claim stands there; the head is the answer."""
        for _ in range(OPEN_ATTEMPTS_MAX):
            head = self._reader.head()
            number = 1 if head is None else head.number + 1
            key, claim = layout.commit_key(self.partition, number), self._claim(number)
            if self._storage.put_new(key, claim):
                return head
            found = self._storage.get(key)
            if found is None:
                continue
            if found == claim:
                return head
            if isinstance(parse_slot(key, found), Claim) and (
                self._storage.replace(key, claim, found) or self._storage.get(key) == claim
            ):
                return head
        raise LogUnavailableError(
            f"Partition {self.partition} changed hands {OPEN_ATTEMPTS_MAX} times while it was being opened.",
            hint="Other writers are running; see that only one is started for a partition.",
            partition=self.partition,
        )

    def _sweep(self) -> None:
        for folder in ("", *layout.folders(self.partition)):
            for key in self._storage.stale(folder):
                self._storage.delete(key)

    def _claim_next(self, key: str, claim: bytes) -> None:
        """Claim the slot behind our last commit; never over another's claim."""
        if not self._storage.put_new(key, claim):
            found = self._storage.get(key)
            if found != claim:
                self._fence(found)
        self._claimed = True

    def _put_unless_staged(self, key: str, data: memoryview) -> None:
        if key not in self._staged:  # gc deletes nothing at or above the head, so it still stands
            self._put(key, data)

    def _put(self, key: str, data: memoryview) -> None:
        if self._storage.put_new(key, data):
            return
        found = self._storage.get(key)
        if found is None:
            raise LogUnavailableError(
                f"{key} was there and is gone.",
                hint="Somebody removed it by hand; start again.",
                key=key,
            )
        # The name carries the content's hash, so other bytes under it are damage: to an object that no
        # commit names yet. Writing what belongs there is right whoever does it, and however late.
        if found != data and not self._storage.replace(key, bytes(data), found):
            raise LogUnavailableError(
                f"{key} is left damaged by a run that did not commit, and could not be repaired.",
                hint="Start again; if it stays so, remove this object.",
                key=key,
            )

    def _put_commit(self, key: str, claim: bytes, data: bytes) -> None:
        try:
            if self._storage.replace(key, data, claim):
                return
        except LogUnavailableError:
            self._unknown = True
            raise
        found = self._storage.get(key)
        if found == claim:
            raise LogUnavailableError(
                f"{key} could not be replaced, though nobody else holds it.",
                hint="Start again; if it stays so, the store has no compare-and-set.",
                key=key,
            )
        if found != data or not self._unknown:
            self._fence(found)
        # The reply to an earlier attempt was lost, and our own bytes stand there: it had happened. Or
        # another writer took over and committed the very same bytes, which nothing can tell apart, since
        # no token stands in a commit. So this commit counts, and this writer makes no other.
        self._spent = True

    def _see_open(self) -> None:
        if self._fenced:
            self._fence(self._holder)
        if self._spent:
            raise LogUnavailableError(
                f"A reply of the store was lost: partition {self.partition} may have another writer by now.",
                hint="Start again: a new writer goes on behind the last commit.",
                partition=self.partition,
            )
        if self._closed:
            raise LogError(
                f"The writer of partition {self.partition} is closed.",
                hint="Open another one.",
                partition=self.partition,
            )

    def _fence(self, holder: bytes | None) -> NoReturn:
        self._fenced, self._holder = True, holder
        raise FenceError(
            f"Another writer has taken over partition {self.partition}; this one writes nothing more.",
            hint="If that was not meant, see that only one runner is started for a partition.",
            partition=self.partition,
            token=self._token,
            holder=None if holder is None else holder[:1000].decode("ascii", "replace"),
        )

    def _next(
        self, events: Sequence[EncodedSegment], rejects: Sequence[EncodedSegment], checkpoint: Checkpoint
    ) -> Commit:
        head = self._head
        checkpoint = evolve(checkpoint, fingerprint="")
        after = None
        if head is not None:
            old = head.checkpoint
            if checkpoint.source != old.source:
                _invalid(f"the checkpoint is of {checkpoint.source!r}, the partition of {old.source!r}")
            if checkpoint.epoch == old.epoch:
                after = old.position
                if checkpoint.position < after:
                    _invalid(f"the checkpoint goes back from {after} to {checkpoint.position}")
            if not events and not rejects and checkpoint == old:
                _invalid("it would change nothing")
        if checkpoint.position < 0:
            _invalid(f"the checkpoint's position is {checkpoint.position}")
        refs = self._follow(layout.EVENTS, events, self.next_offset)
        quarantine = self._follow(layout.QUARANTINE, rejects, self.next_quarantine_offset)
        if self.segment_positions is not None:
            for some in (refs, quarantine):
                self._see_positions(some, after, checkpoint.position)
        return Commit(
            partition=self.partition,
            number=self._number(),
            previous=layout.GENESIS if head is None else head.sha256,
            segments=refs,
            quarantine=quarantine,
            checkpoint=checkpoint,
            next_offset=self.next_offset + sum(ref.rows for ref in refs),
            next_quarantine_offset=self.next_quarantine_offset + sum(ref.rows for ref in quarantine),
            segment_positions=self.segment_positions,
        )

    def _follow(self, kind: str, segments: Sequence[EncodedSegment], offset: int) -> tuple[SegmentRef, ...]:
        refs = []
        for segment in segments:
            ref = segment.ref
            if segment.kind != kind or ref.bytes != len(segment.data):
                _invalid(f"{ref.key} is not an encoded segment of {kind}")
            if ref.first_offset != offset:
                _invalid(f"{ref.key} starts at offset {ref.first_offset} instead of {offset}")
            offset = ref.next_offset
            refs.append(evolve(ref, key=layout.segment_folder(kind, self.partition) + ref.key))
        return tuple(refs)

    def _see_positions(self, refs: Iterable[SegmentRef], after: int | None, upto: int) -> None:
        for ref in refs:
            first, last = ref.first_position, ref.last_position
            if first is None or last is None:
                _invalid(f"the source positions in {ref.key} are not all set and ascending")
            if after is not None and first <= after:
                _invalid(f"{ref.key} starts at position {first}, which is not behind {after}")
            width = self.segment_positions
            if width is not None and segment_range(first, width) != segment_range(last, width):
                _invalid(f"{ref.key} covers positions {first} to {last}, more than one range of {width}")
            after = last
        if after is not None and after > upto:
            _invalid(f"the checkpoint {upto} is below position {after}, which the segments hold")


def parse_commit(key: str, data: bytes) -> Commit:
    """A commit from its own bytes, with its hash.

    Raises:
        CorruptLogError: they are not a commit's.
    """
    slot = parse_slot(key, data)
    if isinstance(slot, Claim):
        raise CorruptLogError(f"{key} holds a claim, not a commit.", hint="Start again.", key=key)
    return slot


def _invalid(detail: str) -> NoReturn:
    raise InvalidEventError(
        f"This cannot be committed: {detail}.",
        hint="Commit segments in the order of the source, from the writer's own offsets on.",
        detail=detail,
    )
