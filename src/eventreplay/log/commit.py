"""What a commit says, and its bytes: canonical JSON, sealed and chained.

A slot `commits/<p>/<number>.json` holds one of two things: a commit, or the claim of a writer that is
about to put one there. Both are `{"<what>":{...},"sha256":"<hex of the canonical bytes of {...}>"}` in
canonical form (sorted keys, no whitespace, ASCII), so that any changed byte shows.

No clock, no run id and no token stands in a commit: a run that was killed and started again leaves the
same bytes as one that was not disturbed.
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

from attrs import field, frozen

from eventreplay.event import Checkpoint
from eventreplay.log import layout
from eventreplay.log.sealing import corrupted, sealed, unsealed

VERSION = 1
_SUM_DIGITS_MAX = 60
"""Keeps a forged sum from costing quadratic time; real ones have some 25 digits."""


@frozen(kw_only=True)
class SegmentRef:
    """One immutable segment as its commit names it; small, picklable, enough to read it elsewhere.

    Attributes:
        key: its name under the log's URL.
        rows: rows in the file.
        bytes: size of the file.
        sha256: hex digest of the file's bytes.
        first_offset: `log_offset` of its first row; the rows count on from there without gaps. Events
            and quarantined records count apart.
        first_position: source position of its first row, if all its positions are set and ascend.
        last_position: likewise of its last row.
        event_count: events in it: `rows` for events, 0 for quarantined records.
        event_hash_sum: exact sum of `event_hash` over its events.
    """

    key: str
    rows: int
    bytes: int
    sha256: str
    first_offset: int
    first_position: int | None
    last_position: int | None
    event_count: int
    event_hash_sum: int

    @property
    def next_offset(self) -> int:
        """The offset after its last row."""
        return self.first_offset + self.rows


@frozen(kw_only=True)
class Commit:
    """One atomic step of a partition: what was added, and how far the source had then been read.

    Attributes:
        number: counts from 1 in the partition, without gaps.
        previous: hex SHA-256 of the previous commit's file; 64 zeros for the first.
        segments: events added, in offset order.
        quarantine: records that could not become events, likewise.
        checkpoint: where the source stood; its `fingerprint` is always empty.
        next_offset: offset the next event will get.
        next_quarantine_offset: offset the next quarantined record will get.
        segment_positions: width of the fixed ranges of source positions that segments keep to, or None
            where the source has no order (a queue).
        sha256: hex SHA-256 of this commit's file: the head of the chain so far.
    """

    partition: str
    number: int
    previous: str
    segments: tuple[SegmentRef, ...]
    quarantine: tuple[SegmentRef, ...]
    checkpoint: Checkpoint
    next_offset: int
    next_quarantine_offset: int
    segment_positions: int | None
    version: int = VERSION
    sha256: str = field(default="", eq=False)

    @property
    def first_offset(self) -> int:
        """Offset of the first event of this commit (of the next one to come, if it has none)."""
        return self.next_offset - sum(ref.rows for ref in self.segments)

    def refs(self, kind: str) -> tuple[SegmentRef, ...]:
        """Its segments of one kind, `layout.EVENTS` or `layout.QUARANTINE`."""
        return self.segments if kind == layout.EVENTS else self.quarantine


@frozen(kw_only=True)
class Claim:
    """A writer's mark on the slot it will commit to; whoever wants the partition replaces it."""

    partition: str
    number: int
    token: str


def commit_bytes(commit: Commit) -> bytes:
    """The file of a commit; a pure function of its fields (`sha256` is not one of them)."""
    checkpoint = commit.checkpoint
    return sealed(
        "commit",
        {
            "version": commit.version,
            "partition": commit.partition,
            "number": commit.number,
            "previous": commit.previous,
            "segments": [_ref_fields(ref) for ref in commit.segments],
            "quarantine": [_ref_fields(ref) for ref in commit.quarantine],
            "checkpoint": {
                "source": checkpoint.source,
                "epoch": checkpoint.epoch,
                "position": checkpoint.position,
                "digest": checkpoint.digest,
            },
            "next_offset": commit.next_offset,
            "next_quarantine_offset": commit.next_quarantine_offset,
            "segment_positions": commit.segment_positions,
        },
    )


def claim_bytes(claim: Claim) -> bytes:
    """The file of a claim."""
    return sealed("claim", {"partition": claim.partition, "number": claim.number, "token": claim.token})


