"""repair: the rows of RAW that differ from the log are put right from the log, and all is compared again.

The log is never changed: if it is damaged, nothing is repaired. Every segment that is needed is read and
proven before the first row is touched. Rows that the log does not have are removed only when told to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from attrs import asdict, define, evolve, field, frozen

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.tally import Order, SupportsRepair
from eventreplay.errors import (
    CheckpointConflictError,
    CodecChangedError,
    ConfigError,
    SinkError,
)
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Log, SegmentRef
from eventreplay.raw_rows import no_rows, raw_rows
from eventreplay.verify.comparing import verify
from eventreplay.verify.differences import Named
from eventreplay.verify.reckoning import proven
from eventreplay.verify.verification import Verification

Progress = Callable[[int, int | None], None]

ROWS_MAX = 50_000
"""Rows of each kind that one pass puts right; what is left over is the next pass's."""
TRANSACTION_ROWS = 4_096
"""Rows that one transaction replaces at most."""
TRANSACTION_BYTES = 32 * 1024 * 1024
"""Size in Arrow of the rows of one transaction, after which it is committed."""
CONFLICTS_MAX = 8
"""Passes in a row that a load may spoil by moving a checkpoint."""
NAMED_MAX = 20
"""Rows of each kind that a receipt names."""
_KINDS = ("missing", "doubled", "altered")
_ALL = (*_KINDS, "unknown")


@define(kw_only=True)
class Replaced:
    """What was done to one partition's rows.

    Attributes:
        partition: of the log; for unknown rows perhaps none of its.
        places: offsets at which rows were replaced, or removed.
        removed: rows that were taken out.
        written: rows that were put in.
        transactions: in how many transactions.
    """

    partition: str
    places: int = 0
    removed: int = 0
    written: int = 0
    transactions: int = 0


@frozen(kw_only=True)
class Repair:
    """What a repair found, did, and left.

    Attributes:
        before: the comparison that came first.
        after: the comparison that came last; `ok` unless unknown rows were left.
        replaced: by partition; those where nothing was done are not in it.
        stale: whether what dbt built before may hold more than its next run corrects, since altered or
            unknown rows were there; `verify --marts` tells, a full refresh mends.
    """

    before: Verification
    after: Verification
    replaced: tuple[Replaced, ...]

    @property
    def ok(self) -> bool:
        """Whether RAW holds exactly what the log holds now."""
        return self.after.ok

    @property
    def stale(self) -> bool:
        """See the class."""
        gone = self.before.unknown_count > self.after.unknown_count
        return bool(self.replaced) and (gone or self.before.altered_count > 0)

    def shown(self, samples_max: int) -> Repair:
        """The same with so many rows named of each kind."""
        return evolve(self, before=self.before.shown(samples_max), after=self.after.shown(samples_max))

    def brief(self) -> dict[str, Any]:
        """What a receipt keeps beside the last comparison."""
        found = self.shown(NAMED_MAX).to_json()
        before = {name: found["before"][name] for name in (*_ALL, *(f"{kind}_count" for kind in _ALL))}
        return {"stale": self.stale, "replaced": found["replaced"], "before": before}

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "ok": self.ok,
            "stale": self.stale,
            "replaced": [asdict(each) for each in self.replaced],
            "before": self.before.to_json(),
            "after": self.after.to_json(),
        }


