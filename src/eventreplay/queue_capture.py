"""capture_queue: a queue into the log. What arrived is committed first, and only then settled with the queue.

Whatever kills the process between the two, the queue delivers again what was not settled: nothing is lost,
and what is in the log twice counts once downstream.

A queue may offer more than `QueueSource` asks for: `SupportsPrefetch` says how much it delivers before it
wants something settled, and whether it is connected; `SupportsResume` is a stream, which keeps what it
delivered and is read again from the log's checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from attrs import define, evolve, field, frozen

from eventreplay.admission import AdmissionLimits, admit
from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA
from eventreplay.capture import CaptureReceipt, Job, Progress, commit_piece, encode_job, same_source
from eventreplay.cutting import Piece
from eventreplay.event import Checkpoint, Position
from eventreplay.interfaces import Delivery, QueueSource, SupportsPrefetch, SupportsResume
from eventreplay.log import Log, PartitionWriter


@frozen(kw_only=True)
class QueueOptions:
    """When a capture from a queue closes a segment, and when it ends.

    Attributes:
        rows_max, bytes_max, age_max_s: whichever is reached first closes the segment and commits it.
        receive_timeout_s: how long one `receive` may block; bounds how late age and end are noticed.
        idle_end_s: end when nothing arrived for so long; None: never.
        run_max_s: end after so long; None: never.
    """

    rows_max: int = 65_536
    bytes_max: int = 64 * 1024 * 1024
    age_max_s: float = 5.0
    receive_timeout_s: float = 0.2
    idle_end_s: float | None = 2.0
    run_max_s: float | None = None
    limits: AdmissionLimits = field(factory=AdmissionLimits)


@define
class _Held:
    """Deliveries received and not yet committed."""

    deliveries: list[Delivery] = field(factory=list)
    rows: int = 0
    bytes_held: int = 0
    since_s: float = 0.0


def capture_queue(
    queue: QueueSource,
    log: Log,
    partition: str,
    *,
    clock: Callable[[], float],
    options: QueueOptions | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> CaptureReceipt:
    """Take deliveries into `partition` until idle, stopped, or time is up; settle each only after its commit.

    Args:
        queue: delivers and redelivers until settled.
        log: where to write.
        partition: one consumer's log partition; more consumers use more partitions.
        clock: monotonic seconds, e.g. `time.monotonic`.
        options: when to commit and when to end.
        progress: told after every commit.
        stop: asked after every `receive`; once it says yes, what is held is committed and settled, and the
            receipt returned. A service's way to end on SIGTERM; safe to answer from a signal handler's flag.

    Raises:
        FenceError: another writer took the partition over; nothing of what was held is settled, the
            queue delivers it again.
    """
    options = _bounded(options or QueueOptions(), queue)
    receipt = CaptureReceipt(partition=partition, source=queue.name)
    with log.writer(partition, segment_positions=None) as writer:
        epoch = _epoch(queue)
        same_source(writer.checkpoint, queue.name, epoch)
        if isinstance(queue, SupportsResume) and queue.resumes and writer.checkpoint is not None:
            queue.resume(Position(writer.checkpoint.position))
        held = _Held()
        started_s = heard_s = clock()
        while True:
            delivery = queue.receive(options.receive_timeout_s)
            now_s = clock()
            if delivery is not None:
                heard_s = now_s
                _hold(held, delivery, now_s)
            elif isinstance(queue, SupportsPrefetch) and not queue.is_quiet:
                heard_s = now_s  # nothing can come: that is not being idle
            over = options.run_max_s is not None and now_s - started_s >= options.run_max_s
            over = over or (stop is not None and stop())
            idle = (
                delivery is None and options.idle_end_s is not None and now_s - heard_s >= options.idle_end_s
            )
            if held.deliveries and (over or idle or _due(held, now_s, options)):
                _commit_held(queue, writer, held, options.limits, receipt)
                held = _Held()
                if progress is not None:
                    progress(receipt.received, None)
            if over or idle:
                return receipt


def _bounded(options: QueueOptions, queue: QueueSource) -> QueueOptions:
    """Segments of at most half of what the queue delivers unsettled: the other half comes meanwhile."""
    if not isinstance(queue, SupportsPrefetch):
        return options
    return evolve(options, rows_max=min(options.rows_max, max(1, queue.unsettled_rows_max // 2)))


def _epoch(queue: QueueSource) -> str:
    return "stream" if isinstance(queue, SupportsResume) and queue.resumes else "queue"


def _hold(held: _Held, delivery: Delivery, now_s: float) -> None:
    if not held.deliveries:
        held.since_s = now_s
    held.deliveries.append(delivery)
    held.rows += delivery.batch.rows
    held.bytes_held += delivery.batch.events.nbytes
    held.bytes_held += 0 if delivery.batch.rejected is None else delivery.batch.rejected.nbytes


def _due(held: _Held, now_s: float, options: QueueOptions) -> bool:
    return (
        held.rows >= options.rows_max
        or held.bytes_held >= options.bytes_max
        or now_s - held.since_s >= options.age_max_s
    )


def _commit_held(
    queue: QueueSource, writer: PartitionWriter, held: _Held, limits: AdmissionLimits, receipt: CaptureReceipt
) -> None:
    admitted = [admit(delivery.batch, limits) for delivery in held.deliveries]
    known = writer.checkpoint
    # A queue has no order of its own: the position counts what this partition has taken from it.
    upto = (-1 if known is None else known.position) + held.rows
    if isinstance(queue, SupportsResume) and queue.resumes:
        upto = int(queue.position(held.deliveries[-1]))
    piece = Piece(
        events=pa.Table.from_batches([part.events for part in admitted], EVENT_SCHEMA),
        rejects=pa.Table.from_batches([part.rejects for part in admitted], REJECT_SCHEMA),
        upto=upto,
    )
    if piece.rows:
        encoded = encode_job(Job(piece, writer.next_offset, writer.next_quarantine_offset))
        checkpoint = Checkpoint(source=queue.name, epoch=_epoch(queue), position=piece.upto)
        commit_piece(writer, piece, encoded, checkpoint, receipt)
    for delivery in held.deliveries:
        queue.settle(delivery)
