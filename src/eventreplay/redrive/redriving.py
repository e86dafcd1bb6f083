"""redrive: quarantined events that today's code can decode come in, at their place, exactly once.

`explain` says beforehand what would happen, and changes nothing. `redrive` moves what passes from QUARANTINE
to EVENTS, a bounded transaction at a time; a record that has moved is not in the quarantine any more, so it
may be killed, repeated, and run beside another and beside a load. `dismiss` marks what will never pass.
Checkpoints do not move; see `adopting` for what is said of the codec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, evolve, field

from eventreplay.admission import AdmissionLimits
from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.quarantine import Marked, Selection, SupportsRedrive, checked_reason
from eventreplay.errors import CheckpointConflictError, ConfigError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Commit, Log
from eventreplay.redrive.adopting import adopted, see_accepted
from eventreplay.redrive.explaining import (
    BATCH_ROWS_MAX,
    EVERYTHING,
    Place,
    check_bounds,
    explain,
    partitions_of,
    placed,
)
from eventreplay.redrive.explanation import Explanation
from eventreplay.redrive.judging import Judged, joined
from eventreplay.redrive.redriven import RedriveReceipt

__all__ = [
    "Explanation",
    "RedriveReceipt",
    "Selection",
    "dismiss",
    "explain",
    "redrive",
    "undismiss",
]

Progress = Callable[[int, int | None], None]

TRANSACTION_ROWS_MAX = 65_536
TRANSACTION_BYTES_MAX = 64 * 1024 * 1024
"""Arrow bytes that one transaction takes, besides those of the last segment's part."""
MOVES_MAX = 8
"""How often a load may move a checkpoint while its codec is being adopted."""


def redrive(
    log: Log,
    sink: Sink,
    codec: Codec,
    *,
    replay_id: str = "live",
    selection: Selection = EVERYTHING,
    batch_rows_max: int = BATCH_ROWS_MAX,
    transaction_rows_max: int = TRANSACTION_ROWS_MAX,
    adopt: bool = False,
    progress: Progress | None = None,
    receipt: RedriveReceipt | None = None,
) -> RedriveReceipt:
    """Move the quarantined events that today's code can decode to EVENTS, each exactly once.

    Of stage decode only: what capture refused has no place in the log, and conflicts of STAGING never pass.
    What was dismissed stays. Rows get the moment of their transaction as `inserted_at`, so the next
    incremental run of dbt finds them.

    Args:
        log: where the bytes are.
        sink: what is moved in; loads and other redrives may go on. Not closed.
        codec: today's.
        replay_id: whose checkpoints say up to where the sink is loaded, and by which codec.
        selection: which records.
        batch_rows_max: records asked for and decoded at a time; bounds memory.
        transaction_rows_max: records after which a transaction is committed.
        adopt: see first that every accepted row is what today's codec gives, and afterwards let the
            checkpoints name it, so that loads go on by it. Of whole partitions only.
        progress: told of records examined, and of all; in the comparison before, of rows compared.
        receipt: of an attempt before this one, which an error ended; what is moved now is added to it.

    Raises:
        ConfigError: the sink cannot be redriven, a bound is below 1, or the selection cannot be adopted.
        CodecChangedError: `adopt`: an accepted row, or a dismissed record, is not what today's codec gives.
            Nothing was moved.
        EpochError: the sink was loaded from another log, or the log was rolled back under it.
        CheckpointConflictError: RAW changed its log, its codec or its generation meanwhile; start again.
        SinkUnavailableError: no answer, or others changed the same rows; start again.
        CorruptLogError: the log is not what was committed.
    """
    check_bounds(batch_rows_max=batch_rows_max, transaction_rows_max=transaction_rows_max)
    if not isinstance(sink, SupportsRedrive):
        raise ConfigError(
            "Nothing can be redriven in this sink.", hint="Its class needs the methods of SupportsRedrive."
        )
    if (selection.stages and "decode" not in selection.stages) or selection.dismissed is not False:
        raise ConfigError(
            "Only records of stage decode that are not dismissed can be redriven.",
            hint="What capture refused is captured again from its source; take back a dismissal first.",
        )
    if adopt and selection.is_narrow:
        raise ConfigError(
            "A codec is adopted for whole partitions, and the selection is narrower.",
            hint="Leave the other filters away, or redrive without adopting.",
        )
    selection = evolve(selection, stages=("decode",))
    receipt = receipt or RedriveReceipt(replay_id=replay_id, fingerprint=codec.fingerprint)
    receipt.begin_again()
    run = _Run(log, sink, sink, codec, replay_id, receipt, batch_rows_max, transaction_rows_max, progress)
    names = partitions_of(sink, selection)
    # All are compared before any is changed: one table must not get half of another codec's rows.
    compared = {name: run.compared(name) for name in names} if adopt else {}
    run.total, run.done = sink.refused_count(evolve(selection, dismissed=None)), 0
    for name in names:
        run.partition(name, selection, restates=adopt)
    for name, upto in compared.items():
        run.adopt(name, upto, selection)
    return receipt


def dismiss(sink: Sink, selection: Selection, reason: str) -> Sequence[Marked]:
    """Mark the selected records as put aside for good. Nothing is deleted; see `undismiss`.

    Raises:
        ConfigError: the sink cannot; the selection names nothing, or the reason cannot be stored.
    """
    return _marking(sink, selection).dismiss(selection, checked_reason(reason))


def undismiss(sink: Sink, selection: Selection) -> Sequence[Marked]:
    """Take the marks of the selected records away.

    Raises:
        ConfigError: the sink cannot; or the selection names nothing.
    """
    return _marking(sink, selection).undismiss(selection)