def repair(
    log: Log,
    sink: Sink,
    codec: Codec,
    *,
    replay_id: str = "live",
    partitions: Iterable[str] | None = None,
    deep: bool = False,
    remove_unknown: bool = False,
    progress: Progress | None = None,
) -> Repair:
    """Compare, replace exactly the rows that differ, and compare again. Loads may go on meanwhile.

    Killed half-way, it has replaced some rows and is simply run again.

    Args:
        log: what ought to be there; read only.
        sink: what is; not closed.
        codec: the one that made the rows.
        replay_id: whose checkpoints say up to where.
        partitions: only these; None: all, and rows of any other partition are unknown.
        deep: compare every column: finds altered payloads too.
        remove_unknown: also remove rows that the log does not have.
        progress: told of rows compared, and of all; begins anew with each comparison.

    Raises:
        ConfigError: the sink cannot be repaired, or compared.
        CodecChangedError: another codec made the rows than the one given.
        CorruptLogError: the log is not what was committed. Nothing was changed.
        CheckpointConflictError: loads moved a checkpoint again and again.
        SinkError: rows differ although they were just replaced: something else writes them.
    """
    if not isinstance(sink, SupportsRepair):
        raise ConfigError("This sink cannot be repaired.", hint="Its class needs `SupportsRepair.replace`.")
    chosen = None if partitions is None else sorted(set(partitions))

    def compared() -> Verification:
        return verify(
            log,
            sink,
            replay_id=replay_id,
            partitions=chosen,
            codec=codec if deep else None,
            samples_max=ROWS_MAX,
            progress=progress,
        )

    before = found = compared()
    run = _Run(log, sink, sink, codec, replay_id)
    conflicts = 0
    while todo := _todo(found, remove_unknown=remove_unknown):
        try:
            run.put_right(todo, found)
            conflicts = 0
        except CheckpointConflictError:
            conflicts += 1
            if conflicts > CONFLICTS_MAX:
                raise
        left = compared()
        if not conflicts and _differences(left) >= _differences(found):
            raise SinkError(
                f"{_differences(left):,} rows differ, no fewer than before they were replaced.",
                hint="Something else than eventreplay writes these tables: find out what.",
                before=_differences(found),
                after=_differences(left),
            )
        found = left
    return Repair(before=before, after=found, replaced=tuple(run.done[name] for name in sorted(run.done)))


Places = dict[str, dict[Order, set[int]]]


@frozen
class _Todo:
    """Places by partition: those whose rows come from the log, and those that lose what they have."""

    due: Places
    unknown: Places

    def __bool__(self) -> bool:
        return bool(self.due or self.unknown)


def _todo(found: Verification, *, remove_unknown: bool) -> _Todo:
    due = _by_partition(one for kind in _KINDS for one in getattr(found, kind))
    return _Todo(due, _by_partition(found.unknown) if remove_unknown else {})


def _by_partition(named: Iterable[Named]) -> Places:
    made: Places = {}
    for one in named:
        made.setdefault(one.partition, {}).setdefault(one.order, set()).add(one.offset)
    return made


def _differences(found: Verification) -> int:
    return found.missing_count + found.doubled_count + found.altered_count + found.unknown_count


