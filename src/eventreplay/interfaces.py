"""The whole contract for plugin authors. Read this file; nothing else is needed.

A source yields events, a codec turns payload bytes into canonical JSON text, a sink stores rows. Each is
synchronous and used by one thread at a time. Batching, checkpointing, retries, ordering, hashing and
parallelism are not your job: the verbs (`capture`, `replay`) do them, the same for every plugin.
Inherit the suites in `eventreplay.testing`: they call your class as the verbs will, and crash it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa
from attrs import frozen

from eventreplay.batch import Batch
from eventreplay.event import Checkpoint, Position


class Source(Protocol):
    """Something that can be read again: a journal, files, the log itself.

    The same range read twice yields the same events in the same order. Raise `SourceUnavailableError`
    when trying again later may help; any other `SourceError` stops the run.
    """

    @property
    def name(self) -> str:
        """Stable name that checkpoints carry; never contains a secret."""

    def epoch(self) -> str:
        """Identity of the order of positions, e.g. a hash of the files; a changed one is an `EpochError`."""

    def head(self) -> Position | None:
        """A SAFE end: nothing at or below it can still appear. None: nothing yet. Bounded in time."""

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Yield every event in (after, upto], `source_position` strictly ascending.

        `after=None`: from the beginning. Batch sizes are free (bound them); gaps and empty batches are
        fine. A record that cannot be made an event goes to `Batch.rejected`; never drop it, nor raise.
        """

    def close(self) -> None:
        """Release connections and files. Idempotent; called even after an error."""


@frozen(kw_only=True)
class Gaps:
    """Positions in (after, upto] that will never hold an event, in runs from `first` to `last`, inclusive.

    Both int64, aligned, ascending; `evidence` says why that is known, in the source's own terms.
    """

    after: int
    upto: int
    first: pa.Array
    last: pa.Array
    evidence: Mapping[str, str]


@runtime_checkable
class SupportsGaps(Protocol):
    """A source whose positions have holes that it must prove dead before `head` passes them.

    `capture` calls `resume`, `head`, then `gaps`, and writes those down before it commits past them.
    """

    def resume(self, after: Position | None) -> None:
        """Everything at or below `after` is in the log; `head` looks for holes above it."""

    def gaps(self) -> Sequence[Gaps]:
        """What `head` found dead above the position of `resume`, ascending."""

    def late(self, gaps: Iterable[Gaps]) -> Sequence[int]:
        """Positions of these gaps that exist after all. May look now and then only."""


@frozen(kw_only=True)
class Delivery:
    """A batch from a queue and the token by which the queue knows it."""

    batch: Batch
    token: object


class QueueSource(Protocol):
    """Something that delivers, and delivers again until settled: AMQP.

    The verb calls `receive`, commits to the log, then `settle`, on one thread. Acknowledge nothing before
    `settle`: what was received and not settled when the process dies must be delivered again.
    """

    @property
    def name(self) -> str:
        """Stable name that checkpoints carry; never contains a secret."""

    def receive(self, timeout_s: float) -> Delivery | None:
        """The next batch, or None if nothing arrived within `timeout_s`. Blocks no longer than that."""

    def settle(self, delivery: Delivery) -> None:
        """It is durable in the log: acknowledge it; do nothing if its connection is gone. Idempotent."""

    def close(self) -> None:
        """Release the connection without acknowledging anything. Idempotent."""


@runtime_checkable
class SupportsPrefetch(Protocol):
    """A queue that delivers no more while too much is unsettled, and knows when it is empty."""

    @property
    def unsettled_rows_max(self) -> int:
        """Rows after which nothing more comes before some are settled."""

    @property
    def is_quiet(self) -> bool:
        """Connected, and nothing on its way: only then silence means an empty queue."""


@runtime_checkable
class SupportsResume(Protocol):
    """A queue that keeps what it delivered: a stream. Its positions are the log's checkpoint."""

    @property
    def resumes(self) -> bool:
        """Whether this one does; the same class may read queues that do not."""

    def resume(self, after: Position) -> None:
        """Begin behind this, before any `receive`, which raises `EpochError` if that is gone."""

    def position(self, delivery: Delivery) -> Position:
        """Position of the last row of a delivery."""


@frozen(kw_only=True)
class Decoded:
    """What a codec made of a batch of n rows.

    Attributes:
        rows: index of each decoded row in the batch, int32, ascending.
        payload_type: type name after upcasting, string, aligned with `rows`.
        payload: canonical JSON text, string, aligned with `rows`.
        failed: index of each other row, int32, ascending.
        error_code: stable snake_case word, aligned with `failed`.
        error_message: for a person; never contains payload bytes.
    """

    rows: pa.Array
    payload_type: pa.Array
    payload: pa.Array
    failed: pa.Array
    error_code: pa.Array
    error_message: pa.Array


class Codec(Protocol):
    """Payload bytes to canonical JSON text. Pure (no clock, no I/O, no ambient state), and picklable."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the output for any input could; equal fingerprints promise equal output."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        """Decode rows with at least `event_type`, `content_type`, `payload`; one that fails fails alone."""


@runtime_checkable
class SupportsTypes(Protocol):
    """A codec that can say which types a change of its fingerprint is about."""

    def type_fingerprints(self) -> Mapping[str, str]:
        """Of each type it knows, and of `*`, all others: one changes whenever that type's output could."""


class Sink(Protocol):
    """Where rows go: a warehouse. Data and checkpoint commit together, or not at all (promise P5)."""

    def begin(self, replay_id: str) -> Checkpoint | None:
        """Drop uncommitted writes and say where to resume; None: from the start. Idempotent."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows of `RAW_SCHEMA`. Nothing is visible to readers before `commit`. May block."""

    def quarantine(self, rows: pa.RecordBatch) -> None:
        """Take rows of `QUARANTINE_SCHEMA`, under the same commit as `write`."""

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        """Make the writes since the last commit and `checkpoint` visible in one atomic step.

        Raises `CheckpointConflictError`, with nothing written, if the stored one is not `expected`.
        """

    def close(self) -> None:
        """Release connections; uncommitted writes are dropped. Idempotent."""