@define
class _Run:
    """One redrive over its partitions."""

    log: Log
    sink: Sink
    moving: SupportsRedrive
    codec: Codec
    replay_id: str
    receipt: RedriveReceipt
    batch_rows_max: int
    transaction_rows_max: int
    progress: Progress | None
    total: int = 0
    done: int = 0

    def partition(self, name: str, selection: Selection, *, restates: bool) -> None:
        """Move what passes of one partition."""
        here = evolve(selection, partitions=(name,))
        place = placed(self.log, self.sink, self.replay_id, name)
        if place is None:
            self.receipt.unknown += self.moving.refused_count(here)
            return
        self.receipt.loaded_by.setdefault(name, place.known.fingerprint)
        held = _Held(self.moving, self.receipt, f"{self.replay_id}/{name}", place.known, restates=restates)
        for judged in place.bench(self.log, self.codec, AdmissionLimits(), self.batch_rows_max).judged(
            self.moving, "decode", evolve(here, dismissed=None)
        ):
            held.add(judged)
            if held.rows >= self.transaction_rows_max or held.bytes >= TRANSACTION_BYTES_MAX:
                held.settle()
            self.advance(judged.records.num_rows)
        held.settle()

    def compared(self, name: str) -> Commit | None:
        """Up to where every accepted row of a partition was found to be what today's codec gives."""
        place = placed(self.log, self.sink, self.replay_id, name)
        if place is None or place.known.fingerprint == self.codec.fingerprint:
            return None
        return self._accepted(place, None)

    def adopt(self, name: str, compared: Commit | None, selection: Selection) -> None:
        """Let the checkpoint name today's codec; what a load brings meanwhile is compared too."""
        for _ in range(MOVES_MAX):
            place = placed(self.log, self.sink, self.replay_id, name)
            if place is None or place.known.fingerprint == self.codec.fingerprint:
                break
            if compared is None or place.upto.number > compared.number:
                new = 0 if compared is None else compared.next_offset
                compared = self._accepted(place, compared)
                self.partition(name, evolve(selection, first_offset=new), restates=True)
            if adopted(self.sink, place.known, self.codec.fingerprint):
                self.receipt.adopted.append(name)
                break
        else:
            raise CheckpointConflictError(
                f"A load moves the checkpoint of {name!r} all the time, so no codec could be adopted.",
                hint="What passes was moved. Stop the load for a moment, then redrive once more.",
            )

    def _accepted(self, place: Place, compared: Commit | None) -> Commit:
        bench = place.bench(self.log, self.codec, AdmissionLimits(), self.batch_rows_max)
        self.total += place.upto.next_offset - (0 if compared is None else compared.next_offset)
        see_accepted(bench, self.sink, self.moving, place.known, compared, self.advance)
        return place.upto

    def advance(self, rows: int) -> None:
        """Tell of records examined."""
        self.done += rows
        if self.progress is not None:
            self.progress(self.done, self.total)


@define
class _Held:
    """Records that wait for their transaction."""

    sink: SupportsRedrive
    receipt: RedriveReceipt
    replay_id: str
    known: Checkpoint
    restates: bool = field(kw_only=True)
    passed: list[pa.RecordBatch] = field(factory=list)
    refused: list[pa.RecordBatch] = field(factory=list)
    passing: list[pa.Table] = field(factory=list)
    rows: int = 0
    bytes: int = 0

    def add(self, judged: Judged) -> None:
        """Count them, and keep those that are to be changed."""
        verdicts = pc.value_counts(judged.records.column("verdict")).to_pylist()
        counts = Counter({each["values"]: each["counts"] for each in verdicts})
        receipt = self.receipt
        receipt.examined += judged.records.num_rows
        receipt.failing += counts["fails"] + counts["fails_otherwise"]
        receipt.dismissed += counts["dismissed"]
        receipt.altered += counts["altered"]
        receipt.unknown += counts["unknown"]
        changed = [(self.passed, judged.passed)]
        if self.restates:
            changed.append((self.refused, judged.refused))
        for batches, rows in changed:
            if rows.num_rows:
                batches.append(rows)
                self.rows += rows.num_rows
                self.bytes += rows.nbytes
        if judged.passed.num_rows:
            self.passing.append(
                judged.records.filter(pc.equal(judged.records.column("verdict"), "passes")).select(
                    ["log_offset", "error_code", "decoder_fingerprint"]
                )
            )

    def settle(self) -> None:
        """One transaction, if there is anything for it."""
        if not self.rows:
            return
        passed = joined(self.passed, RAW_SCHEMA)
        refused = joined(self.refused, QUARANTINE_SCHEMA)
        made = self.sink.settle(self.replay_id, passed, refused, expected=self.known)
        receipt = self.receipt
        receipt.transactions += 1
        receipt.restated += made.restated
        receipt.moved += len(made.moved)
        receipt.elsewhere += sum(table.num_rows for table in self.passing) - len(made.moved)
        if len(made.moved):
            receipt.note(passed, self.passing, made.moved)
        self.passed, self.refused, self.passing, self.rows, self.bytes = [], [], [], 0, 0


def _marking(sink: Sink, selection: Selection) -> SupportsRedrive:
    if not isinstance(sink, SupportsRedrive):
        raise ConfigError(
            "Nothing can be dismissed in this sink.", hint="Its class needs the methods of SupportsRedrive."
        )
    if not selection.is_narrow and not selection.partitions:
        raise ConfigError(
            "Nothing says which records are meant.",
            hint="Name a code, a type, a partition, a stage, a codec or offsets.",
        )
    return sink