@define
class _Run:
    log: Log
    sink: Sink
    rows: SupportsRepair
    codec: Codec
    replay_id: str
    done: dict[str, Replaced] = field(factory=dict)

    def put_right(self, todo: _Todo, found: Verification) -> None:
        """Replace what is due, then remove what is unknown; nothing before every segment is proven."""
        known = {name: self._checkpoint(name) for name in sorted({*todo.due, *todo.unknown})}
        for name, places in todo.due.items():
            self._see_codec(name, known[name])
            for _ in self._segments(name, places):
                pass
        for name, places in sorted(todo.due.items()):
            self._replace(name, places, known[name])
        compared = {part.partition: part.commits for part in found.partitions}
        for name, places in sorted(todo.unknown.items()):
            self._see_ours(name, known[name], compared)
            self._remove(name, places, known[name])

    def _replace(self, name: str, places: Mapping[Order, set[int]], known: Checkpoint | None) -> None:
        pending = _Pending()
        for order, offsets, table in self._segments(name, places):
            for begin in range(0, len(offsets), TRANSACTION_ROWS):
                some = offsets[begin : begin + TRANSACTION_ROWS]
                first = table.column("log_offset")[0].as_py()
                taken = table.take(pa.array([offset - first for offset in some]))
                made = raw_rows(taken, name, self.codec, TRANSACTION_ROWS, rejects=order == "capture")
                for rows in made:
                    pending.add(rows.rows, rows.refused)
                pending.places.setdefault(order, []).extend(some)
                if pending.is_full:
                    self._commit(name, pending, known)
                    pending = _Pending()
        if pending.places:
            self._commit(name, pending, known)

    def _remove(self, name: str, places: Mapping[Order, set[int]], known: Checkpoint | None) -> None:
        for order, offsets in sorted(places.items()):
            ordered = sorted(offsets)
            for begin in range(0, len(ordered), TRANSACTION_ROWS):
                pending = _Pending(places={order: ordered[begin : begin + TRANSACTION_ROWS]})
                self._commit(name, pending, known)

    def _commit(self, name: str, pending: _Pending, known: Checkpoint | None) -> None:
        rows, refused = pending.batches()
        removed = self.rows.replace(self._id(name), name, pending.places, rows, refused, expected=known)
        done = self.done.setdefault(name, Replaced(partition=name))
        done.places += sum(len(offsets) for offsets in pending.places.values())
        done.removed += removed
        done.written += rows.num_rows + refused.num_rows
        done.transactions += 1

    def _segments(
        self, name: str, places: Mapping[Order, set[int]]
    ) -> Iterator[tuple[Order, list[int], pa.Table]]:
        """Each segment that holds any of the places, read and proven, with those places ascending."""
        wanted = {order: sorted(offsets) for order, offsets in places.items()}
        for commit in self.log.reader(name).commits():
            kinds: dict[Order, tuple[SegmentRef, ...]] = {
                "log": commit.segments,
                "capture": commit.quarantine,
            }
            for order, refs in kinds.items():
                for ref in refs:
                    some = _inside(ref, wanted.get(order, []))
                    if some:
                        yield order, some, proven(ref, self.log.read(ref), rejects=order == "capture")

    def _see_codec(self, name: str, known: Checkpoint | None) -> None:
        if known is not None and known.fingerprint != self.codec.fingerprint:
            raise CodecChangedError(
                f"The rows of {name!r} were decoded by another codec.",
                hint="Repair with the schemas and limits that loaded them, or rebuild.",
                expected=known.fingerprint,
                found=self.codec.fingerprint,
            )

    @staticmethod
    def _see_ours(name: str, known: Checkpoint | None, compared: Mapping[str, int]) -> None:
        """Rows beyond a checkpoint that has moved may be a load's; those of no partition, another log's."""
        if name in compared and (0 if known is None else known.position) != compared[name]:
            raise CheckpointConflictError(
                "A load moved the checkpoint while rows were compared.", hint="Start the repair again."
            )
        if name not in compared and known is not None:
            raise ConfigError(
                f"The rows of {name!r} were loaded from another log.",
                hint="Nothing of it was removed: name this log's partitions with --partition.",
                partition=name,
            )

    def _checkpoint(self, name: str) -> Checkpoint | None:
        return self.sink.begin(self._id(name))

    def _id(self, name: str) -> str:
        return f"{self.replay_id}/{name}"


@define
class _Pending:
    """Rows of one transaction."""

    places: dict[Order, list[int]] = field(factory=dict)
    rows: list[pa.RecordBatch] = field(factory=list)
    refused: list[pa.RecordBatch] = field(factory=list)

    def add(self, rows: pa.RecordBatch, refused: pa.RecordBatch) -> None:
        self.rows.append(rows)
        self.refused.append(refused)

    @property
    def is_full(self) -> bool:
        held = (*self.rows, *self.refused)
        return (
            sum(len(offsets) for offsets in self.places.values()) >= TRANSACTION_ROWS
            or sum(batch.nbytes for batch in held) >= TRANSACTION_BYTES
        )

    def batches(self) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        return (
            pa.concat_batches([no_rows(RAW_SCHEMA), *self.rows]),
            pa.concat_batches([no_rows(QUARANTINE_SCHEMA), *self.refused]),
        )


def _inside(ref: SegmentRef, offsets: list[int]) -> list[int]:
    return [offset for offset in offsets if ref.first_offset <= offset < ref.next_offset]
