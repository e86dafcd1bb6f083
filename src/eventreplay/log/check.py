"""`log check`: recompute everything a log says of itself, and name all that does not hold.

Any changed, missing or exchanged byte of format, commits and segments is found: each segment by its
commit, each commit by its own seal and by its successor. What cannot be seen from inside is a log whose
last commits were taken away together with nothing else to remember them: that is a valid shorter log. A
sink's checkpoint carries the hash of the commit it has read and finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen

from eventreplay.errors import CorruptLogError, InvalidEventError, LogError, LogUnavailableError
from eventreplay.hashing import event_hash, hash_sum, payload_sha256
from eventreplay.log import layout
from eventreplay.log.commit import Claim, Commit, SegmentRef, parse_slot
from eventreplay.log.gaps import is_ledger_key
from eventreplay.log.gc import all_partitions, unreferenced
from eventreplay.log.reader import chain_fault
from eventreplay.log.receipts import FOLDER as RECEIPTS
from eventreplay.log.receipts import ReceiptBook, is_receipt_key
from eventreplay.log.segment import decode_segment, positions
from eventreplay.log.storage import Storage

_RESTORE = "Restore this object from a copy; never edit or delete objects of a log."


@frozen(kw_only=True)
class Finding:
    """One thing that does not hold (or, as a note, one that is worth knowing).

    Attributes:
        key: the object it was seen in.
        kind: `format`, `missing`, `damaged`, `chain`, `rows`, `hash`, `position`, `checkpoint`; of notes
            `claim`, `orphan`, `staging`, `foreign`.
        detail: what was seen, for a person; never a payload's bytes.
        hint: what to do.
    """

    key: str
    kind: str
    detail: str
    hint: str


@frozen(kw_only=True)
class CheckProgress:
    """How far a check has come; counts over all partitions so far."""

    partition: str = ""
    commits: int = 0
    segments: int = 0
    events: int = 0
    quarantined: int = 0
    bytes: int = 0


@frozen(kw_only=True)
class CheckReport:
    """What a check saw. `findings` are faults, `notes` are not.

    `total` counts what was read and verified; `partitions` are those with commits or segments.
    """

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    partitions: tuple[str, ...]
    total: CheckProgress

    @property
    def ok(self) -> bool:
        """Whether every byte that a commit vouches for is as it was committed."""
        return not self.findings


def check_log(storage: Storage, progress: Callable[[CheckProgress], None] | None = None) -> CheckReport:
    """Read the whole log once and verify it; see `Log.check`. Memory is bounded by one segment.

    Args:
        storage: the log's store.
        progress: called after each commit.

    Raises:
        LogUnavailableError: the store does not answer, so nothing can be said.
    """
    check = _Check(storage, progress)
    partitions = all_partitions(storage)
    check.format(begun=bool(partitions))
    for partition in partitions:
        check.partition(partition)
    check.receipts()
    check.strangers(partitions)
    return CheckReport(
        findings=tuple(check.findings),
        notes=tuple(check.notes),
        partitions=tuple(partitions),
        total=evolve(check.total, partition=""),
    )


class _Check:
    def __init__(self, storage: Storage, progress: Callable[[CheckProgress], None] | None) -> None:
        self._storage = storage
        self._progress = progress
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.total = CheckProgress()

    def format(self, *, begun: bool) -> None:
        found = self._get(layout.FORMAT_KEY)
        if found is None and begun:
            self._find(layout.FORMAT_KEY, "missing", "it is missing")
        elif found is not None and found != layout.FORMAT_BYTES:
            self._find(layout.FORMAT_KEY, "format", "it is not that of a log of version 1")

    def partition(self, partition: str) -> None:
        before = len(self.findings)
        number, digest = 0, layout.GENESIS
        previous: Commit | None = None
        claimed: str | None = None
        self.total = evolve(self.total, partition=partition)
        for key, found in self._slots(partition):
            if claimed is not None:
                self._find(claimed, "chain", "a claim stands where commits go on behind it")
                claimed = None
            if found != number + 1:
                first = layout.commit_key(partition, number + 1)
                self._find(first, "missing", f"commits {number + 1} to {found - 1} are missing")
                previous, digest = None, ""
            number = found
            data = self._get(key)
            slot = None if data is None else self._slot(key, partition, number, data)
            if isinstance(slot, Claim):
                claimed, previous = key, None
                continue
            if slot is not None:
                self._commit(key, previous, digest, slot)
            previous, digest = slot, "" if data is None else hashlib.sha256(data).hexdigest()
            if self._progress is not None:
                self._progress(self.total)
        if claimed is not None:
            self._note(
                claimed,
                "claim",
                "a writer is at work here, or died before its commit",
                "Nothing has to be done: the next writer replaces it.",
            )
        self._unnamed(partition, whole=len(self.findings) == before)

    def receipts(self) -> None:
        for key, kind, detail in ReceiptBook(self._storage).faults():
            self._find(key, kind, detail)

    def strangers(self, partitions: list[str]) -> None:
        known_partitions = frozenset(partitions)
        folders = (prefix for partition in partitions for prefix in layout.folders(partition))
        prefixes = ("", f"{RECEIPTS}/", *folders)
        for key in (key for prefix in prefixes for key in self._storage.stale(prefix)):
            self._note(
                key, "staging", "a half-written object of a dead writer", "`eventreplay log gc` removes it."
            )
        for key in self._storage.keys(""):
            folder, _, name = key.rpartition("/")
            kind, _, inner = folder.partition("/")
            known = key in {layout.FORMAT_KEY, layout.PROBE_KEY}
            if kind == layout.COMMITS and inner in known_partitions:
                known = layout.commit_number(name) is not None
            elif kind in {layout.EVENTS, layout.QUARANTINE} and layout.partition_of(inner) is not None:
                known = layout.is_segment_key(name)
            elif is_ledger_key(key) or is_receipt_key(key):
                known = True
            if not known:
                self._note(key, "foreign", "it is no part of a log", "Keep other files elsewhere.")

    def _slots(self, partition: str) -> Iterator[tuple[str, int]]:
        for key in self._storage.keys(layout.commit_folder(partition)):
            number = layout.commit_number(key)
            if number is not None:
                yield key, number

    def _slot(self, key: str, partition: str, number: int, data: bytes) -> Commit | Claim | None:
        try:
            slot = parse_slot(key, data)
        except CorruptLogError as error:
            self._find(key, "damaged", str(error.fields.get("detail", "it is not JSON")))
            return None
        if (slot.partition, slot.number) != (partition, number):
            self._find(key, "damaged", f"it is slot {slot.number} of partition {slot.partition}")
        return slot

    def _commit(self, key: str, previous: Commit | None, digest: str, commit: Commit) -> None:
        self.total = evolve(self.total, commits=self.total.commits + 1)
        if previous is not None or commit.number == 1:
            fault = chain_fault(previous, commit)
            if fault is not None:
                self._find(key, "chain", fault)
        elif commit.previous != digest and digest:
            self._find(key, "chain", "it names another predecessor than the damaged object before it")
        after = self._checkpoint(key, previous, commit)
        for kind in (layout.EVENTS, layout.QUARANTINE):
            last = after
            for ref in commit.refs(kind):
                if commit.segment_positions is not None:
                    last = self._ordered(key, ref, commit, last)
                self._segment(ref, kind)

    def _checkpoint(self, key: str, previous: Commit | None, commit: Commit) -> int | None:
        """See that the checkpoint goes on from the previous one; the position its segments lie behind."""
        if previous is None:
            return None
        old, new = previous.checkpoint, commit.checkpoint
        if old.source != new.source:
            self._find(key, "checkpoint", "its checkpoint is of another source than the one before")
        if previous.segment_positions != commit.segment_positions:
            self._find(key, "checkpoint", "it has another width of ranges than the commit before")
        if old.epoch != new.epoch:
            return None
        if new.position < old.position:
            self._find(key, "checkpoint", f"its checkpoint goes back from {old.position} to {new.position}")
        return old.position

    def _ordered(self, key: str, ref: SegmentRef, commit: Commit, after: int | None) -> int | None:
        first, last = ref.first_position, ref.last_position
        if first is None or last is None or first > last or (after is not None and first <= after):
            self._find(key, "position", f"{ref.key} does not ascend from source position {after}")
        if last is not None and last > commit.checkpoint.position:
            self._find(key, "checkpoint", f"its checkpoint is below position {last} of {ref.key}")
        return last

    def _segment(self, ref: SegmentRef, kind: str) -> None:
        data = self._get(ref.key)
        if data is None:
            self._find(ref.key, "missing", "a commit names it, and it is missing")
            return
        try:
            table = decode_segment(ref, data)
        except CorruptLogError as error:
            self._find(ref.key, "damaged", str(error.fields["detail"]))
            return
        try:
            self._rows(ref, table, kind)
        except InvalidEventError as error:
            self._find(ref.key, "rows", error.message)
        events = kind == layout.EVENTS
        self.total = evolve(
            self.total,
            segments=self.total.segments + 1,
            events=self.total.events + (ref.rows if events else 0),
            quarantined=self.total.quarantined + (0 if events else ref.rows),
            bytes=self.total.bytes + ref.bytes,
        )

    def _rows(self, ref: SegmentRef, table: pa.Table, kind: str) -> None:
        offsets = table.column("log_offset").to_numpy()
        if not np.array_equal(offsets, np.arange(ref.first_offset, ref.next_offset)):
            self._find(ref.key, "rows", "its offsets do not count on without gaps")
        if positions(table) != (ref.first_position, ref.last_position):
            self._find(ref.key, "position", "its source positions are not the committed ones")
        table = table.combine_chunks()
        payload = table.column("payload").chunk(0)
        digests = payload_sha256(pc.fill_null(payload, b"") if kind == layout.QUARANTINE else payload)
        self._column(ref, table, "payload_sha256", digests)
        if kind == layout.EVENTS:
            hashes = event_hash(table.column("event_id").chunk(0), digests)
            self._column(ref, table, "event_hash", hashes)
            if hash_sum(hashes) != ref.event_hash_sum:
                self._find(ref.key, "hash", "the sum of its event hashes is not the committed one")
        elif ref.event_hash_sum != 0:
            self._find(ref.key, "hash", "a sum of event hashes is committed, and it holds no events")

    def _column(self, ref: SegmentRef, table: pa.Table, name: str, right: pa.Array) -> None:
        stored = table.column(name).chunk(0)
        if not stored.equals(right):
            wrong = int(pc.index(pc.not_equal(stored, right), value=True).as_py())
            self._find(ref.key, "hash", f"{name} at offset {ref.first_offset + wrong} is not that of its row")

    def _unnamed(self, partition: str, *, whole: bool) -> None:
        """Segments that no readable commit names: orphans, or those of a commit that is damaged."""
        for kind in (layout.EVENTS, layout.QUARANTINE):
            keys = self._storage.keys(layout.segment_folder(kind, partition))
            for key in unreferenced(keys, self._refs(partition, kind)):
                data = self._get(key)
                name = key.rpartition("/")[2]
                intact = (
                    data is not None and layout.segment_hash(name) == hashlib.sha256(data).hexdigest()[:16]
                )
                if whole:
                    self._note(
                        key,
                        "orphan",
                        "no commit names it: a run died before its commit, or commits were taken away",
                        "If a sink is ahead of this log, restore commits; otherwise nothing has to be done.",
                    )
                elif not intact:
                    self._find(key, "damaged", "its SHA-256 is not the one in its name")

    def _refs(self, partition: str, kind: str) -> Iterator[SegmentRef]:
        for key, _ in self._slots(partition):
            data = self._get(key)
            try:
                slot = None if data is None else parse_slot(key, data)
            except CorruptLogError:
                continue  # reported when the chain was walked
            if isinstance(slot, Commit):
                yield from slot.refs(kind)

    def _get(self, key: str) -> bytes | None:
        try:
            return self._storage.get(key)
        except LogUnavailableError:
            raise
        except LogError as error:
            self._find(key, "damaged", f"it cannot be read: {error.message}")
            return b""

    def _find(self, key: str, kind: str, detail: str) -> None:
        self.findings.append(Finding(key=key, kind=kind, detail=detail, hint=_RESTORE))

    def _note(self, key: str, kind: str, detail: str, hint: str) -> None:
        self.notes.append(Finding(key=key, kind=kind, detail=detail, hint=hint))