def parse_slot(key: str, data: bytes) -> Commit | Claim:
    """Read a slot, trusting nothing in it.

    Raises:
        CorruptLogError: not canonical JSON, the seal is broken, or a field has another type, name or
            form than this version writes.
    """
    what, body = unsealed(key, data, ("commit", "claim"), "neither a commit nor a claim")
    read = _Fields(key, body)
    if what == "claim":
        claim = Claim(partition=read.text("partition"), number=read.count("number"), token=read.text("token"))
        read.done()
        return claim
    if read.count("version") != VERSION:
        _corrupt(key, f"it has version {body['version']}, this release reads version {VERSION}")
    partition = read.text("partition")
    if not layout.valid_partition(partition):
        _corrupt(key, "it names an impossible partition")
    inner = _Fields(key, read.mapping("checkpoint"))
    checkpoint = Checkpoint(
        source=inner.text("source"),
        epoch=inner.text("epoch"),
        position=inner.count("position"),
        digest=inner.text("digest"),
    )
    inner.done()
    commit = Commit(
        partition=partition,
        number=read.count("number"),
        previous=read.digest("previous"),
        segments=_refs(key, read.sequence("segments"), layout.EVENTS, partition),
        quarantine=_refs(key, read.sequence("quarantine"), layout.QUARANTINE, partition),
        checkpoint=checkpoint,
        next_offset=read.count("next_offset"),
        next_quarantine_offset=read.count("next_quarantine_offset"),
        segment_positions=read.optional_count("segment_positions"),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    read.done()
    return commit


def _ref_fields(ref: SegmentRef) -> dict[str, object]:
    return {
        "key": ref.key,
        "rows": ref.rows,
        "bytes": ref.bytes,
        "sha256": ref.sha256,
        "first_offset": ref.first_offset,
        "first_position": ref.first_position,
        "last_position": ref.last_position,
        "event_count": ref.event_count,
        # Text, because the sum of many 64-bit numbers is more than many JSON readers can hold.
        "event_hash_sum": str(ref.event_hash_sum),
    }


def _refs(key: str, items: list[object], kind: str, partition: str) -> tuple[SegmentRef, ...]:
    refs = []
    for item in items:
        read = _Fields(key, item)
        ref = SegmentRef(
            key=read.text("key"),
            rows=read.count("rows"),
            bytes=read.count("bytes"),
            sha256=read.digest("sha256"),
            first_offset=read.count("first_offset"),
            first_position=read.optional_count("first_position"),
            last_position=read.optional_count("last_position"),
            event_count=read.count("event_count"),
            event_hash_sum=read.decimal("event_hash_sum"),
        )
        read.done()
        if ref.key != layout.segment_key(kind, partition, ref.first_offset, ref.sha256):
            _corrupt(key, "it names a segment whose name is not made of its own offset and hash")
        if ref.rows == 0 or ref.event_count != (ref.rows if kind == layout.EVENTS else 0):
            _corrupt(key, "it names a segment with an impossible count")
        refs.append(ref)
    return tuple(refs)


def _corrupt(key: str, detail: str) -> NoReturn:
    raise corrupted(key, detail)


class _Fields:
    """Takes fields out of a JSON object by type, and sees that none is left."""

    def __init__(self, key: str, body: object) -> None:
        if not isinstance(body, dict):
            _corrupt(key, "an object is missing")
        self._key = key
        self._left = dict(body)

    def _take(self, name: str) -> object:
        if name not in self._left:
            _corrupt(self._key, f"the field {name} is missing")
        return self._left.pop(name)

    def done(self) -> None:
        if self._left:
            _corrupt(self._key, f"it has unknown fields, {min(self._left)!r} among them")

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str):
            _corrupt(self._key, f"the field {name} is not text")
        return value

    def digest(self, name: str) -> str:
        value = self.text(name)
        if len(value) != len(layout.GENESIS) or set(value) - set("0123456789abcdef"):
            _corrupt(self._key, f"the field {name} is not a SHA-256")
        return value

    def decimal(self, name: str) -> int:
        value = self.text(name)
        digits = value.removeprefix("-")
        if (
            not (digits.isascii() and digits.isdigit() and len(digits) <= _SUM_DIGITS_MAX)
            or str(int(value)) != value
        ):
            _corrupt(self._key, f"the field {name} is not a decimal integer")
        return int(value)

    def count(self, name: str) -> int:
        value = self.optional_count(name)
        if value is None:
            _corrupt(self._key, f"the field {name} is missing")
        return value

    def optional_count(self, name: str) -> int | None:
        value = self._take(name)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value < 1 << 63:
            _corrupt(self._key, f"the field {name} is not a number of 63 bits")
        return value

    def mapping(self, name: str) -> object:
        return self._take(name)

    def sequence(self, name: str) -> list[object]:
        value = self._take(name)
        if not isinstance(value, list):
            _corrupt(self._key, f"the field {name} is not a list")
        return value
